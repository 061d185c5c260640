//! Facts that the words of a message state plainly, whatever the format around them:
//! `GET /api/x 200 12ms`, `Completed 200 OK in 31ms`, `status=500`, `java.io.IOException: …`.
//!
//! Runs on every message, so it jumps from one `=`, `:` or `/` to the next and looks at the words
//! around them only.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use monitor_core::{DurationOrigin, FormatName, Name, Severity};

use super::Parsed;
use super::aliases::{Field, meaning_in_text};
use super::duration::{self, Magnitude};
use super::facts::{Gather, Scalar, client_address, grpc_code, http_method, http_status, path_of};
use super::ids;
use super::scan::{closing_quote, skip_blanks, word_end};

/// Facts stand at the beginning of a message; a dump of a megabyte is not searched.
const SEARCHED: usize = 4096;

struct Finders {
    within: Finder<'static>,
    took: Finder<'static>,
    call_code: Finder<'static>,
    exception: Finder<'static>,
    error: Finder<'static>,
}

static FINDERS: LazyLock<Finders> = LazyLock::new(|| Finders {
    within: Finder::new(" in "),
    took: Finder::new("took "),
    call_code: Finder::new(" call with code "),
    exception: Finder::new("Exception"),
    error: Finder::new("Error"),
});

/// Fills in the facts and ids that `line` states and that are not known yet.
pub(super) fn facts(line: &str, parsed: &mut Parsed, durations: &mut Magnitude) {
    let searched = line.floor_char_boundary(SEARCHED);
    let line = &line[..searched];
    let bytes = line.as_bytes();
    let severity = parsed.severity;
    let mut gather = Gather::new(&mut parsed.facts, &mut parsed.ids, durations);
    // What an exception says is often another service's answer: no facts of this call.
    let mut own = bytes.len();
    if gather.facts.error_type.is_none()
        && severity.is_none_or(|severity| severity >= Severity::Warn)
        && let Some(start) = error(line, &mut gather)
    {
        own = start;
    }
    let mut past = 0;
    for at in memchr::memchr3_iter(b'=', b':', b'/', bytes) {
        if at < past {
            continue;
        }
        past = match bytes[at] {
            b'/' if at < own => request(line, at, &mut gather),
            b'/' => None,
            _ => pair(line, at, at < own, &mut gather),
        }
        .unwrap_or(past);
    }
    let finders = &*FINDERS;
    if gather.facts.duration.is_none() {
        spoken_duration(line, finders, &mut gather);
    }
    if let Some(found) = finders.call_code.find(bytes) {
        let start = found + " call with code ".len();
        if let Some(status) = grpc_code(&line[start..word_end(bytes, start)]) {
            gather.facts.status = Some(status);
        }
    }
    gather.finish();
}

/// Where a message goes on after the ids that some programs put in front of it:
/// `TraceID: 0af7… SpanID: b7ad… Request complete`.
pub(super) fn after_ids(line: &str) -> usize {
    let bytes = line.as_bytes();
    let mut at = skip_blanks(bytes, 0);
    loop {
        let name = bytes[at..]
            .iter()
            .take(24)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
            .count();
        let sign = at + name;
        if name < 2 || !matches!(bytes.get(sign), Some(b':' | b'=')) {
            return at;
        }
        let start = skip_blanks(bytes, sign + 1);
        let end = word_end(bytes, start);
        let value = line[start..end].trim_end_matches([',', ';']);
        let known = match meaning_in_text(&bytes[at..sign]) {
            Field::Trace => ids::trace_id(value).is_some(),
            Field::Span | Field::Parent => ids::span_id(value).is_some(),
            _ => false,
        };
        if !known {
            return at;
        }
        at = skip_blanks(bytes, end);
    }
}

