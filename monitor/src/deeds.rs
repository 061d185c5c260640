//! The way of changes to the worker, who owns the book of them.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::Change;
use monitor_serve::{Changes, Refused};
use tokio::sync::oneshot;

use crate::worker::Work;

#[derive(Debug)]
pub(crate) struct ToWorker(pub(crate) SyncSender<Work>);

impl Changes for ToWorker {
    fn note(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<Vec<bool>, Refused>> {
        Box::pin(async move {
            let (told, answer) = oneshot::channel();
            match self.0.try_send(Work::Note { changes, told }) {
                Ok(()) => answer.await.map_err(|_| Refused::Stopping),
                Err(TrySendError::Full(_)) => Err(Refused::Full {
                    retry_after: Duration::from_secs(1),
                }),
                Err(TrySendError::Disconnected(_)) => Err(Refused::Stopping),
            }
        })
    }
}
