//! How many requests are worked on at once.
//!
//! Each may hold a decompressed body, so this is what bounds a receiver's memory.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::reply::{Failure, Style};

/// A request takes milliseconds; after a second the crowd has usually passed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
}

impl Admission {
    pub(super) fn new(places: usize) -> Admission {
        Admission {
            places: Arc::new(Semaphore::new(places)),
        }
    }
}

/// The middleware: a request that finds no place is told when to come back, before its body is
/// read.
pub(super) async fn admit(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_place) = admission.places.try_acquire() else {
        let failure = Failure::Busy {
            message: "too many requests at once; retry in 1 s".to_owned(),
            retry_after: RETRY_AFTER,
        };
        return failure.respond(Style::of(request.headers()));
    };
    next.run(request).await
}
