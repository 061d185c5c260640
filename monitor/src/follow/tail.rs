//! One followed file: bytes to lines to container lines to records, and how far that is done.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{Batch, Item, LogItem, Name, Payload, Resource, Source, Time};
use monitor_ingest::container::{NotOfRuntime, Output, Shape};
use monitor_ingest::lines::{Line, LineSplitter};
use monitor_ingest::multiline::{Joined, Joiner};

use super::counters::FollowCounters;
use super::positions::{FileId, Fingerprint, Position, Progress};
use super::target::Target;

/// A record whose next line has not come for this long is complete.
const RECORD_WAIT: Duration = Duration::from_secs(1);
/// A line without its end, or a piece without the next, is given up after this long.
const LINE_WAIT: Duration = Duration::from_secs(5);
/// Writers keep a renamed or deleted file open for a while.
const GONE_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Tail {
    id: FileId,
    file: File,
    resource: Arc<Resource>,
    /// For standard output (and files without outputs) and standard error.
    streams: [Name; 2],
    fingerprint: Fingerprint,
    /// Size and modification time when last looked at.
    looked: (u64, i64, i64),
    splitter: LineSplitter,
    shape: Shape,
    /// Where the next line begins.
    line_start: u64,
    /// Where the oldest unfinished container line begins.
    pieces_start: Option<u64>,
    joiners: [Joiner<Place>; 2],
    /// When a line last came, by output.
    fed: [Time; 2],
    /// Records up to here were given to a batch, by output.
    done: [u64; 2],
    /// Records up to here were acknowledged before the restart.
    skip: [u64; 2],
    read_at: Time,
    /// Since when no name leads here.
    gone: Option<Time>,
    reported: Option<Position>,
}

/// Where in the file a line is, and the container runtime's time.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    end: u64,
    time: Option<Time>,
}

/// What one reading did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) bytes: usize,
    pub(super) more: bool,
    /// The file is gone, and all of it was read.
    pub(super) finished: bool,
}

/// Collects a tail's records into a batch.
struct Sink<'a> {
    batch: &'a mut Batch,
    sources: [Option<u32>; 2],
}

impl Tail {
    /// `None` when the path leads to another file by now.
    pub(super) fn open(
        id: FileId,
        path: PathBuf,
        saved: Option<Position>,
        now: Time,
    ) -> io::Result<Option<Tail>> {
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        if FileId::of(&metadata) != id {
            return Ok(None);
        }
        let position = match saved {
            Some(saved)
                if saved.offset <= metadata.len() && saved.fingerprint.matches(&file)? =>
            {
                saved
            }
            _ => Position {
                fingerprint: Fingerprint::take(&file, metadata.len())?,
                ..Position::default()
            },
        };
        let target = Target::of(&path);
        let stream = |output: Output| -> Name {
            match target.stream.as_str() {
                "" => output.as_str().into(),
                name => format!("{name}/{}", output.as_str()).into(),
            }
        };
        Ok(Some(Tail {
            id,
            file,
            streams: [stream(Output::Stdout), stream(Output::Stderr)],
            resource: Arc::new(target.resource),
            fingerprint: position.fingerprint,
            looked: (0, 0, 0),
            splitter: LineSplitter::new(position.offset, monitor_ingest::decoded::MAX_TEXT_BYTES),
            shape: Shape::from_offset(position.offset),
            line_start: position.offset,
            pieces_start: None,
            joiners: Default::default(),
            fed: [now; 2],
            done: position.done,
            skip: position.done,
            read_at: now,
            gone: None,
            reported: saved,
        }))
    }

