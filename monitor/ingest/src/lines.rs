//! A stream of bytes to lines of text.
//!
//! Used by the file follower and by replays. The lines do not depend on how the bytes were cut
//! into chunks, and memory is bounded whatever the bytes are. Joining lines to records is left to
//! `multiline`.

use memchr::memchr;

use crate::decoded::{MAX_TEXT_BYTES, mark_cut};

/// One line, without its terminator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// Offset in the stream just behind the line's terminator: where reading may resume.
    pub end: u64,
}

/// What was not passed on exactly as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines longer than the limit.
    pub cut: u64,
    /// The bytes that were cut off them.
    pub bytes_cut: u64,
    /// Lines with bytes that are not UTF-8; those became U+FFFD.
    pub invalid_utf8: u64,
    /// NUL bytes before a line: the hole that a truncated file has when its writer did not notice.
    pub nul_bytes: u64,
}

/// Splits a stream of bytes at line feeds, incrementally.
#[derive(Debug)]
pub struct LineSplitter {
    max_bytes: usize,
    /// The unfinished line; at most `max_bytes + 1`, so that a carriage return behind a line of
    /// exactly the maximum is recognised.
    partial: Vec<u8>,
    /// Bytes of the unfinished line that did not fit.
    overflow: u64,
    /// The last byte of the overflow.
    last_overflow: u8,
    offset: u64,
    counts: LineCounts,
}

impl Default for LineSplitter {
    fn default() -> LineSplitter {
        LineSplitter::new(0, MAX_TEXT_BYTES)
    }
}

impl LineSplitter {
    /// `offset`: where in the stream the first byte will be. `max_bytes`: of one line.
    pub fn new(offset: u64, max_bytes: usize) -> LineSplitter {
        LineSplitter {
            max_bytes,
            partial: Vec::new(),
            overflow: 0,
            last_overflow: 0,
            offset,
            counts: LineCounts::default(),
        }
    }

    /// Passes every line that `chunk` completes to `sink`.
    pub fn push(&mut self, mut chunk: &[u8], mut sink: impl FnMut(Line)) {
        while let Some(feed) = memchr(b'\n', chunk) {
            self.extend(&chunk[..feed]);
            self.offset += 1;
            sink(self.take());
            chunk = &chunk[feed + 1..];
        }
        self.extend(chunk);
    }

    /// The line that the stream ended without terminating, if any.
    pub fn finish(&mut self) -> Option<Line> {
        (!self.partial.is_empty()).then(|| self.take())
    }

    /// Offset behind the last byte pushed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether a line is unfinished.
    pub fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    pub fn counts(&self) -> LineCounts {
        self.counts
    }

    fn extend(&mut self, mut bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        if self.partial.is_empty() {
            let text = bytes.iter().position(|byte| *byte != 0);
            let nuls = text.unwrap_or(bytes.len());
            self.counts.nul_bytes += nuls as u64;
            bytes = &bytes[nuls..];
        }
        let room = (self.max_bytes + 1).saturating_sub(self.partial.len());
        let (fitting, rest) = bytes.split_at(bytes.len().min(room));
        self.partial.extend_from_slice(fitting);
        self.overflow += rest.len() as u64;
        if let Some(last) = rest.last() {
            self.last_overflow = *last;
        }
    }

    fn take(&mut self) -> Line {
        // A carriage return is part of the terminator. In the overflow it only changes the count.
        if self.overflow == 0 {
            self.partial.pop_if(|byte| *byte == b'\r');
        } else if self.last_overflow == b'\r' {
            self.overflow -= 1;
        }
        let mut lost = self.overflow;
        if self.partial.len() > self.max_bytes {
            lost += (self.partial.len() - self.max_bytes) as u64;
            self.partial.truncate(self.max_bytes);
        }
        if lost > 0 {
            let torn = torn_character(&self.partial);
            lost += torn as u64;
            self.partial.truncate(self.partial.len() - torn);
        }
        let mut text = match std::str::from_utf8(&self.partial) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                self.counts.invalid_utf8 += 1;
                String::from_utf8_lossy(&self.partial).into_owned()
            }
        };
        if lost > 0 {
            self.counts.cut += 1;
            self.counts.bytes_cut += lost;
            mark_cut(&mut text, lost);
        }
        self.partial.clear();
        // One long line should not hold its memory for ever.
        self.partial.shrink_to(64 << 10);
        self.overflow = 0;
        Line {
            text,
            end: self.offset,
        }
    }
}

/// How many bytes at the end of `bytes` begin a UTF-8 character that does not end there.
fn torn_character(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    for (back, byte) in bytes[tail..].iter().rev().enumerate() {
        let length = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => return 0,
        };
        return if length > back + 1 { back + 1 } else { 0 };
    }
    0
}
