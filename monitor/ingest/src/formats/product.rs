//! Headers that one family of programs writes and the general grammar would misread: klog, Redis,
//! Ruby, Gin, supercomputers.

use monitor_core::{FormatName, Severity, Value};

use super::attribute::{self, Key};
use super::scan::{closing, digits, is_digits, skip_blanks, word_end};
use super::time::Stamp;
use super::{Parsed, Stream, level, syslog, text, time, within};

/// What these headers say.
#[derive(Default)]
struct Head<'t> {
    stamp: Option<Stamp>,
    severity: Option<Severity>,
    attributes: [Option<(Key, &'t str)>; 3],
    /// Where the message begins.
    body: usize,
}

pub(super) fn parse(line: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let bytes = line.as_bytes();
    let Some(&first) = bytes.first() else {
        return false;
    };
    let found = match first {
        b'A'..=b'Z' => match bytes.get(1) {
            Some(b'0'..=b'9') => klog(line).map(|head| ("klog", head)),
            Some(b',') => ruby(line).map(|head| ("ruby-logger", head)),
            Some(b'/') => logcat_brief(line).map(|head| ("android-logcat", head)),
            _ => None,
        },
        b'[' if bytes.starts_with(b"[GIN") => return gin(line, stream, parsed),
        b'0'..=b'9' => redis(line)
            .map(|head| ("redis", head))
            .or_else(|| cluster_event(line, stream).map(|head| ("cluster-event", head))),
        _ => None,
    };
    let (format, head) = match found {
        Some(found) => found,
        None => return supercomputer(line, stream, parsed),
    };
    tell(line, format, head, stream, parsed);
    true
}

fn tell(
    line: &str,
    format: FormatName,
    head: Head<'_>,
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) {
    parsed.format = Some(format);
    parsed.timed(head.stamp, stream.clock);
    parsed.severity = head.severity;
    for (key, value) in head.attributes.into_iter().flatten() {
        if !value.is_empty() {
            parsed
                .attributes
                .push((attribute::name(key), Value::Str(value.to_owned())));
        }
    }
    let end = line.trim_ascii_end().len();
    let start = head.body.min(end);
    // Rails logs through Ruby's logger.
    if format == "ruby-logger"
        && let Some(body) = line.get(start..end)
    {
        let (time, severity) = (parsed.time, parsed.severity);
        if super::console::rails(body, stream, parsed) {
            parsed.time = time;
            parsed.severity = severity;
            super::shift(&mut parsed.message, start);
            return;
        }
    }
    parsed.message = within(start..end);
    text::facts(
        line.get(start..end).unwrap_or_default(),
        parsed,
        stream.durations,
    );
}

/// `I1121 10:00:00.123456    4711 server.go:42] message` (Kubernetes' klog, Google's glog).
fn klog(line: &str) -> Option<Head<'_>> {
    let bytes = line.as_bytes();
    let severity = level::letter(bytes[0])?;
    let (date, count) = digits(bytes, 1, 9);
    // glog's C++ library writes the year since 0.6.
    let (written, at) = match count {
        4 => (format!("{:02}-{:02} ", date / 100, date % 100), 5),
        8 => (
            format!(
                "{:04}-{:02}-{:02} ",
                date / 10_000,
                date / 100 % 100,
                date % 100
            ),
            9,
        ),
        _ => return None,
    };
    let end = word_end(bytes, at + 1);
    let whole = written + line.get(at + 1..end)?;
    let (stamp, length) = time::scan(whole.as_bytes())?;
    if length != whole.len() {
        return None;
    }
    let thread = skip_blanks(bytes, end);
    let source = skip_blanks(bytes, word_end(bytes, thread));
    let close = bytes
        .get(source..)?
        .iter()
        .take(200)
        .position(|byte| *byte == b']')
        .map(|offset| source + offset)?;
    Some(Head {
        stamp: Some(stamp),
        severity: Some(severity),
        attributes: [
            Some((Key::Thread, line.get(thread..word_end(bytes, thread))?)),
            Some((Key::Source, line.get(source..close)?)),
            None,
        ],
        body: skip_blanks(bytes, close + 1),
    })
}

