//! Loopback addresses of pods.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
};

/// Gives out the addresses of a range, the one that was given back longest ago last.
#[derive(Debug)]
pub(super) struct PodAddresses {
    range: RangeInclusive<u32>,
    /// Held for a look-up by pods that come and go.
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    addresses: BTreeSet<u32>,
    next: u32,
}

impl PodAddresses {
    pub(super) fn new(range: &RangeInclusive<Ipv4Addr>) -> PodAddresses {
        let range = range.start().to_bits()..=range.end().to_bits();
        PodAddresses {
            taken: Mutex::new(Taken {
                addresses: BTreeSet::new(),
                next: *range.start(),
            }),
            range,
        }
    }

    /// None when all are taken. Usually at once; at worst a walk over the range.
    pub(super) fn take(&self) -> Option<Ipv4Addr> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let start = taken.next;
        loop {
            let candidate = taken.next;
            taken.next = if candidate == *self.range.end() {
                *self.range.start()
            } else {
                candidate + 1
            };
            // Networks and broadcasts look odd as addresses of pods.
            let is_usual = !matches!(candidate & 0xff, 0 | 0xff);
            if is_usual && taken.addresses.insert(candidate) {
                return Some(Ipv4Addr::from_bits(candidate));
            }
            if taken.next == start {
                return None;
            }
        }
    }

    pub(super) fn give_back(&self, address: Ipv4Addr) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.addresses.remove(&address.to_bits());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_not_given_again_while_others_are_free() {
        let (first, last) = (
            Ipv4Addr::new(127, 20, 64, 254),
            Ipv4Addr::new(127, 20, 65, 2),
        );
        let addresses = PodAddresses::new(&(first..=last));
        let taken: Vec<Ipv4Addr> = (0..2).filter_map(|_| addresses.take()).collect();
        assert_eq!(taken, [first, Ipv4Addr::new(127, 20, 65, 1)]);
        addresses.give_back(first);
        assert_eq!(addresses.take(), Some(last));
        assert_eq!(addresses.take(), Some(first));
        assert_eq!(addresses.take(), None);
    }
}
