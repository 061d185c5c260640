//! Files as the OpenTelemetry Collector's file exporter writes them: a line for each request, in
//! OTLP's JSON form, of logs, spans or metrics.
//!
//! The lines of a file are in the order in which they were exported, which is about that of their
//! records' times; several files are merged by the caller.

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use monitor_core::{Item, Origin, Payload, Resource, Source, Time};
use monitor_ingest::decoded::Decoded;
use monitor_ingest::formats::Recognizer;
use monitor_ingest::lines::LineSplitter;
use monitor_ingest::otlp::{
    CumulativeState, Encoding, decode_logs_bytes, decode_metrics_bytes, decode_traces_bytes,
};
use rustc_hash::FxHashMap;

use super::ReadCounts;

/// Bytes read at a time.
const READ: usize = 1 << 16;
/// A collector's batch is some thousand records; a line beyond this is no batch, and is refused.
const MAX_LINE: usize = 64 << 20;
/// What is looked at to recognise a file.
const HEAD: usize = 4_096;
/// Resources remembered, so that each is kept once.
const MAX_RESOURCES: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Logs,
    Spans,
    Metrics,
}

impl Signal {
    /// By the first key of the object that a line is.
    fn of(line: &str) -> Option<Signal> {
        let key = line.trim_start().strip_prefix('{')?.trim_start();
        let (key, _) = key.strip_prefix('"')?.split_once('"')?;
        match key {
            "resourceLogs" => Some(Signal::Logs),
            "resourceSpans" => Some(Signal::Spans),
            "resourceMetrics" => Some(Signal::Metrics),
            _ => None,
        }
    }
}

/// Whether a file begins as an exporter's does.
pub(super) fn is_export(path: &Path) -> anyhow::Result<bool> {
    let mut head = Vec::with_capacity(HEAD);
    let read = super::input::reader(path)?
        .take(HEAD as u64)
        .read_to_end(&mut head);
    // What cannot be decompressed is no export; whoever reads it says what is wrong.
    Ok(read.is_ok() && Signal::of(&String::from_utf8_lossy(&head)).is_some())
}

/// One file being read.
pub(super) struct Export {
    path: PathBuf,
    reader: Box<dyn Read>,
    splitter: LineSplitter,
    line: u64,
    /// Lines that were read and not yet decoded.
    lines: VecDeque<String>,
    /// Of one line; all are due when the first is.
    ready: VecDeque<(Source, Payload)>,
    due: Time,
    resources: FxHashMap<Vec<u8>, Arc<Resource>>,
    /// Only to know the time of a record that its carrier gave none.
    recognizer: Recognizer,
    cumulative: CumulativeState,
    read: u64,
    ended: bool,
}

impl Export {
    pub(super) fn open(path: &Path) -> anyhow::Result<Export> {
        Ok(Export {
            path: path.to_owned(),
            reader: super::input::reader(path)?,
            splitter: LineSplitter::new(0, MAX_LINE),
            line: 0,
            lines: VecDeque::new(),
            ready: VecDeque::new(),
            due: Time::EPOCH,
            resources: FxHashMap::default(),
            recognizer: Recognizer::new(),
            // What was counted before the recording is not of it.
            cumulative: CumulativeState::new(Time::MAX),
            read: 0,
            ended: false,
        })
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.read
    }

    /// When the next item is due; `None` at the end.
    pub(super) fn head(&mut self, counts: &mut ReadCounts) -> anyhow::Result<Option<Time>> {
        let mut buffer = vec![0; if self.ready.is_empty() { READ } else { 0 }];
        while self.ready.is_empty() {
            if let Some(line) = self.lines.pop_front() {
                self.line += 1;
                counts.lines += 1;
                self.decode(&line, counts);
                continue;
            }
            if self.ended {
                return Ok(None);
            }
            let length = self
                .reader
                .read(&mut buffer)
                .with_context(|| format!("cannot read `{}`", self.path.display()))?;
            self.read += length as u64;
            let lines = &mut self.lines;
            self.splitter
                .push(&buffer[..length], |line| lines.push_back(line.text));
            if length == 0 {
                self.ended = true;
                lines.extend(self.splitter.finish().map(|line| line.text));
            }
        }
        Ok(Some(self.due))
    }

