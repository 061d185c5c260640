//! Parsing without configuration: what a line of any common log format says.
//!
//! The pipeline keeps one [`Recognizer`] for each stream (a resource and the name of one of its
//! outputs) and gives it every record's text. Each text is tried against the layouts from the most
//! to the least specific; all of them refuse a foreign line within its first bytes, so a stream
//! that changes its format, or mixes several, is understood from the first line of the new one.
//! What needs memory (a CSV header, the size of durations without a unit) is the recognizer's
//! state and survives a restart.
//!
//! Routes, templates, redaction and joining of lines are others' work: here a record is one text,
//! already whole.

mod access;
mod aliases;
mod attribute;
mod balancer;
mod console;
mod duration;
mod facts;
mod fields;
mod header;
mod ids;
mod json;
mod json_kind;
mod level;
mod logfmt;
mod product;
mod scan;
mod syslog;
mod table;
mod text;
mod time;

use std::borrow::Cow;
use std::ops::Range;

use monitor_core::{
    CallFacts, Correlation, DurationOrigin, FormatName, Message, Name, Severity, Time, Value,
};
use serde::{Deserialize, Serialize};

pub use facts::facts_from_attributes;

use duration::Magnitude;
use facts::{Gather, Scalar};
use table::Table;
use time::{Clock, Stamp};

/// Why a text was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Nothing but white space.
    Empty,
    /// No layout that we know: no time, no severity, no fields.
    NoKnownLayout,
    /// Begins like JSON but is not.
    BrokenJson,
    /// JSON nested deeper than any log record needs.
    TooDeep,
}

impl Reason {
    pub const ALL: [Reason; 4] = [
        Reason::Empty,
        Reason::NoKnownLayout,
        Reason::BrokenJson,
        Reason::TooDeep,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Empty => "empty",
            Reason::NoKnownLayout => "no-known-layout",
            Reason::BrokenJson => "broken-json",
            Reason::TooDeep => "json-too-deep",
        }
    }
}

/// What one record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub format: Option<FormatName>,
    /// Set exactly when `format` is `None`. Facts that the text states plainly are given even so.
    pub unrecognised: Option<Reason>,
    /// A CSV or W3C header or directive: kept, but no message.
    pub header: bool,
    /// The time written in the record. `None` when it wrote none, an impossible one, or one
    /// without date or zone although the carrier gave its time: then the carrier's is better.
    pub time: Option<Time>,
    /// By how many seconds the written time is ahead of the carrier's, where that is better. A text
    /// without a zone may be of any, so this is what is left of quarters of an hour.
    pub written_ahead: Option<i32>,
    pub severity: Option<Severity>,
    /// What follows the header; a range always lies on character boundaries of the text.
    pub message: Message,
    pub ids: Correlation,
    pub facts: CallFacts,
    /// When the record itself names its service.
    pub service: Option<Name>,
    /// Fields that are none of the above, in the order in which they were written.
    pub attributes: Vec<(Name, Value)>,
}

impl Parsed {
    fn new() -> Parsed {
        Parsed {
            format: None,
            unrecognised: None,
            header: false,
            time: None,
            written_ahead: None,
            severity: None,
            message: Message::Within(0..0),
            ids: Correlation::default(),
            facts: CallFacts::default(),
            service: None,
            attributes: Vec::new(),
        }
    }

    /// Takes the time from what was written, or how far that is from what the carrier knows better.
    fn timed(&mut self, stamp: Option<Stamp>, clock: Clock) {
        self.time = stamp.and_then(|stamp| stamp.resolve(clock));
        self.written_ahead = match self.time {
            Some(_) => None,
            None => stamp.and_then(|stamp| stamp.ahead_of_carrier(clock)),
        };
    }
}

/// The state of one stream.
///
/// Serialised, it lets a restarted process go on exactly where the old one was.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recognizer {
    format: Option<Cow<'static, str>>,
    /// Another format than `format`, and how many recognised records in a row had it.
    rival: Option<(Cow<'static, str>, u8)>,
    changes: u64,
    durations: Magnitude,
    table: Option<Table>,
    /// What a person said that the stream is; given anew after a restart.
    #[serde(skip)]
    hint: Option<Hint>,
}

/// A layout to try before all others, because a person said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    Json,
    Logfmt,
    Syslog,
    Access,
    /// A time, a level and a message.
    Header,
    /// No structure at all: a record is a message, whatever it looks like.
    Text,
}

