//! Every format's tokens, verified and made in rounds that take turns.

use std::hint::black_box;

use anyhow::Result;
use cattery_report::{Measured, Work, interleave_in, rounds::SLICES};
use sha2::block_api::compress256;

use crate::{
    allocations,
    claims::Claims,
    peer::{About, Peer},
};

/// So few rounds that the figures say nothing.
const SMOKE: usize = 3;

/// What one operation costs.
pub(crate) struct Cost {
    /// In nanoseconds.
    pub(crate) took: Measured,
    /// How often it allocates.
    pub(crate) allocations: u64,
}

/// What one format's tokens cost.
pub(crate) struct Costs {
    pub(crate) about: About,
    pub(crate) verify: Cost,
    pub(crate) mint: Cost,
    /// Characters of a token.
    pub(crate) length: usize,
}

/// All that was measured.
pub(crate) struct Run {
    pub(crate) rounds: usize,
    /// What one compression of SHA-256 took, beside the verifying and beside the minting.
    pub(crate) compression: [Measured; 2],
    pub(crate) peers: Vec<Costs>,
}

pub(crate) fn measure(peers: &mut [Box<dyn Peer>], smoke: bool) -> Result<Run> {
    let rounds = if smoke { SMOKE } else { SLICES };
    let mut tokens = vec![String::new(); peers.len()];
    let (minted, mint_allocations) = in_turns(rounds, peers, &mut tokens, |peer, token| {
        peer.mint(&Claims::fresh(), token)
    })?;
    let (verified, verify_allocations) =
        in_turns(rounds, peers, &mut tokens, |peer, token| peer.verify(token))?;
    let [(by_minting, minted), (by_verifying, verified)] =
        [minted, verified].map(|took| (took[0], took));
    let costs = peers.iter().enumerate().map(|(index, peer)| Costs {
        about: peer.about(),
        verify: Cost {
            took: verified[index + 1],
            allocations: verify_allocations[index],
        },
        mint: Cost {
            took: minted[index + 1],
            allocations: mint_allocations[index],
        },
        length: tokens[index].len(),
    });
    Ok(Run {
        rounds,
        compression: [by_verifying, by_minting],
        peers: costs.collect(),
    })
}

/// One operation of all formats in turns, and a compression first. It has to work each time.
fn in_turns(
    rounds: usize,
    peers: &mut [Box<dyn Peer>],
    tokens: &mut [String],
    operation: impl Fn(&mut dyn Peer, &mut String) -> Result<()>,
) -> Result<(Vec<Measured>, Vec<u64>)> {
    let operation = &operation;
    let mut allocated = Vec::new();
    for (peer, token) in peers.iter_mut().zip(&mut *tokens) {
        // What is made ready once, at the first token, does not count.
        operation(&mut **peer, token)?;
        let mut done = Ok(());
        allocated.push(allocations::during(|| done = operation(&mut **peer, token)));
        done?;
    }
    let mut failed = vec![None; peers.len()];
    let mut state = [7; 8];
    let block = [[3; 64]];
    let mut works = vec![Work::new("compression", move || {
        compress256(black_box(&mut state), black_box(&block));
    })];
    for ((peer, token), failed) in peers.iter_mut().zip(tokens).zip(&mut failed) {
        works.push(Work::new(peer.about().name, move || {
            if let Err(error) = operation(&mut **peer, black_box(token)) {
                *failed = Some(format!("{error:#}"));
            }
        }));
    }
    let took = interleave_in(rounds, works);
    for (failed, (name, _)) in failed.into_iter().zip(&took[1..]) {
        if let Some(error) = failed {
            anyhow::bail!("{name}: {error}");
        }
    }
    Ok((took.into_iter().map(|(_, took)| took).collect(), allocated))
}
