//! The SDK's verifier in an application's own process, over the bare core with the same keys, revocations and clock.

mod keys;
mod page;
mod place;

use std::{
    convert::Infallible,
    future::{poll_fn, ready},
    hint::black_box,
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use cattery_core::{Authorization, Caveat, RequestFacts, Scratch, TokenSpec, authorization};
use cattery_report::{Measured, Page, Work, interleave};
use cattery_sdk::verify::{CallerRef, VerifyLayer};
use cattery_tests::town;
use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;
use tower::{Layer as _, Service};

use crate::tokens::spoiled;
use keys::Bare;
use place::Place;

const SERVICE: &str = "photos";
const USER: &str = "user/alice";
const METHOD: &str = "GET";
const PATH: &str = "/albums/7?size=l";
const SCOPE: &str = "photos.read";
/// Bytes of claims of a token that has some.
const CLAIMS: usize = 1_024;
const THREADS: [usize; 2] = [1, 2];
/// Verifications of one thread in one turn: starting the threads does not show.
const TURN: u64 = 2_000;
const LIFETIME: u64 = 900;

/// A token of some shape.
struct Shape {
    name: &'static str,
    token: String,
}

/// What came out for one of them, in nanoseconds for each verification.
struct Row {
    shape: &'static str,
    threads: usize,
    core: Measured,
    /// A `Caller` to keep.
    owned: Measured,
    /// A look at who is calling.
    lent: Measured,
}

/// A request that a service answers once its token is good, in nanoseconds.
struct Layered {
    core: Measured,
    layer: Measured,
}

pub(crate) fn measure(smoke: bool) -> Result<Page> {
    let turn = if smoke { 10 } else { TURN };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let place = runtime.block_on(Place::start())?;
    let shapes = shapes(&place)?;
    for shape in &shapes {
        runtime.block_on(check(&place, shape)).context(shape.name)?;
    }
    let mut rows = Vec::new();
    for shape in &shapes {
        for threads in THREADS {
            rows.push(row(&runtime, &place, shape, threads, turn));
        }
    }
    let plain = shapes.first().context("a token")?;
    let layered = layered(&runtime, &place, plain, turn)?;
    Ok(page::write(&place, &shapes, &rows, &layered))
}

fn facts() -> RequestFacts<'static> {
    RequestFacts {
        method: Some(METHOD),
        path_and_query: Some(PATH),
        scope: Some(SCOPE),
        ..RequestFacts::default()
    }
}

fn shapes(place: &Place) -> Result<[Shape; 2]> {
    let now = town::now()?;
    let mint = |name, caveats: &[Caveat<'_>], claims: &[u8]| -> Result<Shape> {
        let spec = TokenSpec {
            not_before: now,
            not_after: now + LIFETIME,
            token_id: rand::random(),
            claims_type: if claims.is_empty() {
                ""
            } else {
                "bench.Claims"
            },
            claims,
            caveats,
        };
        let mut token = String::new();
        place.key.mint(&spec, &mut token)?;
        Ok(Shape { name, token })
    };
    let caveats: [Caveat<'static>; 3] = [
        format!("scope={SCOPE}").parse()?,
        format!("method={METHOD}").parse()?,
        "path=/albums".parse()?,
    ];
    Ok([
        mint("plain", &[], &[])?,
        mint("three caveats, 1 KiB of claims", &caveats, &[7; CLAIMS])?,
    ])
}

/// Both let it pass, and refuse it with another letter near its end.
async fn check(place: &Place, shape: &Shape) -> Result<()> {
    let (bare, facts) = (place.keys.verifier(), facts());
    let mut scratch = Scratch::new();
    let caller = place.sdk.verify(&shape.token, &facts).await?;
    let verified = bare.verify(&shape.token, &facts, now()?, &mut scratch);
    let verified = verified.map_err(|denied| anyhow!("{}", denied.reason))?;
    let is_same = caller.principal == verified.principal() && caller.claims == verified.claims();
    ensure!(is_same, "the two do not agree on who is calling");
    let bad = spoiled(&shape.token)?;
    ensure!(
        place.sdk.verify(&bad, &facts).await.is_err(),
        "the SDK lets a bad token pass"
    );
    let passes = bare.verify(&bad, &facts, now()?, &mut scratch).is_ok();
    ensure!(!passes, "the core lets a bad token pass");
    Ok(())
}