/// `I, [2026-11-21T10:00:00.123456 #4711]  INFO -- app: message`
fn ruby(line: &str) -> Option<Head<'_>> {
    let bytes = line.as_bytes();
    let severity = level::letter(bytes[0])?;
    if bytes.get(2..4) != Some(b" [") {
        return None;
    }
    let (stamp, length) = time::scan(&bytes[4..])?;
    let close = closing(bytes, 3, 80)?;
    let pid = line.get(4 + length..close)?.trim().trim_start_matches('#');
    let dashes = line
        .get(close..)?
        .find(" -- ")
        .filter(|offset| *offset < 20)?
        + close
        + 4;
    let colon = line.get(dashes..)?.find(':')? + dashes;
    Some(Head {
        stamp: Some(stamp),
        severity: Some(severity),
        attributes: [
            Some((Key::Pid, pid)),
            Some((Key::Logger, line.get(dashes..colon)?.trim())),
            None,
        ],
        body: skip_blanks(bytes, colon + 1),
    })
}

/// `D/Tag( 4711): message`
fn logcat_brief(line: &str) -> Option<Head<'_>> {
    let bytes = line.as_bytes();
    let severity = level::letter(bytes[0])?;
    let open = bytes.iter().take(80).position(|byte| *byte == b'(')?;
    let close = closing(bytes, open, 16)?;
    if bytes.get(close + 1) != Some(&b':') {
        return None;
    }
    Some(Head {
        stamp: None,
        severity: Some(severity),
        attributes: [
            Some((Key::Logger, line.get(2..open)?.trim())),
            Some((Key::Pid, line.get(open + 1..close)?.trim())),
            None,
        ],
        body: skip_blanks(bytes, close + 2),
    })
}

/// `4711:M 21 Nov 2026 10:00:00.123 * message`: process, role, time and one sign for the level.
fn redis(line: &str) -> Option<Head<'_>> {
    let bytes = line.as_bytes();
    let (_, count) = digits(bytes, 0, 10);
    if bytes.get(count) != Some(&b':')
        || !matches!(bytes.get(count + 1), Some(b'M' | b'S' | b'C' | b'X'))
        || bytes.get(count + 2) != Some(&b' ')
    {
        return None;
    }
    let (stamp, length) = time::scan(bytes.get(count + 3..)?)?;
    let at = skip_blanks(bytes, count + 3 + length);
    let severity = match bytes.get(at)? {
        b'.' | b'-' => Severity::Debug,
        b'*' => Severity::Info,
        b'#' => Severity::Warn,
        _ => return None,
    };
    Some(Head {
        stamp: Some(stamp),
        severity: Some(severity),
        attributes: [Some((Key::Pid, line.get(..count)?)), None, None],
        body: skip_blanks(bytes, at + 1),
    })
}

/// `134681 node-246 unix.hw state_change.unavailable 1077804742 1 message`: an event number, a
/// node, a component and a state, then the time in seconds and a flag.
fn cluster_event<'t>(line: &'t str, stream: &Stream<'_>) -> Option<Head<'t>> {
    let bytes = line.as_bytes();
    if !matches!(bytes.get(digits(bytes, 0, 12).1), Some(b' ')) {
        return None;
    }
    let mut at = 0;
    let mut words = [""; 6];
    for word in &mut words {
        let end = word_end(bytes, at);
        *word = line.get(at..end)?;
        at = skip_blanks(bytes, end);
    }
    let [number, node, component, _, seconds, flag] = words;
    let named = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_digits(number)
        || !named(node)
        || !named(component)
        || !is_digits(flag)
        || !(9..=10).contains(&seconds.len())
    {
        return None;
    }
    time::parse(seconds, stream.clock)?;
    Some(Head {
        stamp: Stamp::from_epoch_seconds(seconds.parse().ok()?),
        severity: None,
        attributes: [
            Some((Key::Host, node)),
            Some((Key::Logger, component)),
            None,
        ],
        body: at,
    })
}

