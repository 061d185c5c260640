//! A network of its own for each cluster, on the loopback interface.
//!
//! Everything in `127.0.0.0/8` is local on Linux, so a cluster takes one `127.N.0.0/16`: nodes in
//! `127.N.0.x`, services in `127.N.1–63.y`, pods in `127.N.64–255.y`. Nothing is ever reachable
//! from outside.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
};

/// As kubelets listen on; here it only marks a network as taken.
const MARK_PORT: u16 = 10250;

/// The ranges that clusters take from.
const NETWORKS: RangeInclusive<u8> = 16..=250;

/// A `/16` that no other cluster on this machine has, for as long as this lives.
#[derive(Debug)]
pub(super) struct Loopback {
    network: u8,
    /// Whoever finds this address taken goes on to the next network.
    _mark: TcpListener,
}

impl Loopback {
    /// The first free network from the one that `hint` leads to, so that clusters that start at
    /// the same time seldom meet.
    ///
    /// # Errors
    /// When none is free, or loopback addresses cannot be bound at all.
    pub(super) fn take(hint: u32) -> io::Result<Loopback> {
        let count = u32::from(NETWORKS.end() - NETWORKS.start()) + 1;
        let mut refused = None;
        for step in 0..count {
            let offset = (hint % count + step) % count;
            let network = NETWORKS.start() + u8::try_from(offset).unwrap_or(0);
            match TcpListener::bind((Ipv4Addr::new(127, network, 0, 1), MARK_PORT)) {
                Ok(mark) => {
                    return Ok(Loopback {
                        network,
                        _mark: mark,
                    });
                }
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    /// Of a node by its place in the list; none for the 254th and later ones.
    pub(super) fn node(&self, index: usize) -> Option<Ipv4Addr> {
        let last = u8::try_from(index + 2).ok().filter(|last| *last < 255)?;
        Some(Ipv4Addr::new(127, self.network, 0, last))
    }

    pub(super) fn services(&self) -> RangeInclusive<Ipv4Addr> {
        self.address(1, 1)..=self.address(63, 254)
    }

    pub(super) fn pods(&self) -> RangeInclusive<Ipv4Addr> {
        self.address(64, 1)..=self.address(255, 254)
    }

    /// The first port that this user may listen on.
    pub(super) fn first_free_port(&self) -> u16 {
        let may_take_any = [80, 443, 1023]
            .into_iter()
            .all(|port| TcpListener::bind((self.address(0, 1), port)).is_ok());
        if may_take_any { 0 } else { 1024 }
    }

    fn address(&self, third: u8, fourth: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.network, third, fourth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_never_have_the_same_network() {
        let first = Loopback::take(7).unwrap();
        let second = Loopback::take(7).unwrap();
        assert_ne!(first.network, second.network);
        assert_ne!(first.services(), second.services());
        let network = first.network;
        assert_eq!(first.node(0), Some(Ipv4Addr::new(127, network, 0, 2)));
        assert_eq!(first.node(253), None);
    }
}
