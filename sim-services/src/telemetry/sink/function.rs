//! Sinks within the process: a function, a memory, a counter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, ready};

use super::super::Export;
use super::Sink;
use crate::truth::Passages;

/// Calls a function, which must not wait. For watchers in the same process, in virtual time.
pub struct Function {
    function: Box<dyn Fn(Vec<Export>) + Send + Sync>,
    passages: Option<Arc<Passages>>,
}

impl Function {
    pub fn new(function: impl Fn(Vec<Export>) + Send + Sync + 'static) -> Function {
        Function {
            function: Box::new(function),
            passages: None,
        }
    }

    /// Also writes down what each request really passed.
    #[must_use]
    pub fn with_passages(mut self, passages: Arc<Passages>) -> Function {
        self.passages = Some(passages);
        self
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Function")
    }
}

impl Sink for Function {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        (self.function)(exports);
        Box::pin(ready(()))
    }

    fn passages(&self) -> Option<Arc<Passages>> {
        self.passages.clone()
    }
}

/// Keeps everything, for tests.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<Vec<Export>>>);

impl Memory {
    /// All deliveries since the last time, each on its own.
    pub fn take(&self) -> Vec<Vec<Export>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Memory {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exports);
        Box::pin(ready(()))
    }
}

/// Only counts.
#[derive(Debug, Default)]
pub struct Counting {
    deliveries: AtomicU64,
    lines: AtomicU64,
    spans: AtomicU64,
}

/// How much was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub deliveries: u64,
    pub lines: u64,
    pub spans: u64,
}

impl Counting {
    pub fn read(&self) -> Said {
        Said {
            deliveries: self.deliveries.load(Ordering::Relaxed),
            lines: self.lines.load(Ordering::Relaxed),
            spans: self.spans.load(Ordering::Relaxed),
        }
    }
}

impl Sink for Counting {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        for export in &exports {
            self.lines
                .fetch_add(export.lines.len() as u64, Ordering::Relaxed);
            self.spans
                .fetch_add(export.spans.len() as u64, Ordering::Relaxed);
        }
        Box::pin(ready(()))
    }
}
