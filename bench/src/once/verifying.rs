//! Verifying alone, in one thread: what a bound token takes beside a plain one.

use std::hint::black_box;

use anyhow::Result;
use cattery_core::{NoRevocations, NoSingleUse, Policy, RequestFacts, Scratch, Verifier};
use cattery_report::{Page, Work, interleave_in};

use super::{
    Extent,
    tokens::{AUTHORITY, Kind, METHOD, PATH, mint},
};
use crate::core::shape::{NOW, SERVICE, Shape, keyring};

/// Different ones of each kind.
const TOKENS: usize = 1_000;

/// A section about it.
///
/// # Errors
/// A token cannot be minted.
pub(super) fn measure(page: &mut Page, extent: Extent) -> Result<()> {
    let key = Shape::default().key("user/alice")?;
    let all = |kind| {
        (0..TOKENS)
            .map(|_| mint(&key, kind, NOW))
            .collect::<Result<Vec<_>>>()
    };
    let (plain, bound) = (all(Kind::Plain)?, all(Kind::Bound)?);
    let verifier = Verifier {
        service: SERVICE,
        keys: keyring()?,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let facts = RequestFacts {
        method: Some(METHOD),
        authority: Some(AUTHORITY),
        path_and_query: Some(PATH),
        ..RequestFacts::default()
    };
    let run = |tokens: &[String]| {
        let mut scratch = Scratch::new();
        let passed = tokens
            .iter()
            .filter(|token| verifier.verify(token, &facts, NOW, &mut scratch).is_ok());
        assert_eq!(passed.count(), tokens.len());
    };
    let work = |name, tokens| Work::of_many(name, TOKENS as u64, move || run(black_box(tokens)));
    let works = vec![
        work("plain", &plain[..]),
        work("bound to its request", &bound),
    ];
    let took = interleave_in(extent.slices, works);
    page.section(
        "Verifying in one thread",
        &format!(
            "{TOKENS} tokens of each kind that pass, in turns, {} rounds. No agent, and no use is remembered.",
            extent.slices
        ),
    );
    let plain = took.first().map(|(_, plain)| *plain);
    page.table(
        &["verifying", "ns", "ratio to plain"],
        took.iter().map(|(what, took)| {
            let ratio = plain.map_or(1.0, |plain| took.over(&plain));
            vec![what.clone(), format!("{took:.0}"), format!("{ratio:.2}")]
        }),
    );
    Ok(())
}
