//! Tasks of one net: all are ended and awaited when it stops.

use hyper::rt::Executor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Copies are the same set of tasks.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// They also end when `parent` is cancelled.
    pub(super) fn under(parent: &CancellationToken) -> Tasks {
        Tasks {
            tracker: TaskTracker::new(),
            stop: parent.child_token(),
        }
    }

    /// Cancelled when the tasks are to end.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Dropped where it stands when the tasks are to end.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            // None when it was stopped, which is as good.
            stop.run_until_cancelled(task).await.unwrap_or_default();
        });
    }

    /// Ends by itself when [`stopping`](Tasks::stopping) says so.
    pub(super) fn spawn_orderly(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Returns when the last has ended.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// For what HTTP/2 runs beside its connections.
impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}
