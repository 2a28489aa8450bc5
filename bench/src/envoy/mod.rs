//! Requests through Envoy: with the agent, with Envoy's own filter for JWTs, with a bare service in the agent's place, and with nobody who asks.

pub(crate) mod echo;
mod jwt;
mod load;
mod page;
mod place;
pub(crate) mod upstream;
mod way;

use std::time::Duration;

use anyhow::Result;
use cattery_report::Page;

use load::{Load, Slice};
use place::{PARTIES, Place};

/// A slice, and the microseconds of processor time that each of the [`PARTIES`] spent on one of its requests.
type Round = (Slice, [f64; PARTIES.len()]);

const SERVICE: &str = "photos";
const USER: &str = "user/alice";
const PATH: &str = "/albums/7?size=l";
/// Where the service learns who is calling.
const PRINCIPAL: &str = "x-cat-principal";
const TOKEN_ID: &str = "x-cat-token-id";
/// Requests at once, each on a connection of its own: the first for latency, the other for throughput.
const AT_ONCE: [usize; 2] = [1, 32];

/// How much is done.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    slice: Duration,
}

pub(crate) fn measure(smoke: bool) -> Result<Page> {
    let effort = match smoke {
        true => Effort {
            rounds: 2,
            slice: Duration::from_millis(50),
        },
        false => Effort {
            rounds: 15,
            slice: Duration::from_secs(1),
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let place = Place::start(&runtime)?;
    let mut loads = Vec::new();
    for setup in &place.setups {
        for at_once in AT_ONCE {
            let load = Load::connect(setup.envoy.addr, &setup.tokens, at_once);
            loads.push((setup, runtime.block_on(load)?, Vec::new()));
        }
    }
    for _ in 0..effort.rounds {
        for (setup, load, slices) in &mut loads {
            let before = place.processors(setup)?;
            let slice = load.run(&runtime, effort.slice)?;
            let mut spent = place.processors(setup)?;
            for (spent, before) in spent.iter_mut().zip(before) {
                *spent = (*spent - before) / f64::from(slice.requests) * 1e6;
            }
            slices.push((slice, spent));
        }
    }
    let slices: Vec<Vec<_>> = loads.into_iter().map(|(_, _, slices)| slices).collect();
    Ok(page::write(&place, effort, &slices))
}
