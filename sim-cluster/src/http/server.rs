//! Listening, TLS, and the life of connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::handle::Handler;
use crate::client::Cluster;

/// How the API is served.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    /// Without, it is for benchmarks and for reading along.
    pub tls: bool,
    /// How often watches that want bookmarks get one.
    pub bookmark_every: Duration,
}

impl Default for HttpConfig {
    /// A free port of 127.0.0.1, with TLS, and a bookmark a minute as in Kubernetes.
    fn default() -> HttpConfig {
        HttpConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: true,
            bookmark_every: Duration::from_secs(60),
        }
    }
}

/// A running server. It ends with the token it was started with, and [`ApiServer::stopped`] waits
/// for that.
#[derive(Debug)]
pub struct ApiServer {
    cluster: Cluster,
    address: SocketAddr,
    tls: bool,
    tasks: JoinSet<()>,
}

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);

impl ApiServer {
    /// # Errors
    /// When the address cannot be listened on, or no certificate can be made.
    pub async fn start(
        cluster: Cluster,
        config: HttpConfig,
        stop: CancellationToken,
    ) -> io::Result<ApiServer> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let acceptor = if config.tls {
            let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
            let server_config = cluster
                .authority()
                .server_config(&[loopback, address.ip()])
                .map_err(io::Error::other)?;
            Some(TlsAcceptor::from(server_config))
        } else {
            None
        };
        let handler = Arc::new(Handler::new(
            cluster.clone(),
            config.bookmark_every,
            stop.clone(),
        ));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, handler, stop));
        Ok(ApiServer {
            cluster,
            address,
            tls: config.tls,
            tasks,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:6443`.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// A kubeconfig for who has this token, in JSON (which YAML readers read).
    pub fn kubeconfig(&self, token: &str) -> String {
        kubeconfig(
            &self.url(),
            self.tls.then(|| self.cluster.ca_pem()),
            token,
            "default",
        )
    }

    /// Waits until all connections are over.
    pub async fn stopped(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// A kubeconfig with one cluster and one user.
pub(crate) fn kubeconfig(url: &str, ca_pem: Option<&str>, token: &str, namespace: &str) -> String {
    use base64::Engine as _;
    let mut cluster = serde_json::json!({ "server": url });
    if let Some(pem) = ca_pem {
        let data = base64::engine::general_purpose::STANDARD.encode(pem);
        cluster["certificate-authority-data"] = serde_json::json!(data);
    }
    let name = "crosswatch";
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{ "name": name, "cluster": cluster }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{
            "name": name,
            "context": { "cluster": name, "user": name, "namespace": namespace },
        }],
    });
    format!("{config:#}\n")
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    handler: Arc<Handler>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (acceptor, handler) = (acceptor.clone(), Arc::clone(&handler));
                    connections.spawn(connection(stream, acceptor, handler, stop.clone()));
                }
                Err(error) => {
                    // Out of descriptors, mostly: those that exist go on, new ones wait.
                    tracing::warn!(%error, "the API server could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    handler: Arc<Handler>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is gone already");
    }
    let Some(acceptor) = acceptor else {
        return serve(stream, handler, stop).await;
    };
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream));
    tokio::select! {
        () = stop.cancelled() => {}
        shaken = handshake => match shaken {
            Ok(Ok(stream)) => serve(stream, handler, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    handler: Arc<Handler>,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(handler.answer(request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    // kube and kubectl open a stream per watch on one connection.
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(10_000);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // Answers end by themselves now; a client that does not read them is left.
            match tokio::time::timeout(Duration::from_secs(2), connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