impl Hint {
    pub const ALL: [Hint; 6] = [
        Hint::Json,
        Hint::Logfmt,
        Hint::Syslog,
        Hint::Access,
        Hint::Header,
        Hint::Text,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Hint::Json => "json",
            Hint::Logfmt => "logfmt",
            Hint::Syslog => "syslog",
            Hint::Access => "access",
            Hint::Header => "header",
            Hint::Text => "text",
        }
    }

    /// Also by the names of products whose logs are of that layout.
    pub fn of(name: &str) -> Option<Hint> {
        Some(match name {
            "nginx" | "apache" | "httpd" | "combined" | "common" | "clf" => Hint::Access,
            "log4j" | "logback" | "python" | "klog" | "glog" => Hint::Header,
            "raw" | "plain" => Hint::Text,
            _ => return Hint::ALL.into_iter().find(|hint| hint.as_str() == name),
        })
    }
}

/// A stream is said to have changed its format after this many records of another one in a row,
/// so that single foreign lines (a start-up banner, a runtime's own message) do not count.
const RECORDS_TO_CHANGE: u8 = 3;

impl Recognizer {
    pub fn new() -> Recognizer {
        Recognizer::default()
    }

    /// Understands one record's text. `received` is our own clock's time of receipt.
    ///
    /// Never fails; linear in the text's length.
    pub fn parse(&mut self, text: &str, carrier_time: Option<Time>, received: Time) -> Parsed {
        let clock = Clock {
            carrier: carrier_time,
            received,
        };
        let mut parsed = Parsed::new();
        let plain = without_colours(text);
        match &plain {
            Cow::Borrowed(text) => self.understand(text, clock, &mut parsed),
            Cow::Owned(plain) => {
                self.understand(plain, clock, &mut parsed);
                detach(&mut parsed.message, plain);
            }
        }
        if let Message::Within(range) = &parsed.message
            && text.get(range.start as usize..range.end as usize).is_none()
        {
            parsed.message = within(0..text.len());
        }
        if let Some(format) = parsed.format {
            self.note(format);
        }
        parsed
    }

    /// Facts out of structured attributes that came beside a text, judged with this stream's
    /// experience of durations.
    pub fn facts_from_attributes(
        &mut self,
        attributes: &[(Name, Value)],
        facts: &mut CallFacts,
        ids: &mut Correlation,
    ) {
        let mut gather = Gather::new(facts, ids, &mut self.durations);
        for (name, value) in attributes {
            gather.apply(aliases::meaning(name), Scalar::of(value));
        }
        gather.finish();
    }

    /// Tries this layout first from now on; the others are still tried where it does not fit.
    pub fn prefer(&mut self, hint: Option<Hint>) {
        self.hint = hint;
    }

    /// The format that the stream has now.
    pub fn format(&self) -> Option<&str> {
        self.format.as_deref()
    }

    pub fn format_changes(&self) -> u64 {
        self.changes
    }

    /// The unit of the stream's bare numbers that are durations, and how it is known.
    pub fn duration_unit(&self) -> Option<(&'static str, DurationOrigin)> {
        self.durations
            .last()
            .map(|(unit, origin)| (unit.as_str(), origin))
    }

    fn note(&mut self, format: FormatName) {
        if self.format.as_deref() == Some(format) {
            self.rival = None;
            return;
        }
        if self.format.is_none() {
            self.format = Some(Cow::Borrowed(format));
            return;
        }
        let seen = match &self.rival {
            Some((rival, seen)) if rival == format => seen + 1,
            _ => 1,
        };
        if seen >= RECORDS_TO_CHANGE {
            self.format = Some(Cow::Borrowed(format));
            self.rival = None;
            self.changes += 1;
        } else {
            self.rival = Some((Cow::Borrowed(format), seen));
        }
    }

    fn understand(&mut self, text: &str, clock: Clock, parsed: &mut Parsed) {
        let mut stream = Stream {
            clock,
            durations: &mut self.durations,
            nested: false,
        };
        if let Some(hint) = self.hint
            && stream.hinted(hint, text, parsed)
        {
            return;
        }
        // The only layout that depends on earlier lines comes first: its rows look like anything.
        if table::parse(text, &mut self.table, &mut stream, parsed) {
            return;
        }
        stream.understand(text, parsed);
    }
}

/// What the parsers of one record share.
#[derive(Debug)]
struct Stream<'s> {
    clock: Clock,
    durations: &'s mut Magnitude,
    /// Inside another format's message already; one level is enough for every real carrier.
    nested: bool,
}

