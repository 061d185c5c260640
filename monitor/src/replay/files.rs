//! Files as input: plain logs of any format, Docker's or Kubernetes' wrapping included, and what a
//! collector exported (see `otlp`).
//!
//! Several files are merged by the time of their lines, because that is how their records would
//! have arrived.

use std::collections::VecDeque;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use monitor_core::{LogItem, Payload, Resource, Source, Time};
use monitor_ingest::container::{ContainerLine, Output, Shape};
use monitor_ingest::formats::Recognizer;
use monitor_ingest::lines::LineSplitter;
use monitor_ingest::multiline::{Joined, Joiner};

use super::nezha::batch;
use super::otlp::{self, Export};
use super::{Chunk, ReadCounts};

/// Records of a batch.
const BATCH: usize = 2_000;
/// Bytes read from a file at a time.
const READ: usize = 1 << 16;
/// The longest line kept whole.
const MAX_LINE: usize = 1 << 20;

/// Reads `files` in the order of their records' times; those of one file stay in its order.
pub(super) fn read(
    files: &[PathBuf],
    service: Option<&str>,
    counts: &mut ReadCounts,
    mut take: impl FnMut(Chunk) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut streams: Vec<Input> = files
        .iter()
        .map(|path| Input::open(path, service))
        .collect::<Result<_, _>>()?;
    let mut items: Vec<(Time, Source, Payload)> = Vec::with_capacity(BATCH);
    let mut done = 0;
    loop {
        // Few files: a scan is as fast as a heap, and the first of equals wins.
        let mut first: Option<(Time, usize)> = None;
        for (place, stream) in streams.iter_mut().enumerate() {
            if let Some(time) = stream.head(counts)?
                && first.is_none_or(|(earliest, _)| time < earliest)
            {
                first = Some((time, place));
            }
        }
        if let Some((time, place)) = first
            && let Some((source, payload)) = streams[place].pop(counts)
        {
            done = streams.iter().map(Input::bytes).sum();
            items.push((time, source, payload));
        }
        if items.len() >= BATCH || (first.is_none() && !items.is_empty()) {
            take(Chunk {
                batch: batch(items.drain(..)),
                done,
            })?;
        }
        if first.is_none() {
            return Ok(());
        }
    }
}

/// A file of either kind.
enum Input {
    Text(Box<Stream>),
    Export(Box<Export>),
}

impl Input {
    fn open(path: &Path, service: Option<&str>) -> anyhow::Result<Input> {
        Ok(if otlp::is_export(path)? {
            Input::Export(Box::new(Export::open(path)?))
        } else {
            Input::Text(Box::new(Stream::open(path, service)?))
        })
    }

    /// The time of what comes next; `None` at the end.
    fn head(&mut self, counts: &mut ReadCounts) -> anyhow::Result<Option<Time>> {
        match self {
            Input::Text(stream) => stream.head(counts),
            Input::Export(export) => export.head(counts),
        }
    }

    fn pop(&mut self, counts: &mut ReadCounts) -> Option<(Source, Payload)> {
        match self {
            Input::Text(stream) => stream.pop(counts),
            Input::Export(export) => export.pop(counts),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Input::Text(stream) => stream.read,
            Input::Export(export) => export.bytes(),
        }
    }
}

/// One file being read.
struct Stream {
    path: PathBuf,
    /// Of standard output and standard error.
    sources: [Source; 2],
    reader: Box<dyn Read>,
    splitter: LineSplitter,
    shape: Shape,
    joiners: [Joiner<Option<Time>>; 2],
    /// Only to know the time of a record before it is understood for good.
    recognizers: [Recognizer; 2],
    ready: VecDeque<Ready>,
    /// Of the records so far: a record without a time belongs where it stands.
    time: Time,
    /// When the file was last written to: what its records cannot be later than.
    modified: Time,
    read: u64,
    ended: bool,
}

struct Ready {
    time: Time,
    output: Output,
    text: String,
}

