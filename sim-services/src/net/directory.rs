//! Who can be called: the replicas of each service and where they are.
//!
//! Whoever starts a replica registers it and removes it; clients read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::change::Place;
use crate::topology::Protocol;

/// One replica as its callers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub service: String,
    pub replica: u32,
    pub environment: String,
    pub zone: Option<String>,
    pub version: String,
    pub address: SocketAddr,
    pub tls: bool,
    pub protocol: Protocol,
}

impl Member {
    pub fn place(&self) -> Place<'_> {
        Place {
            service: &self.service,
            environment: &self.environment,
            replica: self.replica,
            version: &self.version,
        }
    }
}

/// Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberId(u64);

/// A member that is registered.
#[derive(Clone, Debug)]
pub struct Listed {
    pub id: MemberId,
    pub member: Arc<Member>,
}

#[derive(Debug, Default)]
pub struct Directory(RwLock<Services>);

#[derive(Debug, Default)]
struct Services {
    last: u64,
    by_name: BTreeMap<String, Arc<[Listed]>>,
}

impl Directory {
    /// From now on it is called.
    pub fn register(&self, member: Member) -> MemberId {
        let mut services = self.0.write().unwrap_or_else(PoisonError::into_inner);
        services.last += 1;
        let id = MemberId(services.last);
        let listed = services.by_name.entry(member.service.clone()).or_default();
        *listed = listed
            .iter()
            .cloned()
            .chain([Listed {
                id,
                member: Arc::new(member),
            }])
            .collect();
        id
    }

    /// It gets no new requests; what it is working on goes on.
    pub fn remove(&self, id: MemberId) {
        let mut services = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for listed in services.by_name.values_mut() {
            if listed.iter().any(|entry| entry.id == id) {
                *listed = listed
                    .iter()
                    .filter(|entry| entry.id != id)
                    .cloned()
                    .collect();
            }
        }
    }

    /// In the order in which they were registered; the same slice until something changes.
    pub fn members(&self, service: &str) -> Arc<[Listed]> {
        let services = self.0.read().unwrap_or_else(PoisonError::into_inner);
        services.by_name.get(service).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_removed_is_listed_no_more() {
        let directory = Directory::default();
        let member = |replica| Member {
            service: "cart".into(),
            replica,
            environment: "cloud-a".into(),
            zone: None,
            version: "1".into(),
            address: SocketAddr::from(([10, 0, 0, 1], 8080)),
            tls: false,
            protocol: Protocol::Http1,
        };
        let first = directory.register(member(0));
        let second = directory.register(member(1));
        assert_ne!(first, second);
        let before = directory.members("cart");
        directory.remove(first);
        let after = directory.members("cart");
        assert_eq!((before.len(), after.len()), (2, 1));
        assert_eq!(after[0].id, second);
        assert!(directory.members("orders").is_empty());
    }
}