/// The name of a line that is nothing but a request, as many development servers print it.
pub(super) fn request_line_format(text: &str, parsed: &Parsed) -> Option<FormatName> {
    let facts = &parsed.facts;
    let (Some(method), Some(_)) = (&facts.method, &facts.path) else {
        return None;
    };
    (facts.status.is_some() && text.trim_start().starts_with(&**method)).then_some("request-line")
}

/// A slash: is there a method before it? Then what follows is a path and perhaps how it went.
/// Returns where to go on.
#[inline]
fn request(line: &str, at: usize, gather: &mut Gather<'_>) -> Option<usize> {
    let bytes = line.as_bytes();
    if !matches!(
        at.checked_sub(1).map(|before| bytes[before]),
        Some(b' ' | b'"' | b'\'' | b'`' | b':')
    ) {
        return None;
    }
    request_at(line, at, gather)
}

fn request_at(line: &str, at: usize, gather: &mut Gather<'_>) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut end = at;
    while end > 0
        && at - end < 12
        && matches!(
            bytes[end - 1],
            b' ' | b'"' | b'\'' | b'`' | b':' | b']' | b')'
        )
    {
        end -= 1;
    }
    let start = end
        - bytes[..end]
            .iter()
            .rev()
            .take(8)
            .take_while(|byte| byte.is_ascii_uppercase())
            .count();
    if start > 0 && bytes[start - 1].is_ascii_alphanumeric() {
        return None;
    }
    let method = http_method(&line[start..end])?;
    let path_end = bytes[at..]
        .iter()
        .position(|byte| {
            byte.is_ascii_whitespace()
                || matches!(byte, b'"' | b'\'' | b'`' | b',' | b')' | b']' | b'>')
        })
        .map_or(bytes.len(), |offset| at + offset);
    let path = path_of(&line[at..path_end])?;
    let facts = &mut gather.facts;
    if facts.method.is_none() {
        facts.method = Some(method);
    }
    if facts.path.is_none() {
        facts.path = Some(path.trim_end_matches([':', ';', '.']).to_owned());
    }
    if facts.client.is_none() {
        let first = line[..word_end(bytes, 0)].trim_end_matches(':');
        if first.starts_with(|c: char| c.is_ascii_digit())
            && let Some(address) = client_address(first)
            && address.parse::<std::net::IpAddr>().is_ok()
        {
            facts.client = Some(address);
        }
    }
    outcome(line, path_end, gather);
    Some(path_end)
}

/// After a request: a status of three digits among the next words, then a duration with its unit.
fn outcome(line: &str, from: usize, gather: &mut Gather<'_>) {
    let bytes = line.as_bytes();
    let mut at = from;
    for _ in 0..8 {
        at = bytes[at..]
            .iter()
            .position(|byte| {
                !matches!(
                    byte,
                    b' ' | b'\t' | b'"' | b'\'' | b',' | b'(' | b'[' | b'|' | b':'
                )
            })
            .map_or(bytes.len(), |offset| at + offset);
        let end = bytes[at..]
            .iter()
            .position(|byte| {
                matches!(
                    byte,
                    b' ' | b'\t' | b'\n' | b'"' | b',' | b')' | b']' | b'|'
                )
            })
            .map_or(bytes.len(), |offset| at + offset);
        let word = &line[at..end];
        if word.is_empty() || word.contains('=') {
            return;
        }
        if bytes[at].is_ascii_digit() {
            if gather.facts.status.is_none()
                && word.len() == 3
                && let Some(status) = http_status(Scalar::Str(word))
            {
                gather.facts.status = Some(status);
            } else if let Some((duration, _)) = duration::scan(&bytes[at..]) {
                gather
                    .facts
                    .duration
                    .get_or_insert((duration, DurationOrigin::Written));
                return;
            }
        }
        at = end;
    }
}

