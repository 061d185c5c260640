//! What lies between the platform's collectors and a monitor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use sim_services::telemetry::Export;
use sim_services::telemetry::sink::Sink;

/// Lets nothing through until it is opened: a platform that is warming up is heard by nobody.
pub(crate) struct Valve {
    open: AtomicBool,
    behind: Arc<dyn Sink>,
}

impl Valve {
    pub(crate) fn closed(behind: Arc<dyn Sink>) -> Valve {
        Valve {
            open: AtomicBool::new(false),
            behind,
        }
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for Valve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Valve")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Sink for Valve {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        if self.open.load(Ordering::Acquire) {
            self.behind.deliver(exports)
        } else {
            Box::pin(async {})
        }
    }
}
