//! Verifying, minting and narrowing in one thread, over the floor of the same run: the compressions that SPEC asks for, times what one takes.

mod lanes;
pub(crate) mod shape;

use std::{
    hint::black_box,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use cattery_core::{
    KeyId, Keyring, Keys, NoRevocations, NoSingleUse, Policy, Presentation, Question, RequestFacts,
    Scratch, TokenState, Verifier, attenuate_token,
};
use cattery_report::{Bar, Bars, Measured, Page, Work, interleave};
use sha2::block_api::compress256;

use shape::{NOW, SERVICE, Shape, Token, spec};

const ABOUT: &str = "
One thread, no agent. `L` is what one compression of SHA-256 takes: `sha2`'s function with the SHA extensions, each state waiting for the one
before. The floor of an operation is the number of compressions that `docs/protocol.md` asks for, times `L`; the tests assert that it does no
more of them. Compressions that do not wait for each other (the two pads of a key) are done side by side, so an operation may come out below its
floor.

Rounds take turns: in each of 301, every operation runs for half a millisecond. Figures are medians, with quartiles in brackets, in nanoseconds.";

/// Tokens that are verified at once.
const MANY: usize = 64;

pub(crate) fn measure(_smoke: bool) -> Result<Page> {
    let mut page = Page::new("The core", ABOUT);
    operations(&mut page)?;
    shapes(&mut page)?;
    lanes::measure(&mut page);
    Ok(page)
}

struct Kept<'k>(&'k Keyring, TokenState);

impl Keys for Kept<'_> {
    fn find(&self, epoch: u32, generation: u32) -> cattery_core::Found<'_> {
        self.0.find(epoch, generation)
    }
    fn user_state(&self, _: &KeyId<'_>) -> Option<&TokenState> {
        Some(&self.1)
    }
}

fn verifier<K: Keys>(keys: K) -> Verifier<'static, K, NoRevocations, NoSingleUse> {
    Verifier {
        service: SERVICE,
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    }
}

fn facts() -> RequestFacts<'static> {
    RequestFacts {
        path_and_query: Some("/albums/7"),
        ..RequestFacts::default()
    }
}

fn one_compression() -> Work<'static> {
    let (mut state, block) = ([7; 8], [[3; 64]]);
    Work::new("L", move || {
        compress256(black_box(&mut state), black_box(&block));
    })
}

/// One row: what it is, its floor in compressions, what it took, and how far above the floor it may be.
struct Row {
    what: String,
    compressions: f64,
    took: Measured,
    allowed: &'static str,
}

fn table(page: &mut Page, l: &Measured, rows: &[Row]) {
    let cells = rows.iter().map(|row| {
        let floor = row.compressions * l.median;
        let over = (row.took.median - floor) / l.median;
        vec![
            row.what.clone(),
            format!("{}", row.compressions),
            format!("{floor:.0}"),
            format!("{:.0}", row.took),
            format!("{over:+.1}"),
            row.allowed.to_owned(),
            format!("{:.2}", row.took.median / floor),
        ]
    });
    page.table(
        &[
            "operation",
            "compressions",
            "floor, ns",
            "ns",
            "above the floor, L",
            "aim, L",
            "ratio to the floor",
        ],
        cells,
    );
    for row in rows {
        page.figure(&row.what, row.took.median, "ns");
    }
}