impl Stream {
    fn open(path: &Path, service: Option<&str>) -> anyhow::Result<Stream> {
        let resource = Arc::new(Resource::of_service(
            service.unwrap_or(&service_of_file(path)),
        ));
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let source = |output: Output| Source {
            resource: Arc::clone(&resource),
            stream: format!("{file}:{}", output.as_str()).into(),
        };
        let modified = fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .with_context(|| format!("cannot read `{}`", path.display()))?
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Stream {
            path: path.to_owned(),
            sources: [source(Output::Stdout), source(Output::Stderr)],
            reader: super::input::reader(path)?,
            splitter: LineSplitter::new(0, MAX_LINE),
            shape: Shape::from_offset(0),
            joiners: [Joiner::default(), Joiner::default()],
            recognizers: [Recognizer::new(), Recognizer::new()],
            ready: VecDeque::new(),
            time: Time::MIN,
            modified: Time::EPOCH + modified,
            read: 0,
            ended: false,
        })
    }

    /// The time of the next record; `None` at the end.
    fn head(&mut self, counts: &mut ReadCounts) -> anyhow::Result<Option<Time>> {
        let mut buffer = [0; READ];
        while self.ready.is_empty() && !self.ended {
            let length = self
                .reader
                .read(&mut buffer)
                .with_context(|| format!("cannot read `{}`", self.path.display()))?;
            self.read += length as u64;
            let mut lines = Vec::new();
            self.splitter
                .push(&buffer[..length], |line| lines.push(line.text));
            if length == 0 {
                self.ended = true;
                lines.extend(self.splitter.finish().map(|line| line.text));
            }
            for line in lines {
                self.line(&line, counts);
            }
            if self.ended {
                let pending: Vec<ContainerLine> = match self.shape.assembler() {
                    Some(assembler) => assembler.flush().collect(),
                    None => Vec::new(),
                };
                for line in pending {
                    self.text(&line.text, line.output, line.time);
                }
                for output in [Output::Stdout, Output::Stderr] {
                    if let Some(record) = self.joiners[output as usize].flush() {
                        self.record(record, output);
                    }
                }
            }
        }
        Ok(self.ready.front().map(|record| record.time))
    }

    fn pop(&mut self, counts: &mut ReadCounts) -> Option<(Source, Payload)> {
        let record = self.ready.pop_front()?;
        counts.log_rows += 1;
        counts.log_bytes += record.text.len() as u64;
        let log = LogItem {
            time: Some(record.time),
            text: record.text,
            ..LogItem::default()
        };
        let source = self.sources[record.output as usize].clone();
        Some((source, Payload::Log(log)))
    }

    fn line(&mut self, line: &str, counts: &mut ReadCounts) {
        counts.lines += 1;
        match self.shape.of(line) {
            None => self.text(line, Output::Stdout, None),
            Some(assembler) => match assembler.push(line) {
                Ok(Some(inner)) => self.text(&inner.text, inner.output, inner.time),
                Ok(None) => {}
                // Not as the runtime writes it, yet somebody wrote it: kept as it is.
                Err(_) => self.text(line, Output::Stdout, None),
            },
        }
    }

    fn text(&mut self, text: &str, output: Output, time: Option<Time>) {
        if let Some(record) = self.joiners[output as usize].push(text, time) {
            self.record(record, output);
        }
    }

    fn record(&mut self, record: Joined<Option<Time>>, output: Output) {
        let time = match record.first {
            Some(time) => time,
            None => {
                let parsed =
                    self.recognizers[output as usize].parse(&record.text, None, self.modified);
                match parsed.time {
                    Some(time) => time,
                    None if self.time > Time::MIN => self.time,
                    None => self.modified,
                }
            }
        };
        self.time = time;
        self.ready.push_back(Ready {
            time,
            output,
            text: record.text,
        });
    }
}

/// `orders-service-2026-03-01.log.gz` is of `orders-service`: the name without what comes with
/// rotation and compression.
fn service_of_file(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    let kept: Vec<&str> = stem
        .split(['-', '_'])
        .take_while(|part| {
            !part
                .chars()
                .next()
                .is_some_and(|first| first.is_ascii_digit())
        })
        .collect();
    let service = kept.join("-");
    if service.is_empty() {
        monitor_core::UNKNOWN.to_owned()
    } else {
        service
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_service_is_its_name_without_dates_and_endings() {
        for (file, service) in [
            ("orders-service-2026-03-01.log.gz", "orders-service"),
            ("nginx_access.log.1", "nginx-access"),
            ("2026.log", "unknown"),
        ] {
            assert_eq!(service_of_file(Path::new(file)), service);
        }
    }

    #[test]
    fn files_are_merged_by_the_time_of_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.log"), folder.path().join("b.log"));
        fs::write(
            &a,
            "2026-03-01T10:00:00Z INFO one\n2026-03-01T10:00:02Z INFO three\n",
        )
        .unwrap();
        fs::write(
            &b,
            "2026-03-01T10:00:01Z INFO two\n2026-03-01T10:00:03Z INFO four\n",
        )
        .unwrap();
        let mut texts = Vec::new();
        let mut counts = ReadCounts::default();
        read(&[a, b], None, &mut counts, |chunk| {
            for item in chunk.batch.items {
                if let Payload::Log(log) = item.payload {
                    texts.push(log.text.rsplit(' ').next().unwrap().to_owned());
                }
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(texts, ["one", "two", "three", "four"]);
        assert_eq!((counts.log_rows, counts.lines), (4, 4));
    }
}