/// `=` or `:`: a known name before it gives the value after it a meaning.
#[inline]
fn pair(line: &str, at: usize, own: bool, gather: &mut Gather<'_>) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut end = at;
    if end > 0 && matches!(bytes[end - 1], b' ' | b'"' | b'\'') {
        end -= 1;
    }
    let length = bytes[..end]
        .iter()
        .rev()
        .take(48)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        .count();
    if length < 2 {
        return None;
    }
    let name = &bytes[end - length..end];
    let mut start = at + 1;
    if bytes[at] == b':' {
        match bytes.get(start) {
            Some(b' ' | b'"' | b'0'..=b'9') => {}
            // `GET http://host/path`
            Some(b'/') if name.starts_with(b"http") => {
                return request_at(line, end - length, gather);
            }
            Some(byte) if byte.is_ascii_alphanumeric() && length >= 6 => {}
            _ => return None,
        }
    }
    let field = meaning_in_text(name);
    let id = matches!(
        field,
        Field::Trace | Field::Span | Field::Parent | Field::Request | Field::Correlation
    );
    if field == Field::Other || !(own || id) {
        return None;
    }
    start = skip_blanks(bytes, start);
    let quoted = matches!(bytes.get(start), Some(b'"' | b'\''));
    let value = if quoted {
        let close = closing_quote(bytes, start)?;
        line.get(start + 1..close)?
    } else {
        let close = bytes[start.min(bytes.len())..]
            .iter()
            .position(|byte| {
                byte.is_ascii_whitespace()
                    || matches!(
                        byte,
                        b',' | b';' | b')' | b']' | b'}' | b'"' | b'\'' | b'&' | b'|'
                    )
            })
            .map_or(bytes.len(), |offset| start + offset);
        line.get(start..close)?
    };
    let past = start + value.len() + usize::from(quoted);
    state(line, name, field, start, value, quoted, gather).then_some(past)
}

/// Takes over what a pair in running text says, more strictly than for a structured field.
fn state(
    line: &str,
    name: &[u8],
    field: Field,
    start: usize,
    value: &str,
    quoted: bool,
    gather: &mut Gather<'_>,
) -> bool {
    let scalar = Scalar::Str(value);
    match field {
        Field::Trace => match ids::trace_id(value) {
            Some(trace) => ids::set(gather.ids, Some(trace), None, None),
            None => false,
        },
        Field::Request | Field::Correlation => {
            value.len() >= 4
                && value.bytes().any(|byte| byte.is_ascii_digit())
                && gather.apply(field, scalar)
        }
        Field::Status if name.eq_ignore_ascii_case(b"code") => {
            let rpc = line[..start]
                .trim_end_matches([' ', '='])
                .ends_with("rpc error: code");
            match grpc_code(value) {
                Some(status) if rpc => {
                    gather.facts.status = Some(status);
                    true
                }
                _ => false,
            }
        }
        // `time: 0.25` is a duration only beside a request.
        Field::Time(_) if gather.facts.method.is_some() => {
            gather.apply(Field::Duration(None), scalar)
        }
        Field::Duration(_) | Field::DurationIn(_) => {
            // `took: 12 ms` has its unit in the next word.
            match duration::scan(&line.as_bytes()[start..]) {
                Some((written, _)) => {
                    gather
                        .facts
                        .duration
                        .get_or_insert((written, DurationOrigin::Written));
                    true
                }
                None => gather.apply(field, scalar),
            }
        }
        Field::RequestBytes | Field::ResponseBytes if gather.facts.method.is_none() => false,
        Field::ErrorMessage if !quoted => {
            let rest = line[start..].lines().next().unwrap_or_default().trim();
            let said = match line.as_bytes()[..start].trim_ascii_end().ends_with(b":") {
                true => rest,
                false => up_to_next_pair(rest),
            };
            // Go's gRPC: `rpc error: code = Unavailable desc = …`.
            let said = said
                .split_once("desc = ")
                .map_or(said, |(_, description)| description);
            said.len() > 3
                && !matches!(said, "null" | "none" | "None" | "false")
                && gather.apply(field, Scalar::Str(said))
        }
        Field::Client => {
            value.bytes().any(|byte| byte.is_ascii_digit())
                && value.bytes().all(|byte| {
                    byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'[' | b']')
                })
                && gather.apply(field, scalar)
        }
        Field::Service
        | Field::Message(_)
        | Field::Level
        | Field::SeverityNumber
        | Field::Time(_)
        | Field::StackTrace
        | Field::Other => false,
        // Words that mean a request's path only when a path follows; `apply` checks.
        _ => gather.apply(field, scalar),
    }
}

