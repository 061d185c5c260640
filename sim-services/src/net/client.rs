//! The calling side of a replica, or of the load: finds a member, connects, asks, reads.
//!
//! One try as a well-kept client library makes it: balanced over the members, on a connection that
//! is used again. Retries, breakers and what a failure means are the caller's matter.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::callee::Callee;
use super::connection::{Failed, Http1, Http2};
use super::directory::{Listed, Member};
use super::names::Resolver;
use super::pool::Pooled;
use super::{CallError, Caller, Net, Reply, Request, grpc};
use crate::change::Change;
use crate::random::Dice;
use crate::topology::Protocol;

/// To a service that the client was not told a number for.
const CONNECTIONS: u32 = 64;

/// Calls from one place. Copies share connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    net: Arc<Net>,
    environment: String,
    connections: BTreeMap<String, u32>,
    resolver: Resolver,
    callees: RwLock<BTreeMap<String, Arc<Callee>>>,
}

impl Caller for Client {
    fn call<'a>(
        &'a self,
        service: &'a str,
        request: Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Reply, CallError>> {
        Box::pin(self.0.call(service, request, timeout))
    }
}

impl Client {
    pub(super) fn new(
        net: Arc<Net>,
        environment: &str,
        connections: BTreeMap<String, u32>,
        label: &str,
    ) -> Client {
        let resolver = Resolver::new(
            environment,
            net.clock,
            Arc::clone(&net.meters),
            net.conditions.clone(),
            Dice::new(net.seed, &format!("net/client/{label}")),
        );
        Client(Arc::new(Inner {
            net,
            environment: environment.to_owned(),
            connections,
            resolver,
            callees: RwLock::default(),
        }))
    }
}

impl Inner {
    async fn call(
        &self,
        service: &str,
        request: Request,
        timeout: Duration,
    ) -> Result<Reply, CallError> {
        let deadline = Instant::now() + timeout;
        let callee = self.callee(service)?;
        self.resolver.resolve(service, callee.host())?;
        let exhausted = || CallError::PoolExhausted(timeout);
        let permit = timeout_at(deadline, callee.permits.acquire())
            .await
            .map_err(|_| exhausted())?;
        if Instant::now() >= deadline {
            // It came in the very moment in which the time was up.
            return Err(exhausted());
        }
        let reply = timeout_at(deadline, self.ask(&callee, &request))
            .await
            .map_err(|_| CallError::Timeout(timeout))?;
        drop(permit);
        reply
    }

