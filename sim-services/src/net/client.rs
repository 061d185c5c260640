//! The calling side of a replica, or of the load: finds a member, connects, asks, reads.
//!
//! One try as a well-kept client library makes it: balanced over the members, on a connection that
//! is used again. Retries, breakers and what a failure means are the caller's matter.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::Uri;
use hyper::header::{self, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::connection::{Failed, Http1, Http2, Outgoing};
use super::directory::{Listed, Member};
use super::names::{self, Resolver};
use super::pool::{Pool, Pooled};
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

/// A service that is called.
#[derive(Debug)]
struct Callee {
    name: String,
    authority: Authority,
    host: HeaderValue,
    /// Where it would be if it had members.
    virtual_address: SocketAddr,
    permits: Semaphore,
    pool: Pool,
    /// The member whose turn it is, modulo their number.
    turn: AtomicUsize,
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
        self.resolver.resolve(service, callee.authority.as_str())?;
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
        let nobody = || CallError::Resolve(service.to_owned());
        let topology = &self.net.topology;
        let host = names::host(topology, service).ok_or_else(nobody)?;
        let place = topology.services.keys().position(|name| name == service);
        let [_, _, high, low] = u32::try_from(place.unwrap_or(0) + 1)
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let connections = self
            .connections
            .get(service)
            .copied()
            .unwrap_or(CONNECTIONS);
        let connections = usize::try_from(connections).unwrap_or(1).max(1);
        let callee = Arc::new(Callee {
            name: service.to_owned(),
            host: HeaderValue::try_from(&host).map_err(|_| nobody())?,
            authority: Authority::try_from(host).map_err(|_| nobody())?,
            virtual_address: SocketAddr::from(([10, 96, high, low], 80)),
            permits: Semaphore::new(connections.min(Semaphore::MAX_PERMITS)),
            pool: Pool::new(connections),
            turn: AtomicUsize::new(0),
        });
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
        loop {
            let outgoing = callee.outgoing(&listed.member, request)?;
            let (reused, answer) = match listed.member.protocol {
                Protocol::Http1 => self.ask_http1(callee, listed, outgoing).await?,
                Protocol::Http2 | Protocol::Grpc => {
                    self.ask_http2(callee, listed, outgoing).await?
                }
            };
            match answer {
                Ok(mut reply) => {
                    if listed.member.protocol == Protocol::Grpc {
                        let code = reply.grpc_status;
                        reply.grpc_status =
                            Some(code.unwrap_or_else(|| grpc::code_of_http(reply.status)));
                    }
                    return Ok(reply);
                }
                Err(failed) => {
                    let repeatable = request.method.is_idempotent() && failed.unanswered;
                    if !reused || !(failed.unsent || repeatable) {
                        return Err(failed.error);
                    }
                }
            }
        }
    }

    /// The answer, and whether the connection had been used before.
    async fn ask_http1(
        &self,
        callee: &Callee,
        listed: &Listed,
        outgoing: Outgoing,
    ) -> Result<(bool, Result<Reply, Failed>), CallError> {
        let idle = callee.pool.idle(listed.id);
        let reused = idle.is_some();
        let mut pooled: Pooled = match idle {
            Some(pooled) => pooled,
            None => {
                let room = callee.pool.room();
                room.filled_by(self.open_http1(&listed.member).await?)
            }
        };
        let answer = pooled.connection.send(outgoing).await;
        if answer.is_ok() {
            callee.pool.give_back(listed.id, pooled);
        }
        Ok((reused, answer))
    }

    async fn ask_http2(
        &self,
        callee: &Callee,
        listed: &Listed,
        outgoing: Outgoing,
    ) -> Result<(bool, Result<Reply, Failed>), CallError> {
        let shared = callee.pool.shared(listed.id);
        let mut slot = shared.lock().await;
        let open = slot.as_ref().filter(|open| !open.is_closed()).cloned();
        let reused = open.is_some();
        let mut connection = match open {
            Some(connection) => connection,
            None => slot.insert(self.open_http2(&listed.member).await?).clone(),
        };
        drop(slot);
        Ok((reused, connection.send(outgoing).await))
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

impl Callee {
    /// # Errors
    ///
    /// `Broken` when the path is not one.
    fn outgoing(&self, member: &Member, request: &Request) -> Result<Outgoing, CallError> {
        let path = PathAndQuery::try_from(request.path.as_str())
            .map_err(|error| CallError::Broken(format!("{}: {error}", request.path)))?;
        let grpc = member.protocol == Protocol::Grpc;
        let body = if grpc {
            grpc::framed(&request.body)
        } else {
            request.body.clone()
        };
        let mut outgoing = Outgoing::new(Full::<Bytes>::new(body));
        *outgoing.method_mut() = request.method.clone();
        let headers = outgoing.headers_mut();
        headers.clone_from(&request.headers);
        // Those of the connection that the request came by (RFC 9110, section 7.6.1).
        for hop in [
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::TE,
            header::TRANSFER_ENCODING,
            header::HOST,
        ] {
            headers.remove(hop);
        }
        if grpc {
            headers.insert(header::CONTENT_TYPE, grpc::CONTENT_TYPE);
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        *outgoing.uri_mut() = if member.protocol == Protocol::Http1 {
            headers.insert(header::HOST, self.host.clone());
            Uri::from(path)
        } else {
            let mut parts = hyper::http::uri::Parts::default();
            parts.scheme = Some(if member.tls {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            });
            parts.authority = Some(self.authority.clone());
            parts.path_and_query = Some(path);
            Uri::from_parts(parts).map_err(|error| CallError::Broken(error.to_string()))?
        };
        Ok(outgoing)
    }
}
