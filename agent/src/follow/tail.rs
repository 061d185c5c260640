//! One followed file: bytes to lines to container lines, and how far that is done.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use monitor_core::Time;
use monitor_ingest::container::{ContainerLine, NotOfRuntime, Output, Shape};
use monitor_ingest::decoded::MAX_TEXT_BYTES;
use monitor_ingest::lines::{Line, LineSplitter};

use super::LINE_WAIT;
use super::layout::Place;
use super::positions::{Beginning, FileId, Fingerprint, Position, Progress};
use crate::metrics::Metrics;
use crate::otlp::Entry;

#[derive(Debug)]
pub(super) struct Tail {
    pub(super) id: FileId,
    pub(super) place: Place,
    file: File,
    fingerprint: Fingerprint,
    /// Size and modification time when last looked at.
    looked: Looked,
    splitter: LineSplitter,
    shape: Shape,
    /// Where the next line begins.
    line_start: u64,
    /// Where the unfinished container line of each output begins.
    pieces_start: [Option<u64>; 2],
    /// Lines up to here were given out, by output.
    done: [u64; 2],
    /// Lines up to here were safe before the restart.
    skip: [u64; 2],
    /// Lines written before are history that nobody asked for.
    not_before: Option<Time>,
    /// When something was last read, or the file was opened.
    pub(super) read_at: Time,
    /// Where it stood before it was cut, for whoever finds a copy.
    before_cut: Option<Position>,
    /// A copy is read from where this stands: what is unfinished here is finished there.
    copied: bool,
    /// A name still leads to it.
    present: bool,
    reported: Option<Position>,
}

/// Size and modification time.
pub(super) type Looked = (u64, i64, i64);

/// What one reading did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) bytes: usize,
    pub(super) more: bool,
}