fn row(runtime: &Runtime, place: &Place, shape: &Shape, threads: usize, turn: u64) -> Row {
    let bare = place.keys.verifier();
    let operations = turn * threads as u64;
    let each = |work: &(dyn Fn() + Sync)| match threads {
        1 => work(),
        _ => thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        }),
    };
    let core = || {
        let mut scratch = Scratch::new();
        for _ in 0..turn {
            assert!(by_core(&bare, &shape.token, &mut scratch));
        }
    };
    let owned = || {
        runtime.block_on(async {
            let facts = facts();
            for _ in 0..turn {
                let caller = place.sdk.verify(black_box(&shape.token), &facts).await;
                assert!(black_box(caller).is_ok());
            }
        });
    };
    let lent = || {
        runtime.block_on(async {
            let facts = facts();
            for _ in 0..turn {
                let look = |caller: CallerRef<'_>| caller.principal() == USER;
                let token = black_box(&shape.token);
                let is_user = place.sdk.verify_with(token, &facts, look).await;
                assert!(matches!(black_box(is_user), Ok(true)));
            }
        });
    };
    let took = interleave(vec![
        Work::of_many("core", operations, || each(&core)),
        Work::of_many("owned", operations, || each(&owned)),
        Work::of_many("lent", operations, || each(&lent)),
    ]);
    Row {
        shape: shape.name,
        threads,
        core: took[0].1,
        owned: took[1].1,
        lent: took[2].1,
    }
}

/// Reads the clock and verifies, as the SDK does.
fn by_core(bare: &Bare<'_>, token: &str, scratch: &mut Scratch) -> bool {
    let Ok(now) = now() else { return false };
    let verified = bare.verify(black_box(token), &facts(), now, scratch);
    verified.is_ok_and(|verified| black_box(verified.principal()) == USER)
}

/// A service that says "yes" where the token is good: it calls the core itself, or `VerifyLayer` is round it.
fn layered(runtime: &Runtime, place: &Place, shape: &Shape, turn: u64) -> Result<Layered> {
    let bare = place.keys.verifier();
    let mut scratch = Scratch::new();
    let mut alone = tower::service_fn(|request: Request<()>| {
        let values = request.headers().get_all(AUTHORIZATION).iter();
        let passes = match authorization(values.map(HeaderValue::as_bytes)) {
            Authorization::Presentation(token) => by_core(&bare, token, &mut scratch),
            Authorization::Absent | Authorization::Malformed => false,
        };
        ready(Ok::<_, Infallible>(answer(passes)))
    });
    let inner = tower::service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(answer(true))));
    let layer = VerifyLayer::new(place.sdk.clone()).scope(|_| Some(SCOPE.to_owned()));
    let mut layered = layer.layer(inner);
    let bearer = HeaderValue::try_from(format!("Bearer {}", shape.token))?;
    let took = interleave(vec![
        Work::of_many("core", turn, || ask(runtime, &mut alone, &bearer, turn)),
        Work::of_many("layer", turn, || ask(runtime, &mut layered, &bearer, turn)),
    ]);
    Ok(Layered {
        core: took[0].1,
        layer: took[1].1,
    })
}

fn answer(passes: bool) -> Response<()> {
    let mut response = Response::new(());
    if !passes {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    response
}

fn ask<S>(runtime: &Runtime, service: &mut S, bearer: &HeaderValue, times: u64)
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    runtime.block_on(async {
        for _ in 0..times {
            let request = Request::get(PATH).header(AUTHORIZATION, bearer).body(());
            let Ok(request) = request else { continue };
            let Ok(()) = poll_fn(|context| service.poll_ready(context)).await;
            let Ok(response) = service.call(request).await;
            assert_eq!(response.status(), StatusCode::OK);
        }
    });
}

/// Unix seconds by the kernel's coarse clock, as the SDK reads it.
fn now() -> Result<u64> {
    Ok(clock_gettime(ClockId::RealtimeCoarse).tv_sec.try_into()?)
}
