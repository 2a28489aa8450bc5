//! The key chains of several tokens, side by side: what a chain needs next of the hash waits for what came before, and the chains do not
//! wait for each other.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::compress::{Block, Many, Words};
use crate::key_id::KeyId;
use crate::key_tree::{Row, SecretTag};
use crate::mac::Keyed;
use crate::token::UnverifiedToken;
use crate::wire::Elements;

/// Most chains at a time.
pub(crate) const LANES: usize = 16;

/// One token's chain: rows that are still to be hashed, in order.
pub(crate) struct Chain<'t> {
    /// What the first row is keyed with.
    start: &'t Keyed,
    user: Option<&'t KeyId<'t>>,
    key_caveats: Elements<'t>,
    payload: Option<&'t [u8]>,
    caveats: Elements<'t>,
    left: usize,
}

impl<'t> Chain<'t> {
    /// From the state of the service's key on, with the user's id; or from that of the user's key on, without.
    pub(crate) fn new(
        start: &'t Keyed,
        user: Option<&'t KeyId<'t>>,
        token: &'t UnverifiedToken<'t>,
    ) -> Self {
        Self {
            start,
            user,
            key_caveats: token.key_caveats.iter(),
            payload: Some(token.payload),
            caveats: token.caveats.iter(),
            left: usize::from(user.is_some()) + token.key_caveats.len() + 1 + token.caveats.len(),
        }
    }

    /// The next row, and whether what it comes to is T_0.
    fn next(&mut self) -> Option<(Row<'t>, bool)> {
        self.left = self.left.checked_sub(1)?;
        if let Some(id) = self.user.take() {
            return Some((Row::user(id), false));
        }
        if let Some(caveat) = self.key_caveats.next() {
            return Some((Row::attenuation(caveat), false));
        }
        match self.payload.take() {
            Some(payload) => Some((Row::token(payload), true)),
            None => Some((Row::attenuation(self.caveats.next()?), false)),
        }
    }
}

/// The states of all lanes, wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Tags {
    /// T_0 of each.
    first: [Words; LANES],
    /// What the last row of each came to.
    last: [Words; LANES],
}

impl Tags {
    /// T_0 of a chain, and its last T.
    pub(crate) fn of(&self, chain: usize) -> Option<(SecretTag, SecretTag)> {
        let (first, last) = (self.first.get(chain)?, self.last.get(chain)?);
        Some((SecretTag::of(first), SecretTag::of(last)))
    }
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct States {
    /// Of each chain: its inner and outer pad.
    keyed: [[Words; 2]; LANES],
    /// Of those that are hashed now, side by side.
    inner: [Words; LANES],
    outer: [Words; LANES],
    side: [Words; LANES],
    side_keyed: [[Words; 2]; LANES],
}

/// Hashes all of them to their ends.
pub(crate) fn tags(chains: &mut [Option<Chain<'_>>; LANES]) -> Tags {
    let zero = [[0; 8]; LANES];
    let mut tags = Tags {
        first: zero,
        last: zero,
    };
    let mut states = States {
        keyed: [[[0; 8]; 2]; LANES],
        inner: zero,
        outer: zero,
        side: zero,
        side_keyed: [[[0; 8]; 2]; LANES],
    };
    for (chain, keyed) in chains.iter().flatten().zip(&mut states.keyed) {
        *keyed = chain.start.states();
    }
    let mut blocks = [[0; 64]; LANES];
    loop {
        // Of each lane: the chain's number, its row, and whether that comes to T_0.
        let mut rows = [const { None }; LANES];
        let mut lanes = 0;
        let mut longest = 0;
        for (number, chain) in chains.iter_mut().flatten().enumerate() {
            if let Some((row, is_first)) = chain.next() {
                [states.inner[lanes], states.outer[lanes]] = states.keyed[number];
                blocks[lanes] = row.block(0);
                longest = longest.max(row.blocks());
                rows[lanes] = Some((number, row, is_first));
                lanes += 1;
            }
        }
        if lanes == 0 {
            return tags;
        }
        let rows = &rows[..lanes];
        Many::of(lanes).compress(&mut states.inner[..lanes], &blocks[..lanes]);
        for number in 1..longest {
            states.hash_more(rows, number, &mut blocks);
        }
        Many::of(lanes).outer(&mut states.inner[..lanes], &states.outer[..lanes]);
        // The chains that go on are keyed with what they came to.
        let (mut going_on, mut numbers) = (0, [0; LANES]);
        for ((number, _, is_first), output) in rows.iter().flatten().zip(&states.inner) {
            tags.last[*number] = *output;
            if *is_first {
                tags.first[*number] = *output;
            }
            if chains[*number].as_ref().is_some_and(|chain| chain.left > 0) {
                states.side[going_on] = *output;
                numbers[going_on] = *number;
                going_on += 1;
            }
        }
        let keys = &states.side[..going_on];
        Many::of(2 * going_on).key_states(keys, &mut states.side_keyed[..going_on]);
        for (number, keyed) in numbers.iter().zip(&states.side_keyed[..going_on]) {
            states.keyed[*number] = *keyed;
        }
    }
}

impl States {
    /// Hashes the block of this number of the rows that have one.
    fn hash_more(
        &mut self,
        rows: &[Option<(usize, Row<'_>, bool)>],
        number: usize,
        blocks: &mut [Block; LANES],
    ) {
        let (mut side, mut places) = (0, [0; LANES]);
        for (lane, (_, row, _)) in rows.iter().flatten().enumerate() {
            if number < row.blocks() {
                blocks[side] = row.block(number);
                self.side[side] = self.inner[lane];
                places[side] = lane;
                side += 1;
            }
        }
        Many::of(side).compress(&mut self.side[..side], &blocks[..side]);
        for (place, state) in places.iter().zip(&self.side[..side]) {
            self.inner[*place] = *state;
        }
    }
}
