//! Where other services are: addresses given by name, looked up as any client does.
//!
//! Each service that a replica calls has one address, usually that of a Kubernetes Service, which
//! balances by itself. Where a name has several addresses (a headless Service), each is a member
//! and the replica balances.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::net::{Member, MemberId, Net};
use crate::topology::Topology;

/// Between two looks at a name that is known: the lifetime that CoreDNS gives to its answers.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two looks at a name that is not.
const SOON: Duration = Duration::from_secs(1);

/// A service and where it is: `orders=http://orders.shop:8080`. The scheme says nothing that the
/// topology does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub service: String,
    pub url: Url,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Peer, String> {
        let wrong = || format!("`{text}` is not like `orders=http://orders.shop:8080`");
        let (service, url) = text.split_once('=').ok_or_else(wrong)?;
        let url = Url::parse(url).map_err(|_| wrong())?;
        let named = url.host_str().is_some() && url.port_or_known_default().is_some();
        if service.is_empty() || !named {
            return Err(wrong());
        }
        Ok(Peer {
            service: service.to_owned(),
            url,
        })
    }
}

impl Peer {
    /// Keeps the members of the service in the net's directory until `stop`.
    pub(super) async fn keep(
        self,
        net: Arc<Net>,
        topology: Arc<Topology>,
        stop: CancellationToken,
    ) {
        let mut known: Vec<(MemberId, SocketAddr)> = Vec::new();
        loop {
            let found = self.look_up().await;
            let before: BTreeSet<SocketAddr> = known.iter().map(|(_, address)| *address).collect();
            // Who answers nothing may be away; what was known of it may still be true.
            if !found.is_empty() && found != before {
                for (id, _) in known.drain(..) {
                    net.directory().remove(id);
                }
                known = found
                    .into_iter()
                    .filter_map(|address| {
                        let member = self.member(&topology, address)?;
                        Some((net.directory().register(member), address))
                    })
                    .collect();
            }
            let pause = if known.is_empty() { SOON } else { AGAIN };
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn look_up(&self) -> BTreeSet<SocketAddr> {
        let Some((host, port)) = self.url.host_str().zip(self.url.port_or_known_default()) else {
            return BTreeSet::new();
        };
        match lookup_host((host.trim_matches(['[', ']']), port)).await {
            Ok(addresses) => addresses.collect(),
            Err(_) => BTreeSet::new(),
        }
    }

    /// None when the topology has no such service.
    fn member(&self, topology: &Topology, address: SocketAddr) -> Option<Member> {
        let spec = topology.services.get(&self.service)?;
        Some(Member {
            service: self.service.clone(),
            // Which one answers is not known.
            replica: 0,
            environment: spec.environment.clone(),
            zone: None,
            version: spec.version.clone(),
            address,
            tls: spec.tls,
            protocol: spec.protocol,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_read_as_they_are_written() {
        let peer: Peer = "orders=http://orders.shop:8080".parse().unwrap();
        assert_eq!(peer.service, "orders");
        assert_eq!(peer.url.host_str(), Some("orders.shop"));
        for wrong in [
            "orders",
            "=http://orders:1",
            "orders=orders:8080",
            "orders=/x",
        ] {
            let error = Peer::from_str(wrong).unwrap_err();
            assert!(error.contains("is not like `orders=http"), "{error}");
        }
    }
}