fn operations(page: &mut Page) -> Result<()> {
    let plain = Shape::default();
    let token = Token::of(&plain)?;
    let narrowed = Token::of(&Shape::with_caveats(8))?;
    let keys = shape::keyring()?;
    let with = verifier(&keys);
    let kept = verifier(Kept(
        &keys,
        shape::service_key()?.user_state(&plain.id("user/alice")),
    ));
    let facts = facts();
    let key = plain.key("user/alice")?;
    let caveat = "path=/albums".parse()?;
    let (mut one, mut many, mut out) = (Scratch::new(), Scratch::new(), String::new());
    let mut narrower = String::new();
    let question = Question {
        presentation: &token.text,
        presenter: None,
        facts: &facts,
    };
    let questions = [question; MANY];
    let mut scratch = Scratch::new();
    let works = vec![
        one_compression(),
        Work::new("verify", || {
            assert!(black_box(verified(&with, &token, &facts)));
        }),
        Work::new("verify, from its text", || {
            let answer = with.verify(black_box(&token.text), &facts, NOW, &mut one);
            assert!(black_box(answer).is_ok());
        }),
        Work::new("verify, with the state of the user's key at hand", || {
            assert!(black_box(verified(&kept, &token, &facts)));
        }),
        Work::new("verify with 8 caveats", || {
            assert!(black_box(verified(&with, &narrowed, &facts)));
        }),
        Work::of_many(
            "verify 64 at a time, from their texts: each",
            MANY as u64,
            || {
                let mut passed = 0;
                with.verify_many(black_box(&questions), NOW, &mut many, |_, answer| {
                    passed += usize::from(answer.is_ok());
                });
                assert_eq!(passed, MANY);
            },
        ),
        Work::new("mint, with a random id and the clock", || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |since| since.as_secs());
            let spec = cattery_core::TokenSpec {
                token_id: rand::random::<u128>().to_ne_bytes(), // as the SDK does
                ..spec(black_box(now).min(NOW))
            };
            assert!(key.mint(&spec, &mut out).is_ok());
        }),
        Work::new("narrow a token, without a key", || {
            assert!(attenuate_token(black_box(&token.text), &caveat, &mut narrower).is_ok());
        }),
        Work::new("read a text, unverified", || {
            let read = cattery_core::inspect::parse(black_box(&token.text), &mut scratch);
            assert!(black_box(read).is_ok());
        }),
    ];
    let took = interleave(works);
    let [l, verify, text, state, caveats, each, mint, narrow, read] = &took[..] else {
        unreachable!("as many as there are works")
    };
    let row = |(what, took): &(String, Measured), compressions, allowed| Row {
        what: what.clone(),
        compressions,
        took: *took,
        allowed,
    };
    let further = caveats.1.median - verify.1.median;
    let further = Row {
        what: "each further caveat".to_owned(),
        compressions: 4.0,
        took: Measured {
            median: further / 8.0,
            low: (caveats.1.low - verify.1.high) / 8.0,
            high: (caveats.1.high - verify.1.low) / 8.0,
        },
        allowed: "1",
    };
    page.section(
        "Operations",
        &format!(
            "A plain token: `user/alice` at `photos`, an id, two times; {} characters. L = {:.1} ns.",
            token.text.len(),
            l.1
        ),
    );
    let rows = [
        row(verify, 6.0, "2.5"),
        row(text, 6.0, "5"),
        row(state, 2.0, "3"),
        further,
        row(each, 6.0, ""),
        row(mint, 2.0, "3.5"),
        row(narrow, 4.0, ""),
    ];
    table(page, &l.1, &rows);
    page.text(&format!(
        "Of what a text takes, {:.0} ns are for reading it: base64url, the two passes of its form, names. Tokens that come together take {:.2} \
         times as long each as one that comes alone.",
        read.1.median,
        each.1.over(&text.1)
    ));
    page.bars(Bars {
        file: "core",
        title: "Operations of the core".to_owned(),
        unit: "ns",
        bars: [verify, text, state, each, mint, narrow]
            .map(|(what, took)| Bar::own(what, *took))
            .into(),
    });
    Ok(())
}

fn verified<K: Keys>(
    verifier: &Verifier<'_, K, NoRevocations, NoSingleUse>,
    token: &Token,
    facts: &RequestFacts<'_>,
) -> bool {
    let presented = Presentation::from_messages(black_box(&token.message), &[]);
    presented.is_ok_and(|presented| {
        let answer = verifier.verify_presentation(None, &presented, facts, NOW);
        black_box(answer).is_ok()
    })
}

fn shapes(page: &mut Page) -> Result<()> {
    let keys = shape::keyring()?;
    let (with, facts) = (verifier(&keys), facts());
    let shapes = Shape::all();
    let tokens = shapes
        .iter()
        .map(Token::of)
        .collect::<Result<Vec<_>>>()
        .context("a token of each shape")?;
    let mut works = vec![one_compression()];
    for (shape, token) in shapes.iter().zip(&tokens) {
        let (with, facts) = (&with, &facts);
        works.push(Work::new(&shape.to_string(), move || {
            assert!(verified(with, token, facts));
        }));
    }
    let took = interleave(works);
    let mut took = took.into_iter();
    let (_, l) = took.next().context("L is the first")?;
    let rows: Vec<_> = shapes
        .iter()
        .zip(took)
        .map(|(shape, (what, took))| {
            anyhow::Ok(Row {
                what,
                compressions: shape.compressions()?,
                took,
                allowed: "",
            })
        })
        .collect::<Result<_>>()?;
    page.section("Shapes", "Verifying tokens of other shapes.");
    table(page, &l, &rows);
    Ok(())
}
