//! One connection of a server: requests are read, handled and answered by its protocol.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::grpc::{self, Answer};
use super::tasks::Tasks;
use super::{Handler, Request};
use crate::topology::Protocol;

/// Longer bodies are refused with 413.
const MAX_BODY: usize = 1024 * 1024;

/// For a request's head to be complete. Longer than clients keep idle connections, so that it is
/// they who close them.
const PATIENCE: Duration = Duration::from_secs(75);

const MAX_STREAMS: u32 = 1024;

/// Serves one connection until it ends; gracefully when `finish` is cancelled.
pub(super) async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
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
        None => (StatusCode::PAYLOAD_TOO_LARGE, Bytes::new()),
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
        let mut response = Response::new(Answer::plain(Bytes::new()));
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
