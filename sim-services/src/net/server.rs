//! The serving side of a replica: connections in, requests to its [`Handler`], answers out.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::directory::Member;
use super::grpc::{self, Answer};
use super::tasks::Tasks;
use super::tls::Authority;
use super::wire::{Listener, Stream};
use super::{Handler, Request};
use crate::change::{Change, Conditions};
use crate::clock::Clock;
use crate::topology::Protocol;

/// Longer bodies are refused with 413.
const MAX_BODY: usize = 1024 * 1024;

/// For the handshake, and for a request's head to be complete. Longer than clients keep idle
/// connections, so that it is they who close them.
const PATIENCE: Duration = Duration::from_secs(75);

const MAX_STREAMS: u32 = 1024;

/// What every server of a net needs of it.
#[derive(Debug)]
pub(super) struct Grounds {
    pub(super) clock: Clock,
    pub(super) authority: Arc<Authority>,
    pub(super) conditions: watch::Receiver<Arc<Conditions>>,
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
    /// Takes no more connections, lets requests that have arrived be answered, and after
    /// `patience` ends what is left.
    pub async fn drain(&self, patience: Duration) {
        self.draining.cancel();
        if timeout(patience, self.over.cancelled()).await.is_err() {
            self.stop().await;
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
        let mut watching = self.member.tls;
        let drains = loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break false,
                () = net_stops.cancelled() => break false,
                () = draining.cancelled() => break true,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                changed = self.conditions.changed(), if watching => {
                    watching = changed.is_ok();
                    let before = expired;
                    expired = self.update_certificate(before);
                    if expired && !before {
                        std::mem::replace(&mut finish, CancellationToken::new()).cancel();
                    }
                }
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
                    if let Ok(Ok(stream)) = timeout(PATIENCE, tls.accept(stream)).await {
                        talk(stream, peer, protocol, handler, streams, &finish).await;
                    }
                }
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    protocol: Protocol,
    handler: Arc<dyn Handler>,
    streams: Tasks,
    finish: &CancellationToken,
) {
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move {
            match protocol {
                Protocol::Grpc => answer_grpc(handler, peer, request).await,
                Protocol::Http1 | Protocol::Http2 => answer_http(handler, peer, request).await,
            }
        }
    });
    // A connection's error concerns its client, which sees it as well.
    macro_rules! run {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            tokio::select! {
                biased;
                result = connection.as_mut() => result.unwrap_or_default(),
                () = finish.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await.unwrap_or_default();
                }
            }
        }};
    }
    match protocol {
        Protocol::Http1 => run!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .auto_date_header(false)
                .serve_connection(io, service)
        ),
        // The end of a partition brings many requests at once that were given up meanwhile; that
        // is no attack.
        Protocol::Http2 | Protocol::Grpc => run!(
            http2::Builder::new(streams)
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .max_pending_accept_reset_streams(MAX_STREAMS as usize)
                .auto_date_header(false)
                .serve_connection(io, service)
        ),
    }
}

type Answered = Result<Response<Answer>, hyper::Error>;

/// The request with its body, or None if that is too long.
async fn read(request: hyper::Request<Incoming>) -> Result<Option<Request>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => return Err(*error),
            Err(error) => {
                debug_assert!(error.is::<LengthLimitError>());
                return Ok(None);
            }
        },
    };
    Ok(Some(Request {
        method: head.method,
        path: head
            .uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
        headers: head.headers,
        body,
    }))
}

async fn answer_http(
    handler: Arc<dyn Handler>,
    peer: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Answered {
    let (status, body) = match read(request).await? {
        Some(request) => {
            let reply = handler.handle(request, peer).await;
            let status =
                StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, reply.body)
        }
        None => (StatusCode::PAYLOAD_TOO_LARGE, bytes::Bytes::new()),
    };
    let mut response = Response::new(Answer::plain(body));
    *response.status_mut() = status;
    Ok(response)
}

async fn answer_grpc(
    handler: Arc<dyn Handler>,
    peer: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Answered {
    let is_grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        let mut response = Response::new(Answer::plain(bytes::Bytes::new()));
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Ok(response);
    }
    let Some(mut request) = read(request).await? else {
        let why = "the message is too long";
        return Ok(grpc::response(grpc::RESOURCE_EXHAUSTED, Some(why), b""));
    };
    request.body = match grpc::unframed(request.body) {
        Ok(message) => message,
        Err((code, why)) => return Ok(grpc::response(code, Some(why), b"")),
    };
    let reply = handler.handle(request, peer).await;
    let code = reply
        .grpc_status
        .unwrap_or_else(|| grpc::code_of_http(reply.status));
    Ok(grpc::response(code, None, &reply.body))
}
