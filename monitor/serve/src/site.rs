//! One HTTP site of everything that is read: the page, the API, the metrics, the health checks.
//!
//! The receivers have ports of their own and are not here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use monitor_core::{LogSearch, SearchError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::query::problem::Failure;
use crate::{Ports, health, metrics, page, query};

/// A search keeps a core busy; more at once would only take turns, and starve the pipeline.
const SEARCHES_AT_ONCE: usize = 4;

/// A search that waits longer than this for its turn is refused: whoever asked is told to come
/// back instead of joining a queue that grows.
const SEARCH_PATIENCE: Duration = Duration::from_secs(5);

/// WebSockets and tails open at once. Each costs a task and, for tails, a search a second.
const READERS_AT_ONCE: usize = 64;

/// Bodies of requests that change something, in memory at once.
const WRITERS_AT_ONCE: usize = 4;

/// The site. `protect` wraps what shows data (the API and the metrics), for example with a layer
/// that asks for a bearer token; `std::convert::identity` leaves it open. The page itself, which
/// holds no data, and the health checks stay open always: a browser cannot send a token before it
/// has a page to ask for one, and the kubelet has none.
///
/// Cancelling `stop` ends WebSockets and tails, which would outlive a graceful shutdown otherwise.
pub fn router(
    ports: Ports,
    stop: CancellationToken,
    protect: impl FnOnce(Router) -> Router,
) -> Router {
    let shared = Shared {
        ports,
        stop,
        searches: Arc::new(Semaphore::new(SEARCHES_AT_ONCE)),
        readers: Arc::new(Semaphore::new(READERS_AT_ONCE)),
        writers: Arc::new(Semaphore::new(WRITERS_AT_ONCE)),
    };
    let data = query::routes()
        .merge(metrics::routes())
        .with_state(shared.clone());
    let open = page::routes().merge(health::routes().with_state(shared));
    open.merge(protect(data))
        .layer(CompressionLayer::new())
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ))
        // Answers change every second; what may be kept says so itself.
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// What every handler may use.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) stop: CancellationToken,
    searches: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    writers: Arc<Semaphore>,
}

impl Shared {
    /// Runs a search off the async runtime, a few at a time.
    pub(crate) async fn searching<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn LogSearch) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = self.searches.clone().acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(SEARCH_PATIENCE, turn).await else {
            return Err(Failure::too_many("too many searches are running"));
        };
        let index = self.ports.search.clone();
        let answer = tokio::task::spawn_blocking(move || {
            // Held until the work ends, even if whoever asked has left.
            let _turn = turn;
            ask(&*index)
        });
        match answer.await {
            Ok(answer) => Ok(answer?),
            Err(error) => {
                tracing::error!(%error, "a search ended abnormally");
                Err(Failure::internal("the search ended abnormally"))
            }
        }
    }

    /// A turn to send a body; given back when dropped.
    pub(crate) fn turn_to_write(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.writers
            .clone()
            .try_acquire_owned()
            .map_err(|_| Failure::too_many("others are changing something at this moment"))
    }

    /// A place for one who stays connected; given back when dropped.
    pub(crate) fn place_for_reader(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.readers
            .clone()
            .try_acquire_owned()
            .map_err(|_| Failure::too_many("too many live connections are open"))
    }
}
