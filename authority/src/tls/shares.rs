//! No one address takes all the places that there are for many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// How many places each address has.
pub(super) struct Shares {
    most: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place of an address, until this is dropped.
pub(super) struct Share {
    shares: Arc<Shares>,
    source: IpAddr,
}

impl Shares {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// A place, unless the address has taken all of its own.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let source = source(address);
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.entry(source).or_default();
        if *taken >= self.most {
            return None;
        }
        *taken += 1;
        Some(Share {
            shares: self.clone(),
            source,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let all = self.shares.taken.lock();
        let mut all = all.unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = all.get_mut(&self.source) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&self.source);
            }
        }
    }
}

/// Whoever has one IPv6 address has its network of 64 bits.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others() {
        let shares = Shares::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (one, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"),
        ] {
            let first = shares.take(address(one)).unwrap();
            let _second = shares.take(address(same)).unwrap();
            assert!(shares.take(address(one)).is_none());
            assert!(shares.take(address(other)).is_some());
            drop(first);
            assert!(shares.take(address(one)).is_some());
        }
        assert!(shares.taken.lock().unwrap().is_empty());
    }
}
