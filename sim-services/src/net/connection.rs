//! One connection of a client to a replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::tasks::Tasks;
use super::{CallError, Reply, grpc};

/// An unused connection is closed after this.
const IDLE: Duration = Duration::from_secs(30);

/// Longer answers are not read.
const MAX_BODY: usize = 8 * 1024 * 1024;

const MAX_STREAMS: usize = 1024;

pub(super) type Outgoing = Request<Full<Bytes>>;

/// Whether and since when a connection is unused.
#[derive(Debug)]
pub(super) struct Usage {
    opened: Instant,
    requests: AtomicU32,
    /// Milliseconds since it was opened.
    last_used: AtomicU64,
}

impl Usage {
    fn new() -> Arc<Usage> {
        Arc::new(Usage {
            opened: Instant::now(),
            requests: AtomicU32::new(0),
            last_used: AtomicU64::new(0),
        })
    }

    /// When it will have been unused for too long, if nothing happens.
    fn expires(&self) -> Instant {
        if self.requests.load(Ordering::Acquire) > 0 {
            Instant::now() + IDLE
        } else {
            let last = Duration::from_millis(self.last_used.load(Ordering::Acquire));
            self.opened + last + IDLE
        }
    }
}

/// A request is under way for as long as this lives.
struct Using<'a>(&'a Usage);

impl<'a> Using<'a> {
    fn new(usage: &'a Usage) -> Using<'a> {
        usage.requests.fetch_add(1, Ordering::AcqRel);
        Using(usage)
    }
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_used.store(now, Ordering::Release);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs a connection until it ends or was unused for too long.
async fn drive(connection: impl Future<Output = hyper::Result<()>>, usage: Arc<Usage>) {
    let mut connection = std::pin::pin!(connection);
    loop {
        let expires = usage.expires();
        tokio::select! {
            biased;
            // Requests on it get its error, if it is one.
            _ = &mut connection => return,
            () = sleep_until(expires) => if usage.expires() <= Instant::now() { return },
        }
    }
}

/// Why a request on a connection failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: CallError,
    /// The request has certainly not been sent.
    unsent: bool,
    /// Not a byte of an answer came.
    unanswered: bool,
}

impl Failed {
    /// Whether sending it again does no harm.
    pub(super) fn may_be_repeated(&self, method: &Method) -> bool {
        self.unsent || (self.unanswered && method.is_idempotent())
    }

    fn sending(error: TrySendError<Outgoing>) -> Failed {
        let mut error = error;
        Failed {
            unsent: error.take_message().is_some(),
            error: broken(&error.into_error()),
            unanswered: true,
        }
    }
}

/// With its causes, as the outermost says little.
fn broken(error: &dyn std::error::Error) -> CallError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    CallError::Broken(text)
}

async fn reply(response: Response<Incoming>) -> Result<Reply, Failed> {
    let (head, body) = response.into_parts();
    let lost = |error: CallError| Failed {
        error,
        unsent: false,
        unanswered: false,
    };
    let collected = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|error| lost(broken(&*error)))?;
    let is_grpc = head.headers.get(hyper::header::CONTENT_TYPE) == Some(&grpc::CONTENT_TYPE);
    let code = collected
        .trailers()
        .and_then(grpc::code_in)
        .or_else(|| grpc::code_in(&head.headers));
    let mut body = collected.to_bytes();
    if is_grpc && !body.is_empty() {
        body = grpc::unframed(body).map_err(|(_, why)| lost(CallError::Broken(why.to_owned())))?;
    }
    Ok(Reply {
        status: head.status.as_u16(),
        grpc_status: code,
        body,
    })
}

#[derive(Debug)]
pub(super) struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    usage: Arc<Usage>,
}

impl Http1 {
    pub(super) async fn open(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        tasks: &Tasks,
    ) -> Result<Http1, CallError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        let usage = Usage::new();
        tasks.spawn(drive(connection, Arc::clone(&usage)));
        Ok(Http1 { sender, usage })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) async fn send(&mut self, request: Outgoing) -> Result<Reply, Failed> {
        let _using = Using::new(&self.usage);
        if let Err(error) = self.sender.ready().await {
            return Err(Failed {
                error: broken(&error),
                unsent: true,
                unanswered: true,
            });
        }
        let response = self.sender.try_send_request(request).await;
        reply(response.map_err(Failed::sending)?).await
    }
}

#[derive(Clone, Debug)]
pub(super) struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    usage: Arc<Usage>,
}

impl Http2 {
    pub(super) async fn open(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        tasks: &Tasks,
    ) -> Result<Http2, CallError> {
        let (sender, connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .initial_max_send_streams(MAX_STREAMS)
            // What was reset is remembered by number, not by a time that is not the platform's.
            .max_concurrent_reset_streams(MAX_STREAMS)
            .reset_stream_duration(Duration::from_secs(24 * 60 * 60))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        let usage = Usage::new();
        tasks.spawn(drive(connection, Arc::clone(&usage)));
        Ok(Http2 { sender, usage })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn is_same(&self, other: &Http2) -> bool {
        Arc::ptr_eq(&self.usage, &other.usage)
    }

    pub(super) async fn send(&mut self, request: Outgoing) -> Result<Reply, Failed> {
        let _using = Using::new(&self.usage);
        let response = self.sender.try_send_request(request).await;
        reply(response.map_err(Failed::sending)?).await
    }
}
