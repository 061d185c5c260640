//! A recording: everything as files that can be read, searched and replayed.
//!
//! `logs/<environment>/<service>/<instance>.log` are the lines as they were written, and
//! `otlp/logs.jsonl`, `otlp/traces.jsonl` and `otlp/metrics.jsonl` the same batches that would have gone
//! over the wire, one request a line, as the OpenTelemetry Collector's file exporter writes them.

mod files;

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, ready};

use self::files::Files;
use super::super::{Export, otlp};
use super::Sink;

/// Written through buffers, which are flushed every second, by [`Folder::finish`], and when it is
/// dropped. Writing does not wait for the disk: the system's cache takes it.
#[derive(Debug)]
pub struct Folder(Mutex<Files>);

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{0} is already there; a recording needs a folder of its own")]
    Taken(String),
    #[error("cannot write the recording: {0}")]
    Io(#[from] io::Error),
    #[error(
        "the recording is incomplete: {lost} lines, spans and readings could not be written: {first}"
    )]
    Lost { lost: u64, first: String },
}

impl Folder {
    /// Makes the folder when it is not there.
    ///
    /// # Errors
    ///
    /// When it has `logs` or `otlp` in it already, or cannot be written to.
    pub fn create(root: &Path) -> Result<Folder, FolderError> {
        for part in ["logs", "otlp"] {
            let path = root.join(part);
            if path.exists() {
                return Err(FolderError::Taken(path.display().to_string()));
            }
            std::fs::create_dir_all(path)?;
        }
        Ok(Folder(Mutex::new(Files::create(root)?)))
    }

    /// Writes out what is still in buffers.
    ///
    /// # Errors
    ///
    /// When anything was lost, now or before.
    pub fn finish(&self) -> Result<(), FolderError> {
        self.files().finish()
    }

    /// Lines, spans and readings that could not be written.
    pub fn lost(&self) -> u64 {
        self.files().lost()
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Folder {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        let logs = serde_json::to_string(&otlp::logs(&exports));
        let traces = serde_json::to_string(&otlp::traces(&exports));
        let metrics = serde_json::to_string(&otlp::metrics(&exports));
        self.files().write(&exports, [logs, traces, metrics]);
        Box::pin(ready(()))
    }
}
