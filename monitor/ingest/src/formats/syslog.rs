//! Syslog: RFC 5424, RFC 3164, and what daemons write to files without a priority.

use monitor_core::{Name, Value};

use super::aliases::meaning;
use super::attribute::{self, Key};
use super::fields::Collect;
use super::scan::{closing_quote, digits, is_digits, skip_blanks, word_end};
use super::{Parsed, Stream, level, shift, text, time, within};

pub(super) fn parse(line: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let bytes = line.as_bytes();
    if bytes.first() != Some(&b'<') {
        return daemon(line, 0, None, stream, parsed);
    }
    let (priority, count) = digits(bytes, 1, 3);
    // Facility 23, severity 7 is the highest.
    if count == 0 || priority > 191 || bytes.get(1 + count) != Some(&b'>') {
        return false;
    }
    let at = count + 2;
    if bytes.get(at..at + 2) == Some(b"1 ") && rfc5424(line, at + 2, priority, stream, parsed) {
        return true;
    }
    daemon(line, at, Some(priority), stream, parsed)
}

/// `time host app process id [data] message`, RFC 5424 section 6.
fn rfc5424(
    line: &str,
    from: usize,
    priority: u64,
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) -> bool {
    let bytes = line.as_bytes();
    let mut at = from;
    let mut words = [""; 5];
    for word in &mut words {
        let end = word_end(bytes, at);
        *word = line.get(at..end).unwrap_or_default();
        if word.is_empty() {
            return false;
        }
        at = skip_blanks(bytes, end);
    }
    let [when, host, app, process, kind] = words;
    parsed.format = Some("syslog-rfc5424");
    parsed.time = time::parse(when, stream.clock);
    let mut collect = Collect::new(line, stream, parsed, None);
    let mut start = at;
    if bytes.get(at) == Some(&b'-') {
        start += 1;
    }
    while bytes.get(start) == Some(&b'[') {
        let mut at = start + 1;
        while bytes
            .get(at)
            .is_some_and(|byte| !matches!(byte, b' ' | b']'))
        {
            at += 1;
        }
        while bytes.get(at) == Some(&b' ') {
            let name = at + 1;
            let Some(length) = bytes[name..].iter().take(64).position(|byte| *byte == b'=') else {
                break;
            };
            let equals = name + length;
            // A value may hold any character, a closing bracket included.
            let Some(close) = (bytes.get(equals + 1) == Some(&b'"'))
                .then(|| closing_quote(bytes, equals + 1))
                .flatten()
            else {
                break;
            };
            if let (Some(name), Some(value)) = (line.get(name..equals), line.get(equals + 2..close))
            {
                let value = super::logfmt::unescaped(value);
                collect.put(name, meaning(name), super::fields::scalar(&value));
            }
            at = close + 1;
        }
        if bytes.get(at) != Some(&b']') {
            break;
        }
        start = at + 1;
    }
    // A field of the structured data may be the message; the text after it is the better one.
    collect.finish();
    parsed.severity = Some(level::syslog(priority));
    named(host, app, process, kind, parsed);
    let start = skip_blanks(bytes, start).min(line.len());
    // RFC 5424 allows a byte order mark here.
    let start = start
        + if line[start..].starts_with('\u{feff}') {
            3
        } else {
            0
        };
    said(line, start, stream, parsed);
    true
}

fn named(host: &str, app: &str, process: &str, kind: &str, parsed: &mut Parsed) {
    if app != "-" && !app.is_empty() {
        // `sshd(pam_unix)` is sshd, speaking through a module.
        let name = app
            .split('(')
            .next()
            .filter(|name| !name.is_empty())
            .unwrap_or(app);
        parsed.service.get_or_insert_with(|| Name::from(name));
    }
    for (key, value) in [(Key::Host, host), (Key::Pid, process), (Key::Code, kind)] {
        if !matches!(value, "-" | "") {
            parsed
                .attributes
                .push((attribute::name(key), Value::Str(value.to_owned())));
        }
    }
}