    pub(super) fn pop(&mut self, counts: &mut ReadCounts) -> Option<(Source, Payload)> {
        let (source, payload) = self.ready.pop_front()?;
        match &payload {
            Payload::Log(log) => {
                counts.log_rows += 1;
                counts.log_bytes += log.text.len() as u64;
            }
            Payload::Span(_) => counts.span_rows += 1,
            Payload::Histogram(_) | Payload::Level(_) => {}
        }
        Some((source, payload))
    }

    /// A line that is no request costs itself.
    fn decode(&mut self, line: &str, counts: &mut ReadCounts) {
        if line.trim().is_empty() {
            return;
        }
        let (body, json) = (line.as_bytes(), Encoding::Json);
        let (origin, received) = (Origin::Replay, Time::EPOCH);
        let decoded = match Signal::of(line) {
            Some(Signal::Logs) => decode_logs_bytes(body, json, origin, received),
            Some(Signal::Spans) => decode_traces_bytes(body, json, origin, received),
            Some(Signal::Metrics) => {
                decode_metrics_bytes(body, json, origin, received, &mut self.cumulative)
                    .map(|(decoded, _)| decoded)
            }
            None => {
                let reason = "neither resourceLogs, nor resourceSpans, nor resourceMetrics";
                counts.reject(&self.path, self.line, reason);
                return;
            }
        };
        match decoded {
            Ok(decoded) => self.take(decoded, counts),
            Err(error) => {
                let cause = std::error::Error::source(&error);
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                counts.reject(&self.path, self.line, format!("{error}{cause}"));
            }
        }
    }

    fn take(&mut self, decoded: Decoded, counts: &mut ReadCounts) {
        let told = decoded.rejected.kept();
        let untold = decoded.rejected.total() - told.len() as u64;
        for rejection in told {
            let reason = format!(
                "item {}: {} ({})",
                rejection.position + 1,
                rejection.detail,
                rejection.reason.as_str()
            );
            counts.reject(&self.path, self.line, reason);
        }
        if untold > 0 {
            counts.reject_many(
                &self.path,
                self.line,
                untold,
                format!("and {untold} more items"),
            );
        }
        let sources: Vec<Source> = decoded
            .batch
            .sources
            .into_iter()
            .map(|source| self.known(source))
            .collect();
        // The earliest: one record with a clock far ahead must not hold the whole file back.
        let mut due: Option<Time> = None;
        for Item { source, payload } in decoded.batch.items {
            let (time, payload) = self.timed(payload);
            due = Some(due.map_or(time, |due| due.min(time)));
            self.ready
                .push_back((sources[source as usize].clone(), payload));
        }
        self.due = due.unwrap_or(self.due);
    }

    /// The payload with a time: a log record's carrier may have given none. Spans are known when
    /// they end.
    fn timed(&mut self, payload: Payload) -> (Time, Payload) {
        match payload {
            Payload::Log(mut log) => {
                let time = match log.time {
                    Some(time) => time,
                    None => {
                        let parsed = self.recognizer.parse(&log.text, None, self.due);
                        parsed.time.unwrap_or(self.due)
                    }
                };
                log.time = Some(time);
                (time, Payload::Log(log))
            }
            Payload::Span(span) => (span.start + span.duration, Payload::Span(span)),
            Payload::Histogram(point) => (point.end, Payload::Histogram(point)),
            Payload::Level(point) => (point.at, Payload::Level(point)),
        }
    }

    /// Each request describes its resources anew; equal ones are kept once.
    fn known(&mut self, source: Source) -> Source {
        let Ok(key) = postcard::to_stdvec(&*source.resource) else {
            return source;
        };
        if self.resources.len() >= MAX_RESOURCES {
            self.resources.clear();
        }
        let resource = self
            .resources
            .entry(key)
            .or_insert_with(|| Arc::clone(&source.resource));
        Source {
            resource: Arc::clone(resource),
            ..source
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_first_key() {
        assert_eq!(Signal::of(r#"{"resourceLogs":[]}"#), Some(Signal::Logs));
        assert_eq!(
            Signal::of("\n { \"resourceSpans\" : []}"),
            Some(Signal::Spans)
        );
        assert_eq!(Signal::of(r#"{"level":"info","resourceLogs":1}"#), None);
        assert_eq!(Signal::of("resourceLogs"), None);
    }
}