pub(super) fn looked(metadata: &std::fs::Metadata) -> Looked {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

impl Tail {
    /// `None` when the path leads to another file by now. `resume` is taken when the file still
    /// begins as it did then; `copied` are positions of files of which this may be a copy.
    pub(super) fn open(
        id: FileId,
        place: Place,
        path: &Path,
        resume: Option<Position>,
        copied: &[Position],
        not_before: Option<Time>,
        now: Time,
    ) -> io::Result<Option<Tail>> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if FileId::of(&metadata) != id {
            return Ok(None);
        }
        let size = metadata.len();
        let beginning = Beginning::of(&file)?;
        let fits = |it: &&Position| it.offset <= size && beginning.fits(it.fingerprint);
        let resumed = resume.as_ref().filter(fits);
        let position = resumed.or_else(|| {
            let copied = copied.iter().filter(|it| it.fingerprint.is_telling());
            // Of several, the one that got furthest.
            copied.filter(fits).max_by_key(|it| it.offset)
        });
        let known = position.is_some();
        let position = position.copied().unwrap_or_else(|| Position {
            fingerprint: beginning.fingerprint(),
            ..Position::default()
        });
        // What an earlier run knew of a file that was cut since belongs to its copy.
        let before_cut = resume.filter(|_| resumed.is_none());
        Ok(Some(Tail {
            id,
            place,
            file,
            fingerprint: position.fingerprint,
            looked: (0, 0, 0),
            splitter: LineSplitter::new(position.offset, MAX_TEXT_BYTES),
            shape: Shape::from_offset(position.offset),
            line_start: position.offset,
            pieces_start: [None; 2],
            done: position.done,
            skip: position.done,
            not_before: not_before.filter(|_| !known),
            read_at: now,
            before_cut,
            copied: false,
            present: true,
            reported: resume.filter(|it| *it == position),
        }))
    }

    /// Reads up to `budget` bytes and adds the lines they complete to `entries`.
    pub(super) fn read(
        &mut self,
        now: Time,
        budget: usize,
        metrics: &Metrics,
        entries: &mut Vec<Entry>,
    ) -> io::Result<Read> {
        let size = self.look(metrics, entries)?;
        let unread = size.saturating_sub(self.splitter.offset());
        if unread == 0 || budget == 0 {
            if unread == 0 && now.since(self.read_at) >= LINE_WAIT {
                self.finish_lines(metrics, entries);
            }
            return Ok(Read {
                bytes: 0,
                more: unread > 0,
            });
        }
        let mut bytes = vec![0; usize::try_from(unread).unwrap_or(budget).min(budget)];
        let read = self.file.read_at(&mut bytes, self.splitter.offset())?;
        self.read_at = now;
        metrics.read_bytes.inc_by(read as u64);
        let before = self.splitter.counts();
        // The lines of one chunk are few enough to hold; taking them borrows all of `self`.
        let mut lines = Vec::new();
        self.splitter.push(&bytes[..read], |line| lines.push(line));
        metrics.repaired(before, self.splitter.counts());
        for line in lines {
            self.take(line, metrics, entries);
        }
        Ok(Read {
            bytes: read,
            more: (read as u64) < unread,
        })
    }

    /// Passes over everything that is there, without a word.
    pub(super) fn skip_to_end(&mut self, now: Time, metrics: &Metrics) -> io::Result<()> {
        let size = self.look(metrics, &mut Vec::new())?;
        let skipped = size.saturating_sub(self.splitter.offset());
        if skipped > 0 {
            metrics.skipped_bytes.inc_by(skipped);
            self.start_at(size);
            self.read_at = now;
        }
        Ok(())
    }

    /// Whether a line or a piece waits for its end.
    pub(super) fn is_unfinished(&self) -> bool {
        self.splitter.is_partial() || self.oldest_piece().is_some()
    }

    /// Nothing more will come: what is unfinished is a line as it is.
    pub(super) fn finish_lines(&mut self, metrics: &Metrics, entries: &mut Vec<Entry>) {
        if let Some(line) = self.splitter.finish() {
            self.take(line, metrics, entries);
        }
        if let Some(assembler) = self.shape.assembler() {
            let unfinished: Vec<ContainerLine> = assembler.flush().collect();
            for line in unfinished {
                let start = self.pieces_start[line.output as usize].take();
                let start = start.unwrap_or(self.line_start);
                self.emit(line, start, self.line_start, metrics, entries);
            }
        }
    }

    /// The file's size; notices that it was cut, or overwritten from its beginning.
    fn look(&mut self, metrics: &Metrics, entries: &mut Vec<Entry>) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        let size = metadata.len();
        let looked = looked(&metadata);
        if looked == self.looked {
            return Ok(size);
        }
        self.looked = looked;
        let beginning = Beginning::of(&self.file)?;
        if size < self.splitter.offset() || !beginning.fits(self.fingerprint) {
            metrics.truncations.inc();
            self.before_cut = Some(self.position());
            if !std::mem::take(&mut self.copied) {
                self.finish_lines(metrics, entries);
            }
            self.start_at(0);
            self.fingerprint = Fingerprint::default();
        }
        if !self.fingerprint.is_complete() {
            self.fingerprint = beginning.fingerprint();
        }
        Ok(size)
    }

    fn start_at(&mut self, offset: u64) {
        self.splitter = LineSplitter::new(offset, MAX_TEXT_BYTES);
        self.shape = Shape::from_offset(offset);
        self.line_start = offset;
        self.pieces_start = [None; 2];
        self.done = [offset; 2];
        self.skip = [offset; 2];
    }

    fn take(&mut self, line: Line, metrics: &Metrics, entries: &mut Vec<Entry>) {
        let start = self.line_start;
        self.line_start = line.end;
        let plain = |text| ContainerLine {
            time: None,
            output: Output::Stdout,
            text,
        };
        let Some(assembler) = self.shape.of(&line.text) else {
            return self.emit(plain(line.text), start, line.end, metrics, entries);
        };
        match assembler.push(&line.text) {
            Ok(None) => {
                // The assembler does not say of which output the piece is.
                let output = piece_output(&line.text) as usize;
                self.pieces_start[output] = self.pieces_start[output].or(Some(start));
            }
            Ok(Some(whole)) => {
                let begun = self.pieces_start[whole.output as usize].take();
                let start = begun.unwrap_or(start);
                self.emit(whole, start, line.end, metrics, entries);
            }
            Err(NotOfRuntime) => {
                metrics.repair("not_of_the_runtime");
                self.emit(plain(line.text), start, line.end, metrics, entries);
            }
        }
    }

    fn emit(
        &mut self,
        line: ContainerLine,
        start: u64,
        end: u64,
        metrics: &Metrics,
        entries: &mut Vec<Entry>,
    ) {
        let output = line.output as usize;
        if end <= self.skip[output] {
            return;
        }
        self.done[output] = end;
        if line.text.is_empty() {
            return;
        }
        if let (Some(time), Some(not_before)) = (line.time, self.not_before)
            && time < not_before
        {
            metrics.skipped_records.inc();
            return;
        }
        entries.push(Entry {
            time: line.time,
            output: line.output,
            text: line.text,
            file: self.id,
            offset: start,
        });
    }

    fn oldest_piece(&self) -> Option<u64> {
        self.pieces_start.into_iter().flatten().min()
    }

    fn position(&self) -> Position {
        Position {
            fingerprint: self.fingerprint,
            offset: self.oldest_piece().unwrap_or(self.line_start),
            done: self.done,
        }
    }

    /// Where a copy of the file would have to be read from.
    pub(super) fn positions_for_copies(&self) -> impl Iterator<Item = Position> {
        [Some(self.position()), self.before_cut]
            .into_iter()
            .flatten()
    }

    /// `copy` begins as this file does.
    pub(super) fn set_copied(&mut self, copy: &Tail) {
        self.copied |= self.position() == copy.position();
    }

    pub(super) fn looked(&self) -> Looked {
        self.looked
    }

    /// How far the file is done, when that has changed.
    pub(super) fn progress(&mut self) -> Option<Progress> {
        let position = self.position();
        if self.reported == Some(position) {
            return None;
        }
        self.reported = Some(position);
        Some(Progress {
            file: self.id,
            to: Some(position),
        })
    }

    pub(super) fn reported(&self) -> Position {
        self.reported.unwrap_or_else(|| self.position())
    }

    pub(super) fn set_present(&mut self, present: bool) {
        self.present = present;
    }

    pub(super) fn is_present(&self) -> bool {
        self.present
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|it| it.nlink() == 0)
    }
}

/// Of a piece that the assembler has taken.
fn piece_output(line: &str) -> Output {
    let cri = line.split(' ').nth(1) == Some("stderr");
    let docker = line.starts_with('{') && line.contains(r#""stream":"stderr""#);
    match cri || docker {
        true => Output::Stderr,
        false => Output::Stdout,
    }
}