/// `time host tag[process]: message`, RFC 3164 section 4.1 and the files of syslog daemons.
fn daemon(
    line: &str,
    from: usize,
    priority: Option<u64>,
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) -> bool {
    let bytes = line.as_bytes();
    let Some((stamp, length)) = bytes.get(from..).and_then(time::scan) else {
        return false;
    };
    // Without a priority only the month's name or rsyslog's ISO form tell that it is syslog.
    if priority.is_none()
        && !bytes[from].is_ascii_alphabetic()
        && bytes.get(from + 10) != Some(&b'T')
    {
        return false;
    }
    let host_start = skip_blanks(bytes, from + length);
    let host_end = word_end(bytes, host_start);
    if host_start == from + length || host_end == host_start {
        return false;
    }
    let mut host = line.get(host_start..host_end).unwrap_or_default();
    let mut tag_start = skip_blanks(bytes, host_end);
    if host.ends_with(':') {
        // No host: BSD's local form.
        tag_start = host_start;
        host = "";
    } else if !host.bytes().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'@' | b'#')
    }) {
        return false;
    }
    if bytes[tag_start..].starts_with(b"-- ") {
        // login(1) writes its name as `-- root`.
        tag_start += 3;
    }
    // A daemon's own remark on its stream has no tag.
    let rest = line.get(tag_start..).unwrap_or_default();
    let remark = rest.starts_with("--- last message") || rest.starts_with("last message repeated");
    let (tag, process, start) = match tag(line, tag_start) {
        Some(found) => found,
        None if remark => ("", "", tag_start),
        None => return false,
    };
    parsed.format = Some("syslog-rfc3164");
    parsed.timed(Some(stamp), stream.clock);
    parsed.severity = priority.map(level::syslog);
    named(host, tag, process, "", parsed);
    said(line, skip_blanks(bytes, start), stream, parsed);
    true
}

/// `sshd[4711]:`, `sshd(pam_unix)[19939]:`, `kernel:`; the name, the process and where it ends.
fn tag(line: &str, at: usize) -> Option<(&str, &str, usize)> {
    let bytes = line.as_bytes();
    let end = bytes
        .get(at..)?
        .iter()
        .take(120)
        .position(|byte| matches!(byte, b':' | b'[' | b' ' | b'\t'))
        .map(|offset| at + offset)?;
    if end == at {
        return None;
    }
    let name = line.get(at..end)?;
    match bytes[end] {
        b':' if matches!(bytes.get(end + 1), None | Some(b' ' | b'\t')) => {
            Some((name, "", end + 1))
        }
        b'[' => {
            let close = super::scan::closing(bytes, end, 40)?;
            let process = line.get(end + 1..close)?;
            // macOS writes `name[12] (parent[1]): text` too.
            match bytes.get(close + 1) {
                Some(b':') => Some((name, process, close + 2)),
                Some(b' ') if is_digits(process) => {
                    let next = close + 2;
                    if bytes.get(next) == Some(&b'(') {
                        let parent = super::scan::closing(bytes, next, 160)?;
                        return (bytes.get(parent + 1) == Some(&b':')).then_some((
                            name,
                            process,
                            parent + 2,
                        ));
                    }
                    None
                }
                _ => None,
            }
        }
        // `com.apple.xpc.launchd (com.apple.x[123]): text` has a blank before its parenthesis.
        b' ' if bytes.get(end + 1) == Some(&b'(') => {
            let parent = super::scan::closing(bytes, end + 1, 160)?;
            (bytes.get(parent + 1) == Some(&b':')).then_some((name, "", parent + 2))
        }
        _ => None,
    }
}

/// The message, which is often a record in a format of its own: its layout tells more, and its
/// facts are taken, but the record stays syslog unless the inner one names a product.
fn said(line: &str, start: usize, stream: &mut Stream<'_>, parsed: &mut Parsed) {
    let start = start.min(line.len());
    let inner = &line[start..];
    let inner = inner
        .strip_prefix("@cee: ")
        .or(inner.strip_prefix("@cee:"))
        .unwrap_or(inner);
    let start = line.len() - inner.len();
    let (format, time, severity) = (parsed.format, parsed.time, parsed.severity);
    if stream.nested(inner, parsed) {
        parsed.time = parsed.time.or(time);
        parsed.severity = parsed.severity.or(severity);
        if matches!(
            parsed.format,
            Some("timestamp-text" | "level-text" | "timestamp-level")
        ) {
            parsed.format = format;
        }
        if parsed.format == format && parsed.severity.is_some() && !inner.starts_with('{') {
            // `warning: …` is a severity, but it is also the message's first word.
            parsed.message = within(0..inner.trim_ascii_end().len());
        }
        shift(&mut parsed.message, start);
        return;
    }
    parsed.unrecognised = None;
    parsed.message = within(start..line.trim_ascii_end().len().max(start));
    text::facts(inner, parsed, stream.durations);
}
