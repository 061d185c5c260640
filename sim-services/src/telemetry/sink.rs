//! Where the collectors' batches go: over the wire as OTLP, into a folder, to a function.

mod folder;
mod function;
mod otlp_http;

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};

pub use self::folder::{Folder, FolderError};
pub use self::function::{Counting, Function, Memory, Said};
pub use self::otlp_http::{Delivered, Otlp, OtlpError, OtlpOptions};
use super::Export;
use crate::truth::Passages;

pub trait Sink: Send + Sync {
    /// Done when they have arrived or are lost; whoever loses some counts them.
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()>;

    /// Where it is written down which services each request really passed.
    fn passages(&self) -> Option<Arc<Passages>> {
        None
    }
}

/// Several at once; done when the slowest is.
pub struct Tee(pub Vec<Arc<dyn Sink>>);

impl std::fmt::Debug for Tee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tee({})", self.0.len())
    }
}

impl Sink for Tee {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        let deliveries = self.0.iter().map(|sink| sink.deliver(exports.clone()));
        let all = join_all(deliveries);
        Box::pin(async move {
            all.await;
        })
    }
}