/// `[GIN] 2026/11/21 - 10:00:00 | 200 |  1.234ms |  10.0.0.7 | GET  "/path"`
fn gin(line: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    use super::facts::{Scalar, client_address, http_status};
    let mut columns = line.split('|').map(str::trim);
    let (Some(head), Some(status), Some(took), Some(client), Some(request)) = (
        columns.next(),
        columns.next(),
        columns.next(),
        columns.next(),
        columns.next(),
    ) else {
        return false;
    };
    let Some((_, when)) = head.split_once(']') else {
        return false;
    };
    let Some(status) = http_status(Scalar::Str(status)) else {
        return false;
    };
    parsed.format = Some("gin");
    parsed.time = time::parse(when, stream.clock);
    let request_at = line.len() - line.trim_end().len();
    let start = line.rfind(request).unwrap_or(0);
    parsed.message = within(start..(line.len() - request_at).max(start));
    parsed.facts.status = Some(status);
    parsed.facts.client = client_address(client);
    if let Some((took, _)) = super::duration::scan(took.as_bytes()) {
        parsed.facts.duration = Some((took, monitor_core::DurationOrigin::Written));
    }
    text::facts(request, parsed, stream.durations);
    true
}

/// `- 1117838570 2005.06.03 R02-M1-N0 2005-06-03-15.42.50.675872 R02-M1-N0 RAS KERNEL INFO
/// message` and `- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 crond[2915]: message`:
/// a tag, the time in seconds, the date, the node, then the node's own record.
fn supercomputer(line: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let bytes = line.as_bytes();
    let tag_end = word_end(bytes, 0);
    let epoch_end = word_end(bytes, tag_end + 1);
    if epoch_end - (tag_end + 1).min(epoch_end) != 10 {
        return false;
    }
    let (seconds, count) = digits(bytes, tag_end + 1, 11);
    let date_end = word_end(bytes, epoch_end + 1);
    let date = line.get(epoch_end + 1..date_end).unwrap_or_default();
    if count != 10 || date.len() != 10 || date.as_bytes()[4] != b'.' || date.as_bytes()[7] != b'.' {
        return false;
    }
    let node_end = word_end(bytes, date_end + 1);
    let (Some(node), Some(rest)) = (line.get(date_end + 1..node_end), line.get(node_end + 1..))
    else {
        return false;
    };
    let Some((_, length)) = time::scan(rest.as_bytes()) else {
        return false;
    };
    let stamp = i64::try_from(seconds)
        .ok()
        .and_then(Stamp::from_epoch_seconds);
    if rest.as_bytes()[0].is_ascii_alphabetic() {
        if !syslog::parse(rest, stream, parsed) {
            return false;
        }
        parsed.format = Some("cluster-syslog");
        parsed.timed(stamp, stream.clock);
        super::shift(&mut parsed.message, node_end + 1);
        return true;
    }
    // The node again, then its subsystem, component and level.
    let mut at = node_end + 1 + length;
    let mut words = [""; 4];
    for word in &mut words {
        at = skip_blanks(bytes, at);
        let end = word_end(bytes, at);
        *word = line.get(at..end).unwrap_or_default();
        at = end;
    }
    let Some(severity) = level::word(words[3].as_bytes()) else {
        return false;
    };
    let head = Head {
        stamp,
        severity: Some(severity),
        attributes: [Some((Key::Host, node)), Some((Key::Logger, words[2])), None],
        body: skip_blanks(bytes, at),
    };
    tell(line, "supercomputer-ras", head, stream, parsed);
    true
}