/// `Completed 200 OK in 31ms`, `took 1.2s`.
fn spoken_duration(line: &str, finders: &Finders, gather: &mut Gather<'_>) {
    let bytes = line.as_bytes();
    if let Some(found) = finders.within.find(bytes)
        && let Some((written, _)) = duration::scan(&bytes[found + 4..])
    {
        // `Completed 404 Not Found in 3ms`
        let mut words = line[..found].rsplit(' ').take(5);
        let last = words.clone().next().unwrap_or_default();
        let status = words.find_map(|word| match word.len() {
            3 => http_status(Scalar::Str(word)),
            _ => None,
        });
        if gather.facts.status.is_none() {
            gather.facts.status = status;
        }
        let done = [
            "served",
            "processed",
            "handled",
            "completed",
            "finished",
            "executed",
        ];
        let first = line.split(' ').next().unwrap_or_default();
        if status.is_some()
            || gather.facts.method.is_some()
            || last.ends_with("ed")
            || done.iter().any(|verb| first.eq_ignore_ascii_case(verb))
        {
            gather.facts.duration = Some((written, DurationOrigin::Written));
            return;
        }
    }
    if let Some(found) = finders.took.find(bytes)
        && let Some((written, _)) = duration::scan(&bytes[found + 5..])
    {
        gather.facts.duration = Some((written, DurationOrigin::Written));
    }
}

/// The name of an exception and what it says: `java.io.IOException: Broken pipe`.
/// Returns where it stands.
pub(super) fn error(line: &str, gather: &mut Gather<'_>) -> Option<usize> {
    let finders = &*FINDERS;
    let bytes = line.as_bytes();
    for (finder, length) in [(&finders.exception, 9), (&finders.error, 5)] {
        for found in finder.find_iter(bytes).take(8) {
            let mut end = found + length;
            // A nested class: `HttpServerErrorException$InternalServerError`.
            if bytes.get(end) == Some(&b'$') {
                end += 1 + bytes[end + 1..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric())
                    .count();
            }
            if bytes
                .get(end)
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            {
                continue;
            }
            let start = found
                - bytes[..found]
                    .iter()
                    .rev()
                    .take(200)
                    .take_while(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$')
                    })
                    .count();
            let name = &line[start..end];
            let simple = name.rsplit('.').next().unwrap_or(name);
            if simple.len() <= length || !simple.starts_with(|c: char| c.is_ascii_uppercase()) {
                continue;
            }
            gather.facts.error_type = Some(Name::from(name));
            if gather.facts.error_message.is_none()
                && let Some(said) = line[end..].strip_prefix(':')
            {
                let said = balanced(said.lines().next().unwrap_or_default().trim());
                if !said.is_empty() {
                    gather.facts.error_message = Some(said.to_owned());
                }
            }
            return Some(start);
        }
    }
    None
}

/// An unquoted value with blanks (Rust's `tracing`): everything before the next `name=`.
fn up_to_next_pair(text: &str) -> &str {
    let Some(equals) = text.find('=') else {
        return text;
    };
    match text[..equals].rfind(' ') {
        Some(blank) => text[..blank].trim_end(),
        None => text.split(' ').next().unwrap_or(text),
    }
}

/// Without the bracket that closes what the message, not the error's text, is in.
fn balanced(text: &str) -> &str {
    for (open, close) in [('[', ']'), ('(', ')'), ('{', '}')] {
        if let Some(inner) = text.strip_suffix(close)
            && !inner.contains(open)
        {
            return inner;
        }
    }
    text
}
