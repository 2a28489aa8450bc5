//! Address blocks (SPEC section 3.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address block: the addresses that begin with the first `len` bits of `base`.
pub(super) enum Block {
    V4 { base: u32, len: u32 },
    V6 { base: u128, len: u32 },
}

impl Block {
    /// An entry by its syntax, or `None`. The standard library reads just the address forms that the SPEC allows: four
    /// decimal numbers without leading zeros, and RFC 4291 section 2.2 without zones.
    pub(super) fn parse(entry: &str) -> Option<Self> {
        let (addr, len) = entry.split_once('/')?;
        let digits = len.len() <= 3 && len.bytes().all(|b| b.is_ascii_digit());
        if !digits || len.len() > 1 && len.starts_with('0') {
            return None;
        }
        let len: u32 = len.parse().ok()?;
        if addr.contains(':') {
            let addr: Ipv6Addr = addr.parse().ok()?;
            let base = addr.to_bits();
            let zero_host = base.checked_shl(len).unwrap_or(0) == 0;
            (len <= 128 && zero_host && addr.to_ipv4_mapped().is_none())
                .then_some(Self::V6 { base, len })
        } else {
            let base = addr.parse::<Ipv4Addr>().ok()?.to_bits();
            let zero_host = base.checked_shl(len).unwrap_or(0) == 0;
            (len <= 32 && zero_host).then_some(Self::V4 { base, len })
        }
    }

    /// Whether an address lies in it. An IPv4-mapped IPv6 address counts as IPv4.
    pub(super) fn contains(&self, addr: IpAddr) -> bool {
        match (self, addr.to_canonical()) {
            (Self::V4 { base, len }, IpAddr::V4(addr)) => {
                (addr.to_bits() ^ base).checked_shr(32 - len).unwrap_or(0) == 0
            }
            (Self::V6 { base, len }, IpAddr::V6(addr)) => {
                (addr.to_bits() ^ base).checked_shr(128 - len).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
