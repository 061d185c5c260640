//! The header grammar: timestamp, level, process, thread, component and ids in any order and with
//! any of the usual separators, then the message.
//!
//! One grammar instead of a pattern for each product. Before the level (which most headers have)
//! everything short belongs to the header; after it only what has the form of a thread, a
//! component or an id does, so that the first words of a message are not mistaken for one.

mod after;
mod before;
mod groups;
mod tell;

use monitor_core::{Name, Severity};

use super::scan::{closing, skip_blanks, word_end};
use super::time::{self, Stamp};
use super::{Parsed, Stream};

/// No header is longer.
const LONGEST: usize = 600;

pub(super) fn parse(whole: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let mut head = Head::new(whole);
    if !head.open() {
        return false;
    }
    if head.severity.is_none() {
        head.up_to_level();
    }
    head.after_level();
    head.finish(stream, parsed);
    true
}

#[derive(Debug)]
struct Head<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    stamp: Option<Stamp>,
    severity: Option<Severity>,
    level_first: bool,
    /// ` - ` seen before the level.
    dashes: usize,
    triple_dash: bool,
    pipes: usize,
    comma_millis: bool,
    pid: Option<&'t str>,
    thread: Option<&'t str>,
    logger: Option<&'t str>,
    source: Option<&'t str>,
    prefix: Option<&'t str>,
    host: Option<&'t str>,
    user: Option<&'t str>,
    client: Option<&'t str>,
    service: Option<&'t str>,
    code: Option<&'t str>,
    named_service: Option<Name>,
    ids: monitor_core::Correlation,
    has_ids: bool,
    letter: bool,
    mongo: bool,
    openstack: bool,
    span_context: std::ops::Range<usize>,
    applications: usize,
    hash_pid: bool,
    level_colon: bool,
    bracket_stamp: bool,
    bracket_level: bool,
    slashes: bool,
}

impl<'t> Head<'t> {
    fn new(text: &'t str) -> Head<'t> {
        Head {
            text,
            bytes: text.as_bytes(),
            at: 0,
            stamp: None,
            severity: None,
            level_first: false,
            dashes: 0,
            triple_dash: false,
            pipes: 0,
            comma_millis: false,
            pid: None,
            thread: None,
            logger: None,
            source: None,
            prefix: None,
            host: None,
            user: None,
            client: None,
            service: None,
            code: None,
            named_service: None,
            ids: monitor_core::Correlation::default(),
            has_ids: false,
            letter: false,
            mongo: false,
            openstack: false,
            span_context: 0..0,
            applications: 0,
            hash_pid: false,
            level_colon: false,
            bracket_stamp: false,
            bracket_level: false,
            slashes: false,
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// A text's slice; offsets come from ASCII delimiters, so it exists.
    fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// What makes a line a record with a header: a timestamp or a level in front, perhaps after
    /// one word (the name of a file or a container).
    fn open(&mut self) -> bool {
        self.at = skip_blanks(self.bytes, 0);
        if self.stamp_here() {
            return true;
        }
        if self.byte(self.at) == Some(b'[') && self.open_bracket() {
            return true;
        }
        if let Some((severity, end)) = self.level_at(self.at, false) {
            self.severity = Some(severity);
            self.level_first = true;
            self.at = end;
            self.at = self.skip_separators(self.at);
            // `INFO 2026-11-21 10:00:00 …`, `[INFO] 2026-…`
            if !self.stamp_here() && self.byte(self.at) == Some(b'[') {
                self.open_bracket();
            }
            return true;
        }
        // `nova-api.log.1 2026-…`, `web_1  | 2026-…`, `[main] INFO …`
        let start = self.at;
        let end = match self.byte(start) {
            Some(b'[') => closing(self.bytes, start, 80).map(|close| close + 1),
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'/' => {
                Some(word_end(self.bytes, start)).filter(|end| end - start <= 100)
            }
            _ => None,
        };
        let Some(end) = end else { return false };
        let mut next = skip_blanks(self.bytes, end);
        if self.byte(next) == Some(b'|') {
            next = skip_blanks(self.bytes, next + 1);
        }
        if next == end {
            return false;
        }
        let bracketed = self.byte(start) == Some(b'[');
        self.at = next;
        if self.stamp_here() {
            if bracketed {
                self.logger = Some(self.slice(start + 1, end - 1));
            } else {
                self.prefix = Some(self.slice(start, end));
            }
            return true;
        }
        if bracketed && let Some((severity, level_end)) = self.level_at(next, false) {
            self.thread = Some(self.slice(start + 1, end - 1));
            self.severity = Some(severity);
            self.at = self.skip_separators(level_end);
            return true;
        }
        false
    }

    fn stamp_here(&mut self) -> bool {
        let Some((stamp, length)) = self.bytes.get(self.at..).and_then(time::scan) else {
            return false;
        };
        let end = self.at + length;
        // A word that goes on is no timestamp.
        if self
            .byte(end)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return false;
        }
        let fraction = length.checked_sub(4).map(|back| self.at + back);
        self.comma_millis = fraction.and_then(|at| self.byte(at)) == Some(b',');
        self.slashes = self.byte(self.at + 4) == Some(b'/');
        self.stamp = Some(stamp);
        self.at = end;
        true
    }

    /// `[2026-11-21 10:00:00]`, `[10:00:00 INF]`, `[2026-11-21T10:00:00Z INFO module]`.
    fn open_bracket(&mut self) -> bool {
        let start = self.at;
        let Some(close) = closing(self.bytes, start, 200) else {
            return false;
        };
        self.at = start + 1;
        if !self.stamp_here() {
            self.at = start;
            return false;
        }
        if self.at > close {
            self.at = start;
            self.stamp = None;
            return false;
        }
        let mut inner = self.skip_separators(self.at);
        if inner < close
            && let Some((severity, end)) = self.level_at(inner, true)
        {
            self.severity = Some(severity);
            inner = self.skip_separators(end.min(close));
        }
        let rest = self.slice(inner.min(close), close).trim();
        if let Some(pid) = rest.strip_prefix('#') {
            self.pid = Some(pid);
        } else if !rest.is_empty() && !rest.contains(' ') {
            self.logger = Some(rest);
        }
        self.at = close + 1;
        self.bracket_stamp = true;
        true
    }

    /// Skips blanks and free-standing separators.
    fn skip_separators(&mut self, mut at: usize) -> usize {
        loop {
            at = skip_blanks(self.bytes, at);
            match self.byte(at) {
                Some(b'|') => {
                    self.pipes += 1;
                    at += 1;
                }
                Some(b',' | b';') => at += 1,
                Some(b'-') => {
                    let end = at
                        + self.bytes[at..]
                            .iter()
                            .take_while(|byte| **byte == b'-')
                            .count();
                    if !matches!(self.byte(end), None | Some(b' ' | b'\t')) || end - at > 3 {
                        return at;
                    }
                    self.triple_dash |= end - at == 3;
                    self.dashes += 1;
                    at = end;
                }
                Some(b':') if matches!(self.byte(at + 1), None | Some(b' ' | b'\t')) => at += 1,
                Some(b'\n' | b'\r') if at < 80 && self.severity.is_none() => at += 1,
                _ => return at,
            }
        }
    }
}

/// Whether a text is a position in a source file: `server.go:42`, `orders/db.py:7`.
fn is_position(text: &str) -> bool {
    let Some((file, line)) = text.rsplit_once(':') else {
        return false;
    };
    let extension = file.rsplit_once('.').map(|(_, extension)| extension);
    super::scan::is_digits(line)
        && extension.is_some_and(|extension| {
            (1..=4).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_lowercase())
        })
}
