//! Lines to records: stack traces and other continuations join the line they belong to.
//!
//! Used per stream by the file follower and by replays, before anything knows the stream's format;
//! so only what lines look like decides, and there is nothing to configure. Two lines that each
//! begin like a record (a timestamp, a level, a JSON object, an access log's client) are never
//! joined.

mod classify;

use classify::{LineKind, Trace, classify, is_quiet};

/// A runaway dump becomes several records rather than one that nobody can read.
const MAX_LINES: usize = 500;
const MAX_BYTES: usize = 256 << 10;

/// One record: one line or several, joined by line feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined<M> {
    pub text: String,
    /// What came with the first line.
    pub first: M,
    /// What came with the last line.
    pub last: M,
}

/// Joins the lines of one stream. Holds at most one record; [`Joiner::flush`] releases it when no
/// more lines are expected or the stream has been quiet for a while.
#[derive(Debug)]
pub struct Joiner<M> {
    open: Option<Open<M>>,
}

#[derive(Debug)]
struct Open<M> {
    record: Joined<M>,
    lines: usize,
    /// Blank lines after the text, kept only when more of the record follows.
    blanks: usize,
    /// The record is complete by itself: a JSON object, an access log line.
    closed: bool,
    /// The record's level is too low for a stack trace to be its own.
    quiet: bool,
    trace: Trace,
}

impl<M> Default for Joiner<M> {
    fn default() -> Joiner<M> {
        Joiner { open: None }
    }
}

impl<M: Clone> Joiner<M> {
    /// Takes the next line and returns the record that it shows to be finished, if any.
    ///
    /// Blank lines are not records: between records they are dropped, within one they are kept.
    pub fn push(&mut self, line: &str, meta: M) -> Option<Joined<M>> {
        let kind = classify(line);
        if let Some(open) = &mut self.open {
            if kind == LineKind::Blank {
                open.blanks += 1;
                return None;
            }
            if open.continues_with(line, kind) {
                if open.has_room_for(line) {
                    open.append(line, kind, meta);
                    return None;
                }
                let trace = open.trace.after(line, kind);
                let mut rest = Open::new(line, kind, meta);
                rest.trace = trace;
                rest.quiet = false;
                return self.open.replace(rest).map(|open| open.record);
            }
        } else if kind == LineKind::Blank {
            return None;
        }
        self.open
            .replace(Open::new(line, kind, meta))
            .map(|open| open.record)
    }

    /// Releases the record being held.
    pub fn flush(&mut self) -> Option<Joined<M>> {
        self.open.take().map(|open| open.record)
    }

    /// What came with the first line of the record being held.
    pub fn pending(&self) -> Option<&M> {
        self.open.as_ref().map(|open| &open.record.first)
    }
}

impl<M: Clone> Open<M> {
    fn new(line: &str, kind: LineKind, meta: M) -> Open<M> {
        Open {
            record: Joined {
                text: line.to_owned(),
                first: meta.clone(),
                last: meta,
            },
            lines: 1,
            blanks: 0,
            closed: kind == LineKind::Whole,
            quiet: is_quiet(line),
            trace: Trace::None.after(line, kind),
        }
    }

    fn continues_with(&self, line: &str, kind: LineKind) -> bool {
        if self.closed {
            return false;
        }
        match kind {
            LineKind::Start | LineKind::Whole => false,
            LineKind::Indented | LineKind::Continuation => true,
            // An exception after "INFO started" is somebody else's.
            LineKind::Exception => !self.quiet || self.trace != Trace::None,
            LineKind::Plain => self.trace.expects(line, self.blanks > 0),
            LineKind::Blank => true,
        }
    }

    fn has_room_for(&self, line: &str) -> bool {
        self.lines + self.blanks < MAX_LINES
            && self.record.text.len() + self.blanks + line.len() < MAX_BYTES
    }

    fn append(&mut self, line: &str, kind: LineKind, meta: M) {
        self.lines += self.blanks + 1;
        for _ in 0..=std::mem::take(&mut self.blanks) {
            self.record.text.push('\n');
        }
        self.record.text.push_str(line);
        self.record.last = meta;
        self.trace = self.trace.after(line, kind);
    }
}
