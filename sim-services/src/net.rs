//! How requests travel: what services, links and clients agree on.
//!
//! [`Handler`] and [`Caller`] are the two ends; what is between them is real HTTP, over real TLS
//! where a service has it, on a [`Wire`] of loopback TCP or of memory. [`Net`] holds it together:
//! whoever starts a replica listens, serves and registers it; whoever calls takes a [`Client`].

mod answer;
mod callee;
mod client;
mod connection;
mod directory;
mod grpc;
mod link;
mod names;
mod pool;
mod pump;
mod quality;
mod server;
mod tasks;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::HeaderMap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use client::Client;
pub use directory::{Directory, Listed, Member, MemberId};
pub use server::Server;
pub use wire::{Listener, MemoryNet, Stream, Wire};

use crate::change::Conditions;
use crate::clock::Clock;
use crate::meter::Meters;
use crate::topology::Topology;
use link::Links;
use server::Grounds;
use tasks::Tasks;
use tls::Authority;

/// One request, its body read. The body of a gRPC request is its message, without the frame.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: hyper::Method,
    /// With the query, as it is on the wire: `/products/4711?page=2`,
    /// `/shop.catalog.Catalog/GetProduct`.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Only of gRPC.
    pub grpc_status: Option<u8>,
    pub body: Bytes,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("no such host: {0}")]
    Resolve(String),
    #[error("connection refused by {0}")]
    Refused(SocketAddr),
    /// With the peer's alert or the verifier's reason.
    #[error("TLS handshake failed: {0}")]
    Tls(String),
    #[error("no connection became free in {} ms", .0.as_millis())]
    PoolExhausted(Duration),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// Closed or reset before the answer was complete.
    #[error("connection lost: {0}")]
    Broken(String),
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Must spawn what shall go on when the caller goes away.
    fn handle(self: Arc<Self>, request: Request, peer: SocketAddr) -> BoxFuture<'static, Reply>;
}

/// Makes requests, from one place of the platform.
pub trait Caller: Send + Sync + 'static {
    /// To one replica of a service; `timeout` includes finding and connecting it.
    fn call<'a>(
        &'a self,
        service: &'a str,
        request: Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Reply, CallError>>;
}

/// The network of one platform.
#[derive(Debug)]
pub struct Net {
    wire: Wire,
    clock: Clock,
    seed: u64,
    topology: Arc<Topology>,
    conditions: watch::Receiver<Arc<Conditions>>,
    meters: Arc<Meters>,
    directory: Directory,
    links: Links,
    grounds: Grounds,
}

impl Net {
    /// Must be called within a tokio runtime.
    ///
    /// # Panics
    ///
    /// When no key can be made, for want of the operating system's randomness.
    pub fn new(
        wire: Wire,
        clock: Clock,
        seed: u64,
        topology: Arc<Topology>,
        conditions: watch::Receiver<Arc<Conditions>>,
        meters: Arc<Meters>,
    ) -> Arc<Net> {
        let authority = Authority::new(clock).expect("keys and certificates can be made");
        Net::with(wire, clock, seed, topology, conditions, meters, authority)
    }

    /// One process' part of a platform of many processes over TCP: those of the same seed trust
    /// each other's certificates. Must be called within a tokio runtime.
    ///
    /// # Panics
    ///
    /// When no certificate can be made.
    pub fn part(
        clock: Clock,
        seed: u64,
        topology: Arc<Topology>,
        conditions: watch::Receiver<Arc<Conditions>>,
        meters: Arc<Meters>,
    ) -> Arc<Net> {
        let authority = Authority::shared(clock, seed).expect("certificates can be made");
        let wire = Wire::Tcp;
        Net::with(wire, clock, seed, topology, conditions, meters, authority)
    }

    fn with(
        wire: Wire,
        clock: Clock,
        seed: u64,
        topology: Arc<Topology>,
        conditions: watch::Receiver<Arc<Conditions>>,
        meters: Arc<Meters>,
        authority: Authority,
    ) -> Arc<Net> {
        let links = Links::new(&topology, seed, clock, &conditions, &meters);
        let tasks = Tasks::under(&CancellationToken::new());
        tasks.spawn(links.follow(conditions.clone()));
        let changed = links.changed();
        Arc::new(Net {
            wire,
            clock,
            seed,
            links,
            grounds: Grounds {
                clock,
                authority: Arc::new(authority),
                conditions: conditions.clone(),
                changed,
                tasks,
            },
            topology,
            conditions,
            meters,
            directory: Directory::default(),
        })
    }

    /// For a replica that is about to [`serve`](Net::serve).
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub async fn listen(&self) -> io::Result<Listener> {
        self.wire.listen().await
    }

    /// Who can be called.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// A client in an environment, with so many connections at most to each of these services
    /// (64 to others). `label` is that of its chance: unique in the platform.
    pub fn client(
        self: &Arc<Net>,
        environment: &str,
        connections: BTreeMap<String, u32>,
        label: &str,
    ) -> Client {
        Client::new(Arc::clone(self), environment, connections, label)
    }

    /// Answers what comes to `listener` until `stop` is cancelled; `member` says by which protocol
    /// and with whose certificate. It is called when it is registered with the directory.
    ///
    /// # Errors
    ///
    /// When the service's name cannot stand in a certificate.
    pub fn serve(
        &self,
        listener: Listener,
        member: Member,
        handler: Arc<dyn Handler>,
        stop: &CancellationToken,
    ) -> io::Result<Server> {
        server::serve(&self.grounds, listener, member, handler, stop)
    }

    /// Ends and awaits everything: servers, connections, what is on its way.
    pub async fn stop(&self) {
        self.grounds.tasks.end().await;
    }
}