    /// # Errors
    ///
    /// `Resolve` when there is no such service.
    fn callee(&self, service: &str) -> Result<Arc<Callee>, CallError> {
        let known = self.callees.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(callee) = known.get(service) {
            return Ok(Arc::clone(callee));
        }
        drop(known);
        let connections = self.connections.get(service).copied();
        let connections = usize::try_from(connections.unwrap_or(CONNECTIONS)).unwrap_or(1);
        let callee = Callee::new(&self.net.topology, service, connections.max(1))
            .ok_or_else(|| CallError::Resolve(service.to_owned()))?;
        let callee = Arc::new(callee);
        let mut known = self.callees.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(
            known.entry(service.to_owned()).or_insert(callee),
        ))
    }

    /// The member whose turn it is, and when it refuses the one after it.
    async fn ask(&self, callee: &Callee, request: &Request) -> Result<Reply, CallError> {
        let members = self.net.directory.members(&callee.name);
        callee.pool.keep_only(&members);
        let turn = callee.turn.fetch_add(1, Ordering::Relaxed);
        let mut answer = Err(CallError::Refused(callee.virtual_address));
        for attempt in 0..members.len().min(2) {
            let member = &members[turn.wrapping_add(attempt) % members.len()];
            answer = self.ask_member(callee, member, request).await;
            if !matches!(answer, Err(CallError::Refused(_))) {
                break;
            }
        }
        answer
    }

    /// A connection that the member closed while it was idle is replaced, as Go's `net/http` does:
    /// when the request was not sent, or may be repeated, and not a byte was answered.
    async fn ask_member(
        &self,
        callee: &Callee,
        listed: &Listed,
        request: &Request,
    ) -> Result<Reply, CallError> {
        let (reused, first) = self.try_member(callee, listed, request, false).await?;
        match first {
            Err(failed) if reused && failed.may_be_repeated(&request.method) => {
                let (_, second) = self.try_member(callee, listed, request, true).await?;
                second.map_err(|failed| failed.error)
            }
            first => first.map_err(|failed| failed.error),
        }
    }

    /// The answer, and whether the connection had been used before; for one that waited idle, it
    /// had not if it is to be `fresh`.
    async fn try_member(
        &self,
        callee: &Callee,
        listed: &Listed,
        request: &Request,
        fresh: bool,
    ) -> Result<(bool, Result<Reply, Failed>), CallError> {
        let member = &listed.member;
        let outgoing = callee.outgoing(member, request)?;
        if member.protocol == Protocol::Http1 {
            let idle = callee.pool.idle(listed.id).filter(|_| !fresh);
            let reused = idle.is_some();
            let mut pooled: Pooled = match idle {
                Some(pooled) => pooled,
                None => {
                    let room = callee.pool.room();
                    room.filled_by(self.open_http1(member).await?)
                }
            };
            let answer = pooled.connection.send(outgoing).await;
            if answer.is_ok() {
                callee.pool.give_back(listed.id, pooled);
            }
            return Ok((reused, answer));
        }
        let shared = callee.pool.shared(listed.id);
        let mut slot = shared.lock().await;
        let open = slot.as_ref().filter(|open| !open.is_closed()).cloned();
        let reused = open.is_some();
        let mut connection = match open {
            Some(connection) => connection,
            None => slot.insert(self.open_http2(member).await?).clone(),
        };
        drop(slot);
        let mut answer = connection.send(outgoing).await;
        // Others that fail with it find it gone or replaced. Who holds the lock is replacing it.
        if answer.is_err()
            && let Ok(mut slot) = shared.try_lock()
        {
            slot.take_if(|open| open.is_same(&connection));
        }
        if let (Protocol::Grpc, Ok(reply)) = (member.protocol, &mut answer) {
            let code = reply.grpc_status;
            reply.grpc_status = Some(code.unwrap_or_else(|| grpc::code_of_http(reply.status)));
        }
        Ok((reused, answer))
    }

    async fn open_http1(&self, member: &Member) -> Result<Http1, CallError> {
        let stream = self.connect(member).await?;
        if member.tls {
            let authority = &self.net.grounds.authority;
            let stream = authority
                .connect(&member.service, member.protocol, stream)
                .await?;
            Http1::open(stream, &self.net.grounds.tasks).await
        } else {
            Http1::open(stream, &self.net.grounds.tasks).await
        }
    }

    async fn open_http2(&self, member: &Member) -> Result<Http2, CallError> {
        let stream = self.connect(member).await?;
        if member.tls {
            let authority = &self.net.grounds.authority;
            let stream = authority
                .connect(&member.service, member.protocol, stream)
                .await?;
            Http2::open(stream, &self.net.grounds.tasks).await
        } else {
            Http2::open(stream, &self.net.grounds.tasks).await
        }
    }

    async fn connect(&self, member: &Member) -> Result<super::Stream, CallError> {
        let net = &self.net;
        net.links
            .connect(
                &net.wire,
                &net.grounds.tasks,
                &self.environment,
                &member.environment,
                member.address,
            )
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    self.mark_down(member);
                    CallError::Refused(member.address)
                }
                _ => CallError::Broken(error.to_string()),
            })
    }
}

impl Inner {
    /// Changes that say that a member is down have refused one more connection.
    fn mark_down(&self, member: &Member) {
        let place = member.place();
        for active in &self.net.conditions.borrow().0 {
            if active.change == Change::Down && active.target.covers(&place) {
                active.touch.mark(self.net.clock.now());
            }
        }
    }
}
