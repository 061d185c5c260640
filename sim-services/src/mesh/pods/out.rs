//! Where a process' lines and spans go: to its standard output, and by OTLP.
//!
//! Lines are written by a thread that may wait for whoever reads them; spans are gathered for a
//! second and sent by a task of their own, so that neither waits for the other. Both queues are
//! bounded and what does not fit is counted.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::telemetry::Export;
use crate::telemetry::sink::{Otlp, Sink};

/// Spans wait so long for company.
const GATHERED: Duration = Duration::from_secs(1);
/// A request has at most about so many spans …
const FULL: usize = 2_048;
/// … and so many deliveries of a collector wait for it: a replica of the shop makes some hundreds
/// of spans a second.
const WAITING: usize = 256;

pub struct Out {
    lines: Arc<Mutex<Box<dyn Write + Send>>>,
    spans: Option<mpsc::Sender<Vec<Export>>>,
    lost: AtomicU64,
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

impl Out {
    /// The second part sends the spans and is to be run; it ends by itself when the sink is
    /// dropped and all is sent.
    pub fn new(
        lines: impl Write + Send + 'static,
        otlp: Option<Arc<Otlp>>,
    ) -> (Out, impl Future<Output = ()> + Send + 'static) {
        let (spans, received) = mpsc::channel(WAITING);
        let out = Out {
            lines: Arc::new(Mutex::new(Box::new(lines))),
            spans: otlp.is_some().then_some(spans),
            lost: AtomicU64::new(0),
        };
        let sending = async move {
            if let Some(otlp) = otlp {
                send(&otlp, received).await;
            }
        };
        (out, sending)
    }

    /// Lines and spans that were not written or not sent for want of room or of a reader; what was
    /// sent in vain the OTLP client counts.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lose(&self, some: usize) {
        self.lost.fetch_add(some as u64, Ordering::Relaxed);
    }
}

async fn send(otlp: &Otlp, mut received: mpsc::Receiver<Vec<Export>>) {
    while let Some(mut gathered) = received.recv().await {
        let due = Instant::now() + GATHERED;
        let mut size = items(&gathered);
        while size < FULL
            && let Ok(Some(more)) = timeout_at(due, received.recv()).await
        {
            size += items(&more);
            gathered.extend(more);
        }
        otlp.deliver(gathered).await;
    }
}

/// Spans and readings.
fn items(exports: &[Export]) -> usize {
    let items = |export: &Export| export.spans.len() + export.gauges.len();
    exports.iter().map(items).sum()
}

impl Sink for Out {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        let (mut text, mut lines) = (String::new(), 0);
        let mut spans = Vec::new();
        for mut export in exports {
            lines += export.lines.len();
            for line in std::mem::take(&mut export.lines) {
                text.push_str(&line.text);
                text.push('\n');
            }
            if !(export.spans.is_empty() && export.gauges.is_empty()) {
                spans.push(export);
            }
        }
        Box::pin(async move {
            if !spans.is_empty()
                && let Some(to) = &self.spans
            {
                let count = items(&spans);
                if to.try_send(spans).is_err() {
                    self.lose(count);
                }
            }
            if text.is_empty() {
                return;
            }
            let out = Arc::clone(&self.lines);
            let written = tokio::task::spawn_blocking(move || {
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            });
            if !matches!(written.await, Ok(Ok(()))) {
                self.lose(lines);
            }
        })
    }
}

/// `OTEL_RESOURCE_ATTRIBUTES`: `key=value` pairs with commas between, values percent-encoded
/// (<https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable>).
/// A pair that is none is passed over.
pub fn resource_attributes(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        (!key.is_empty() && !value.is_empty()).then(|| (key.to_owned(), decoded(value)))
    };
    text.split(',').filter_map(pair).collect()
}

/// With `%2C` as a comma; what is no such code stays as it is.
fn decoded(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        out.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_attributes_are_read_as_opentelemetry_says() {
        let read = resource_attributes("a=1, b = x%2Cy ,=z,c,d=,e=50%");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(read, [pair("a", "1"), pair("b", "x,y"), pair("e", "50%")]);
    }
}