impl Stream<'_> {
    /// Tries the one layout; `parsed` is complete when this is true.
    fn hinted(&mut self, hint: Hint, text: &str, parsed: &mut Parsed) -> bool {
        match hint {
            Hint::Json => {
                // Its reason is the better one only when nothing else fits either.
                let found = json::parse(text, self, parsed);
                parsed.unrecognised = None;
                found
            }
            Hint::Logfmt => logfmt::parse(text, self, parsed),
            Hint::Syslog => syslog::parse(text, self, parsed),
            Hint::Access => access::parse(text, self, parsed),
            Hint::Header => header::parse(text, self, parsed),
            Hint::Text => {
                parsed.message = within(trimmed(text));
                parsed.format = Some("text");
                true
            }
        }
    }

    /// Tries the layouts, the most specific first. Leaves `parsed` complete.
    fn understand(&mut self, text: &str, parsed: &mut Parsed) {
        if !self.structured(text, parsed) {
            parsed.message = within(trimmed(text));
            let reason = parsed
                .unrecognised
                .take()
                .unwrap_or(if text.trim().is_empty() {
                    Reason::Empty
                } else {
                    Reason::NoKnownLayout
                });
            text::facts(text, parsed, self.durations);
            let range = trimmed(text);
            let start = text::after_ids(&text[range.clone()]);
            if start > 0 && range.start + start < range.end {
                parsed.format = Some("traced-text");
                parsed.message = within(range.start + start..range.end);
            } else {
                parsed.format = text::request_line_format(text, parsed);
            }
            if parsed.format.is_none() {
                parsed.unrecognised = Some(reason);
            }
        }
    }

    /// Each of these leaves `parsed` untouched when it returns false, the JSON reader's reason
    /// apart.
    fn structured(&mut self, text: &str, parsed: &mut Parsed) -> bool {
        let bytes = text.as_bytes();
        let start = scan::skip_blanks(bytes, 0);
        match bytes.get(start) {
            None => false,
            Some(b'{') => json::parse(text, self, parsed),
            Some(b'<') if syslog::parse(text, self, parsed) => true,
            Some(_) => {
                product::parse(text, self, parsed)
                    || balancer::parse(text, self, parsed)
                    || access::parse(text, self, parsed)
                    || logfmt::parse(text, self, parsed)
                    || syslog::parse(text, self, parsed)
                    || console::parse(text, self, parsed)
                    || header::parse(text, self, parsed)
            }
        }
    }

    /// Tries to understand a message as a record of its own (JSON in syslog, an access log in a
    /// container's line). True when it was; `parsed.message` is then relative to `inner`.
    fn nested(&mut self, inner: &str, parsed: &mut Parsed) -> bool {
        if self.nested {
            return false;
        }
        self.nested = true;
        let found = self.structured(inner, parsed);
        self.nested = false;
        found
    }
}

/// A range of a text as a message.
fn within(range: Range<usize>) -> Message {
    match (u32::try_from(range.start), u32::try_from(range.end)) {
        (Ok(start), Ok(end)) => Message::Within(start..end),
        _ => Message::Within(0..0),
    }
}

/// Moves a message that is relative to a part of the text.
fn shift(message: &mut Message, by: usize) {
    if let Message::Within(range) = message {
        *message = within(range.start as usize + by..range.end as usize + by);
    }
}

/// Makes a message independent of the text that it was a range of.
fn detach(message: &mut Message, of: &str) {
    if let Message::Within(range) = message {
        let text = of
            .get(range.start as usize..range.end as usize)
            .unwrap_or(of);
        *message = Message::Decoded(text.into());
    }
}

/// The text without white space at both ends, as a range.
fn trimmed(text: &str) -> Range<usize> {
    let end = text.trim_ascii_end().len();
    let start = text.len() - text.trim_ascii_start().len();
    start.min(end)..end
}

/// The text without terminal colour sequences (`ESC [ … letter`).
fn without_colours(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(0x1b, text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut plain = String::with_capacity(text.len());
    plain.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(escape) = rest.find('\u{1b}') {
        plain.push_str(&rest[..escape]);
        rest = &rest[escape + 1..];
        if let Some(sequence) = rest.strip_prefix('[') {
            let end = sequence
                .bytes()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':' | b'?'))
                .count();
            rest = match sequence.as_bytes().get(end) {
                Some(byte) if byte.is_ascii_alphabetic() => &sequence[end + 1..],
                _ => &sequence[end..],
            };
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}
