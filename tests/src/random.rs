//! Randomness that can be had again: every random story prints its seed, and `CATTERY_SEED` sets it.

use anyhow::{Context as _, Result};
use rand::{SeedableRng as _, rngs::StdRng};

/// The seed of this run: from `CATTERY_SEED`, or a fresh one.
///
/// # Errors
/// Where `CATTERY_SEED` is not a number.
pub fn seed() -> Result<u64> {
    match std::env::var("CATTERY_SEED") {
        Ok(text) => text
            .parse()
            .context("CATTERY_SEED has to be a decimal number"),
        Err(_) => Ok(u64::from(rand::random::<u32>())),
    }
}

/// A generator for one use of a seed: other uses do not disturb it.
pub fn generator(seed: u64, use_: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(use_))
}
