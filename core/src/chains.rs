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

/// Where a chain begins: with the state of the service's key, and the user's id; or with that of the user's key.
#[derive(Clone, Copy)]
pub(crate) struct Chain<'t> {
    pub(crate) start: &'t Keyed,
    pub(crate) user: Option<&'t KeyId<'t>>,
    pub(crate) token: &'t UnverifiedToken<'t>,
}

/// What the chains came to: for each its T_0, and its last T. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Tags {
    first: [Words; LANES],
    last: [Words; LANES],
}

impl Tags {
    /// T_0 of a chain, and its last T.
    pub(crate) fn of(&self, chain: usize) -> Option<(SecretTag, SecretTag)> {
        let (first, last) = (self.first.get(chain)?, self.last.get(chain)?);
        Some((SecretTag::of(first), SecretTag::of(last)))
    }
}

/// The states of the inner and of the outer pad, wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
struct States([[Words; 2]; LANES]);

impl States {
    const fn blank() -> Self {
        Self([[[0; 8]; 2]; LANES])
    }
}

/// What keys those of [`States`], wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Macs([Words; LANES]);

/// Hashes all of them to their ends.
pub(crate) fn tags(chains: &[Option<Chain<'_>>; LANES]) -> Tags {
    let mut states = States::blank();
    let mut count = 0;
    for (chain, keyed) in chains.iter().flatten().zip(&mut states.0) {
        *keyed = chain.start.states();
        count += 1;
    }
    let keyed = &mut states.0[..count];
    let mut tags = Tags {
        first: [[0; 8]; LANES],
        last: [[0; 8]; LANES],
    };
    let mut rows = Rows::new();
    let chains = || chains.iter().flatten();
    rows.collect(chains().map(|chain| chain.user.map(Row::Lease)));
    rows.key(keyed);
    if chains().any(|chain| chain.token.key_caveats.len() > 0) {
        let mut caveats = each(chains().map(|chain| chain.token.key_caveats.iter()));
        while rows.collect(next_of(&mut caveats)) {
            rows.key(keyed);
        }
    }
    rows.collect(chains().map(|chain| Some(Row::Payload(chain.token.payload))));
    rows.finish(keyed, &mut tags.first[..count]);
    tags.last = tags.first;
    if chains().any(|chain| chain.token.caveats.len() > 0) {
        let mut caveats = each(chains().map(|chain| chain.token.caveats.iter()));
        while rows.collect(next_of(&mut caveats)) {
            rows.attenuate(&mut tags.last);
        }
    }
    tags
}

fn each<'t>(caveats: impl Iterator<Item = Elements<'t>>) -> [Option<Elements<'t>>; LANES] {
    let mut caveats = caveats.fuse();
    std::array::from_fn(|_| caveats.next())
}

/// The next caveat of each chain.
fn next_of<'t>(caveats: &mut [Option<Elements<'t>>]) -> impl Iterator<Item = Option<Row<'t>>> {
    caveats
        .iter_mut()
        .flatten()
        .map(|caveats| caveats.next().map(Row::Caveat))
}

/// Rows that are hashed at the same time, each of another chain.
struct Rows<'t> {
    rows: [Row<'t>; LANES],
    /// The last block of each.
    blocks: [Block; LANES],
    /// The chain of each.
    chains: [usize; LANES],
    len: usize,
    /// Whether one of them fills more than one block.
    is_long: bool,
}

impl<'t> Rows<'t> {
    fn new() -> Self {
        Self {
            rows: [Row::Payload(&[]); LANES],
            blocks: [[0; _]; LANES],
            chains: [0; LANES],
            len: 0,
            is_long: false,
        }
    }

    /// Takes the row of each chain that has one, in place of what was there. Whether there is any.
    fn collect(&mut self, next: impl Iterator<Item = Option<Row<'t>>>) -> bool {
        (self.len, self.is_long) = (0, false);
        for (chain, row) in next.take(LANES).enumerate() {
            let Some(row) = row else { continue };
            self.is_long |= !row.lay_out(&mut self.blocks[self.len]);
            self.rows[self.len] = row;
            self.chains[self.len] = chain;
            self.len += 1;
        }
        self.len > 0
    }

    /// The chains that have a row are keyed by its MAC.
    fn key(&mut self, keyed: &mut [[Words; 2]]) {
        if self.len == keyed.len() {
            return self.key_each(keyed);
        }
        let mut some = States::blank();
        for (some, chain) in some.0.iter_mut().zip(&self.chains[..self.len]) {
            *some = keyed[*chain];
        }
        self.key_each(&mut some.0[..self.len]);
        for (some, chain) in some.0.iter().zip(&self.chains[..self.len]) {
            keyed[*chain] = *some;
        }
    }

    fn key_each(&mut self, keyed: &mut [[Words; 2]]) {
        self.hash_all_but_last(keyed);
        Many::of(keyed.len()).finish_key(keyed, &self.blocks[..keyed.len()]);
    }

    /// The MAC of each row; all chains have one.
    fn finish(&mut self, keyed: &mut [[Words; 2]], macs: &mut [Words]) {
        self.hash_all_but_last(keyed);
        Many::of(keyed.len()).finish(keyed, &self.blocks[..keyed.len()], macs);
    }

    /// The tags of the chains that have a row become its MACs, which they are the keys of.
    fn attenuate(&mut self, tags: &mut [Words; LANES]) {
        let (mut macs, mut states) = (Macs([[0; 8]; LANES]), States::blank());
        for (mac, chain) in macs.0.iter_mut().zip(&self.chains[..self.len]) {
            *mac = tags[*chain];
        }
        let (macs, keyed) = (&mut macs.0[..self.len], &mut states.0[..self.len]);
        Many::of(macs.len()).key_states(macs, keyed);
        self.finish(keyed, macs);
        for (mac, chain) in macs.iter().zip(&self.chains) {
            tags[*chain] = *mac;
        }
    }

    /// Of rows that fill more than one block: each block but the last one, for which the inner state is left.
    fn hash_all_but_last(&mut self, keyed: &mut [[Words; 2]]) {
        if !self.is_long {
            return;
        }
        let rows = &self.rows[..self.len];
        let longest = rows.iter().map(Row::blocks).max().unwrap_or_default();
        let mut inner = Macs([[0; 8]; LANES]);
        let mut blocks = [[0; _]; LANES];
        for number in 0..longest {
            let (mut lanes, mut count) = ([0; LANES], 0);
            for (lane, row) in rows.iter().enumerate() {
                if number + 1 < row.blocks() {
                    inner.0[count] = keyed[lane][0];
                    blocks[count] = row.block(number);
                    lanes[count] = lane;
                    count += 1;
                } else if number + 1 == row.blocks() {
                    self.blocks[lane] = row.block(number);
                }
            }
            Many::of(count).compress(&mut inner.0[..count], &blocks[..count]);
            for (lane, inner) in lanes[..count].iter().zip(&inner.0) {
                keyed[*lane][0] = *inner;
            }
        }
    }
}
