//! What a field's name means: the single table of aliases.
//!
//! Names are compared without case and without `_`, `-`, `.` and blanks, so that `trace_id`,
//! `traceId`, `TraceID` and `trace-id` are one entry.

mod table;

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::duration::Unit;
use table::{CONTAINERS, DURATION_STEMS, ENDINGS, GENERIC, PLAIN, UNIT_SUFFIXES};

/// The meaning of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// None of those below: kept as an attribute.
    Other,
    /// The lower rank wins when a record has several.
    Time(u8),
    Level,
    /// OpenTelemetry's 1 to 24.
    SeverityNumber,
    Message(u8),
    Service,
    Trace,
    Span,
    Parent,
    Request,
    Correlation,
    Traceparent,
    B3,
    AmazonTrace,
    GoogleTrace,
    JaegerTrace,
    DatadogTrace,
    DatadogSpan,
    Method,
    /// A path, possibly with its query; or a whole URL.
    Path,
    Route,
    /// `GET /x HTTP/1.1`
    RequestLine,
    Status,
    GrpcStatus,
    /// With the unit that the name carries, if it does.
    Duration(Option<Unit>),
    /// A duration whose unit its definition fixes without naming it: nginx's `request_time`.
    DurationIn(Unit),
    Caller,
    Callee,
    Client,
    UserAgent,
    RequestBytes,
    ResponseBytes,
    ErrorType,
    ErrorMessage,
    /// Its first line names the error; the whole stays an attribute.
    StackTrace,
    RpcService,
    RpcMethod,
}
/// No alias is longer.
const LONGEST: usize = 48;

#[derive(Debug)]
struct Table {
    entries: FxHashMap<Box<[u8]>, (Field, bool)>,
    containers: FxHashMap<&'static [u8], ()>,
    /// For each length, which first letters occur: refuses most words of a text without hashing.
    firsts: [u32; LONGEST + 1],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut entries = FxHashMap::default();
    for stem in DURATION_STEMS {
        for suffix in UNIT_SUFFIXES {
            let unit = Unit::named(suffix.strip_prefix("in").unwrap_or(suffix).as_bytes());
            let name = format!("{stem}{suffix}").into_bytes().into_boxed_slice();
            entries.insert(name, (Field::Duration(unit), false));
        }
    }
    for (name, field) in PLAIN {
        let name = name.replace('_', "").into_bytes().into_boxed_slice();
        entries.insert(name, (*field, false));
    }
    for (name, field) in GENERIC {
        entries.insert(name.as_bytes().into(), (*field, true));
    }
    // `times` is a count of times, not a time in seconds.
    entries.remove(&b"times"[..]);
    let mut firsts = [0u32; LONGEST + 1];
    let mut names: Vec<&[u8]> = entries.keys().map(|name| &**name).collect();
    names.sort_unstable();
    for name in names {
        if let (Some(slot), Some(first)) = (firsts.get_mut(name.len()), name.first()) {
            *slot |= letter_bit(*first);
        }
    }
    Table {
        entries,
        containers: CONTAINERS
            .iter()
            .map(|name| (name.as_bytes(), ()))
            .collect(),
        firsts,
    }
});

fn letter_bit(letter: u8) -> u32 {
    1 << (letter & 31)
}

/// A name without case and separators, on the stack.
struct Normal {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Normal {
    /// `None` when it is longer than any alias.
    #[inline]
    fn of(name: &[u8]) -> Option<Normal> {
        let mut normal = Normal {
            bytes: [0; LONGEST],
            length: 0,
        };
        for &byte in name {
            if matches!(byte, b'_' | b'-' | b'.' | b' ') {
                continue;
            }
            *normal.bytes.get_mut(normal.length)? = byte.to_ascii_lowercase();
            normal.length += 1;
        }
        Some(normal)
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Table {
    #[inline]
    fn find(&self, normal: &[u8]) -> Option<(Field, bool)> {
        let first = *normal.first()?;
        if self.firsts.get(normal.len())? & letter_bit(first) == 0 {
            return None;
        }
        self.entries.get(normal).copied()
    }
}

/// The meaning of a structured field's name; dots separate nesting levels.
pub(super) fn meaning(name: &str) -> Field {
    let table = &*TABLE;
    if let Some(normal) = Normal::of(name.as_bytes()) {
        if let Some((field, _)) = table.find(normal.as_slice()) {
            return field;
        }
        if !name.contains('.') {
            return ending(normal.as_slice());
        }
    }
    // Drop containers from the left until an alias remains.
    let mut from = 0;
    let mut request_like = true;
    while let Some(dot) = name[from..].find('.') {
        let container = Normal::of(&name.as_bytes()[from..from + dot]);
        request_like &=
            container.is_some_and(|name| table.containers.contains_key(name.as_slice()));
        from += dot + 1;
        let Some(rest) = Normal::of(&name.as_bytes()[from..]) else {
            continue;
        };
        match table.find(rest.as_slice()) {
            Some((field, generic)) if request_like || !generic => return field,
            _ => {}
        }
    }
    match Normal::of(&name.as_bytes()[from..]) {
        Some(last) => ending(last.as_slice()),
        None => Field::Other,
    }
}

/// The meaning of a word that stands before `=` or `:` in running text, where only fields of
/// requests are looked for.
#[inline]
pub(super) fn meaning_in_text(name: &[u8]) -> Field {
    let Some(normal) = Normal::of(name) else {
        return Field::Other;
    };
    let normal = normal.as_slice();
    match TABLE.find(normal) {
        Some((field, _)) => field,
        None => ending(normal),
    }
}

#[inline]
fn ending(normal: &[u8]) -> Field {
    if !(normal.ends_with(b"id") || normal.ends_with(b"parent")) {
        return Field::Other;
    }
    if normal.ends_with(b"parentspanid") {
        return Field::Parent;
    }
    ENDINGS
        .iter()
        .find(|(ending, _)| normal.ends_with(ending))
        .map_or(Field::Other, |(_, field)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        for name in [
            "trace_id",
            "traceId",
            "TraceID",
            "trace-id",
            "trace.id",
            "acme_trace_id",
        ] {
            assert_eq!(meaning(name), Field::Trace, "{name}");
        }
        for name in [
            "latency_ms",
            "latencyMs",
            "duration.ms",
            "http.latency_ms",
            "elapsedMillis",
        ] {
            assert_eq!(meaning(name), Field::Duration(Some(Unit::Millis)), "{name}");
        }
        assert_eq!(meaning("req.headers.x-request-id"), Field::Request);
    }

    #[test]
    fn ordinary_words_need_a_container_that_is_about_a_request() {
        assert_eq!(meaning("status"), Field::Status);
        assert_eq!(meaning("res.status"), Field::Status);
        assert_eq!(meaning("order.status"), Field::Other);
        assert_eq!(meaning("user.message"), Field::Other);
        assert_eq!(meaning("times"), Field::Other);
    }
}