    /// Tells whether a name still leads to the file.
    pub(super) fn set_present(&mut self, path: Option<PathBuf>, now: Time) {
        match path {
            Some(_) => self.gone = None,
            None => self.gone = self.gone.or(Some(now)),
        }
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|it| it.nlink() == 0)
    }

    /// Reads up to `budget` bytes and adds the records they complete to `batch`.
    pub(super) fn read(
        &mut self,
        now: Time,
        budget: usize,
        counters: &FollowCounters,
        batch: &mut Batch,
    ) -> Read {
        let mut sink = Sink {
            batch,
            sources: [None; 2],
        };
        match self.try_read(now, budget, counters, &mut sink) {
            Ok(read) => read,
            // The disk or the mount is gone: as good as the file being gone, until it is back.
            Err(error) => {
                tracing::debug!(%error, "cannot read a followed file");
                self.gone = self.gone.or(Some(now));
                Read {
                    finished: self.is_over(now),
                    ..Read::default()
                }
            }
        }
    }

    fn try_read(
        &mut self,
        now: Time,
        budget: usize,
        counters: &FollowCounters,
        sink: &mut Sink<'_>,
    ) -> io::Result<Read> {
        let size = self.look(counters, sink)?;
        let unread = size.saturating_sub(self.splitter.offset());
        let mut bytes = vec![0; usize::try_from(unread).unwrap_or(budget).min(budget)];
        let read = match bytes.len() {
            0 => 0,
            _ => self.file.read_at(&mut bytes, self.splitter.offset())?,
        };
        if read == 0 {
            self.settle(now, sink);
            return Ok(Read {
                finished: self.is_over(now),
                ..Read::default()
            });
        }
        self.read_at = now;
        counters.bytes.inc_by(read as u64);
        let before = self.splitter.counts();
        let mut lines = Vec::new();
        self.splitter.push(&bytes[..read], |line| lines.push(line));
        counters.repaired(before, self.splitter.counts());
        for line in lines {
            self.take(line, now, sink);
        }
        Ok(Read {
            bytes: read,
            more: (read as u64) < unread,
            finished: false,
        })
    }

    /// The file's size; notices that it was cut, or overwritten from its beginning.
    fn look(&mut self, counters: &FollowCounters, sink: &mut Sink<'_>) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        let size = metadata.len();
        let looked = (size, metadata.mtime(), metadata.mtime_nsec());
        if looked == self.looked {
            return Ok(size);
        }
        self.looked = looked;
        if size < self.splitter.offset() || !self.fingerprint.matches(&self.file)? {
            counters.truncations.inc();
            self.start_over(sink);
        }
        if !self.fingerprint.is_complete() {
            self.fingerprint = Fingerprint::take(&self.file, size)?;
        }
        Ok(size)
    }

    /// What was pending is all that will ever come of it; then from the beginning.
    fn start_over(&mut self, sink: &mut Sink<'_>) {
        let now = self.read_at;
        self.finish_lines(now, sink);
        self.finish_records(sink, |_| true);
        self.splitter = LineSplitter::default();
        self.shape = Shape::from_offset(0);
        self.line_start = 0;
        self.done = [0; 2];
        self.skip = [0; 2];
        self.fingerprint = Fingerprint::default();
    }

    /// At the end of the file: what has waited long enough for more is complete.
    fn settle(&mut self, now: Time, sink: &mut Sink<'_>) {
        let fed = self.fed;
        let gone = self
            .gone
            .is_some_and(|since| now.since(since) >= RECORD_WAIT);
        if gone || now.since(self.read_at) >= LINE_WAIT {
            self.finish_lines(now, sink);
        }
        self.finish_records(sink, |output| gone || now.since(fed[output]) >= RECORD_WAIT);
    }

    fn is_over(&self, now: Time) -> bool {
        let quiet = now.since(self.read_at) >= GONE_WAIT;
        quiet && self.gone.is_some_and(|since| now.since(since) >= GONE_WAIT)
    }

    fn finish_lines(&mut self, now: Time, sink: &mut Sink<'_>) {
        if let Some(line) = self.splitter.finish() {
            self.take(line, now, sink);
        }
        if let Some(assembler) = self.shape.assembler() {
            let unfinished: Vec<_> = assembler.flush().collect();
            let start = self.pieces_start.take().unwrap_or(self.line_start);
            for line in unfinished {
                let place = Place {
                    start,
                    end: self.line_start,
                    time: line.time,
                };
                self.feed(line.output as usize, &line.text, place, now, sink);
            }
        }
    }

    fn finish_records(&mut self, sink: &mut Sink<'_>, due: impl Fn(usize) -> bool) {
        for output in 0..2 {
            if due(output)
                && let Some(record) = self.joiners[output].flush()
            {
                self.emit(output, record, sink);
            }
        }
    }

    fn take(&mut self, line: Line, now: Time, sink: &mut Sink<'_>) {
        let place = Place {
            start: self.line_start,
            end: line.end,
            time: None,
        };
        self.line_start = line.end;
        let Some(assembler) = self.shape.of(&line.text) else {
            return self.feed(0, &line.text, place, now, sink);
        };
        match assembler.push(&line.text) {
            Ok(None) => self.pieces_start = self.pieces_start.or(Some(place.start)),
            Ok(Some(whole)) => {
                // With pieces of both outputs pending this may be too early, which costs nothing.
                let start = self.pieces_start.unwrap_or(place.start);
                if !assembler.is_pending() {
                    self.pieces_start = None;
                }
                let place = Place {
                    start,
                    time: whole.time,
                    ..place
                };
                self.feed(whole.output as usize, &whole.text, place, now, sink);
            }
            Err(NotOfRuntime) => self.feed(0, &line.text, place, now, sink),
        }
    }

    fn feed(&mut self, output: usize, text: &str, place: Place, now: Time, sink: &mut Sink<'_>) {
        if place.end <= self.skip[output] {
            return;
        }
        self.fed[output] = now;
        if let Some(record) = self.joiners[output].push(text, place) {
            self.emit(output, record, sink);
        }
    }

    fn emit(&mut self, output: usize, record: Joined<Place>, sink: &mut Sink<'_>) {
        self.done[output] = record.last.end;
        let source = *sink.sources[output].get_or_insert_with(|| {
            let source = u32::try_from(sink.batch.sources.len()).unwrap_or(u32::MAX);
            sink.batch.sources.push(Source {
                resource: Arc::clone(&self.resource),
                stream: self.streams[output].clone(),
            });
            source
        });
        sink.batch.items.push(Item {
            source,
            payload: Payload::Log(LogItem {
                time: record.first.time,
                text: record.text,
                ..LogItem::default()
            }),
        });
    }

    /// How far the file is done, when that has changed.
    pub(super) fn progress(&mut self) -> Option<Progress> {
        let pending = self.joiners.iter().filter_map(Joiner::pending);
        let oldest = pending.map(|place| place.start).chain(self.pieces_start);
        let position = Position {
            fingerprint: self.fingerprint,
            offset: oldest.fold(self.line_start, u64::min),
            done: self.done,
        };
        if self.reported == Some(position) {
            return None;
        }
        self.reported = Some(position);
        Some(Progress::to(self.id, position))
    }
}
