//! The serving side of a replica: connections in, requests to its [`Handler`], answers out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Handler;
use super::answer::talk;
use super::directory::Member;
use super::tasks::Tasks;
use super::tls::Authority;
use super::wire::{Listener, Stream};
use crate::change::{Change, Conditions};
use crate::clock::Clock;

/// For TLS' handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a server that drains goes on as if nothing were: requests that were sent when their
/// callers still knew it may be on their way, and one of their packets may have been lost.
const LINGER: Duration = Duration::from_millis(500);

/// What every server of a net needs of it.
#[derive(Debug)]
pub(super) struct Grounds {
    pub(super) clock: Clock,
    pub(super) authority: Arc<Authority>,
    pub(super) conditions: watch::Receiver<Arc<Conditions>>,
    /// Tells when the conditions have changed, who waits first at first.
    pub(super) changed: Arc<Notify>,
    pub(super) tasks: Tasks,
}

/// A replica's open door.
#[derive(Clone, Debug)]
pub struct Server {
    stop: CancellationToken,
    draining: CancellationToken,
    over: CancellationToken,
}

impl Server {
    /// For half a second, or half of `patience` if that is less, it goes on; then it takes no more
    /// connections and ends when all requests are answered, at the latest after `patience`. Whoever
    /// has removed it from the directory before loses no request that takes less time than that.
    pub async fn drain(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let gone = timeout(LINGER.min(patience / 2), self.stopped()).await;
        if gone.is_err() {
            self.draining.cancel();
            if timeout_at(end, self.stopped()).await.is_err() {
                self.stop().await;
            }
        }
    }

    /// Ends all connections at once, as when the process is killed.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.stopped().await;
    }

    /// Returns when nothing listens any more and no connection is left.
    pub async fn stopped(&self) {
        self.over.cancelled().await;
    }
}

/// Serves until `stop` is cancelled.
///
/// # Errors
///
/// When no certificate can be made for the service.
pub(super) fn serve(
    grounds: &Grounds,
    listener: Listener,
    member: Member,
    handler: Arc<dyn Handler>,
    stop: &CancellationToken,
) -> io::Result<Server> {
    let server = Server {
        stop: stop.child_token(),
        draining: CancellationToken::new(),
        over: CancellationToken::new(),
    };
    let good = member
        .tls
        .then(|| grounds.authority.acceptor(&member.service, member.protocol))
        .transpose()?;
    let door = Door {
        clock: grounds.clock,
        authority: Arc::clone(&grounds.authority),
        conditions: grounds.conditions.clone(),
        changed: Arc::clone(&grounds.changed),
        streams: Tasks::under(&server.stop),
        member,
        handler,
        shown: good.clone(),
        good,
    };
    let net_stops = grounds.tasks.stopping().clone();
    let handle = server.clone();
    grounds.tasks.spawn_orderly(async move {
        let _over = handle.over.drop_guard();
        door.keep(listener, &net_stops, &handle.stop, &handle.draining)
            .await;
    });
    Ok(server)
}

struct Door {
    clock: Clock,
    authority: Arc<Authority>,
    conditions: watch::Receiver<Arc<Conditions>>,
    changed: Arc<Notify>,
    /// What HTTP/2 runs beside its connections.
    streams: Tasks,
    member: Member,
    handler: Arc<dyn Handler>,
    good: Option<TlsAcceptor>,
    /// With the certificate that new connections are shown.
    shown: Option<TlsAcceptor>,
}

impl Door {
    async fn keep(
        mut self,
        mut listener: Listener,
        net_stops: &CancellationToken,
        stop: &CancellationToken,
        draining: &CancellationToken,
    ) {
        let mut connections = JoinSet::new();
        // Tells connections that were made since the certificate was last changed to finish.
        let mut finish = CancellationToken::new();
        let mut expired = self.update_certificate(false);
        let told = Arc::clone(&self.changed);
        let drains = loop {
            let changed = told.notified();
            if self.member.tls && self.conditions.has_changed().unwrap_or(false) {
                let before = expired;
                expired = self.update_certificate(before);
                if expired && !before {
                    std::mem::replace(&mut finish, CancellationToken::new()).cancel();
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break false,
                () = net_stops.cancelled() => break false,
                () = draining.cancelled() => break true,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                () = changed, if self.member.tls => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        self.mark_expired(expired);
                        connections.spawn(self.connection(stream, peer, finish.clone()));
                    }
                    // The operating system is short of something; it may have it again soon.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
            }
        };
        drop(listener);
        if drains {
            finish.cancel();
            while !connections.is_empty() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = net_stops.cancelled() => break,
                    _ = connections.join_next() => {}
                }
            }
        }
        connections.shutdown().await;
        self.streams.end().await;
    }

    /// Whether the certificate has expired now, given whether it had before.
    fn update_certificate(&mut self, was: bool) -> bool {
        if self.good.is_none() {
            return false;
        }
        let conditions = Arc::clone(&self.conditions.borrow_and_update());
        let place = self.member.place();
        let expired = conditions.0.iter().any(|active| {
            active.change == Change::CertificateExpired && active.target.covers(&place)
        });
        if expired && !was {
            let (service, protocol) = (&self.member.service, self.member.protocol);
            // One for this service was made before, so that another can be made.
            if let Ok(acceptor) = self.authority.expired(service, protocol) {
                self.shown = Some(acceptor);
            }
        } else if !expired && was {
            self.shown.clone_from(&self.good);
        }
        expired
    }

    /// A connection is shown the expired certificate.
    fn mark_expired(&self, expired: bool) {
        if !expired {
            return;
        }
        let place = self.member.place();
        for active in &self.conditions.borrow().0 {
            if active.change == Change::CertificateExpired && active.target.covers(&place) {
                active.touch.mark(self.clock.now());
            }
        }
    }

    fn connection(
        &self,
        stream: Stream,
        peer: SocketAddr,
        finish: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let tls = self.shown.clone();
        let protocol = self.member.protocol;
        let handler = Arc::clone(&self.handler);
        let streams = self.streams.clone();
        async move {
            match tls {
                None => talk(stream, peer, protocol, handler, streams, &finish).await,
                Some(tls) => {
                    // Who does not finish the handshake is not served; the client knows why.
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                        talk(stream, peer, protocol, handler, streams, &finish).await;
                    }
                }
            }
        }
    }
}
