//! Access logs: Common and Combined with whatever is appended, and Envoy's.

use monitor_core::{CallStatus, DurationOrigin, FormatName, Name, Value};
use smallvec::SmallVec;

use super::aliases::{Field, meaning};
use super::attribute::{self, Key};
use super::duration::{self, Unit};
use super::facts::{Gather, Scalar, client_address, http_status};
use super::scan::{self, Fields, is_digits, is_hex};
use super::time::{self, Stamp};
use super::{Parsed, Stream, within};

/// Host names and users before the timestamp fit into this.
const BEFORE_TIME: usize = 300;

pub(super) fn parse(text: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let bytes = text.as_bytes();
    let head = &bytes[..bytes.len().min(BEFORE_TIME)];
    let Some(open) = memchr::memchr(b'[', head) else {
        return false;
    };
    let Some((stamp, length)) = time::scan(&bytes[open + 1..]) else {
        return false;
    };
    let close = open + 1 + length;
    if bytes.get(close..close + 3) != Some(b"] \"") {
        return false;
    }
    // A timestamp in front is a carrier's: syslog, or a header. What it carries comes later.
    if open > 0 && time::scan(bytes).is_some() {
        return false;
    }
    if open == 0 {
        envoy(text, close + 1, stamp, stream, parsed)
    } else {
        common(text, open, close + 1, stamp, stream, parsed)
    }
}

/// `host ident user [time] "request" status bytes …`, perhaps with the virtual host in front.
fn common(
    text: &str,
    open: usize,
    from: usize,
    stamp: Stamp,
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) -> bool {
    let before: SmallVec<[&str; 6]> = text[..open].split_ascii_whitespace().take(6).collect();
    let (host, user) = match before.as_slice() {
        [_, host, _, user] => (*host, Some(*user)),
        [host, _, user, ..] => (*host, Some(*user)),
        [host, ..] => (*host, None),
        [] => return false,
    };
    let rest = &text[from..];
    let mut fields = Fields::new(rest);
    let (Some(request), Some(status)) = (fields.next(), fields.next()) else {
        return false;
    };
    if !request.quoted
        || !(status.text == "-" || (status.text.len() == 3 && is_digits(status.text)))
    {
        return false;
    }
    let bytes = fields.clone().next().filter(|field| {
        !field.quoted && !field.bracketed && (field.text == "-" || is_digits(field.text))
    });
    if bytes.is_some() {
        fields.next();
    }
    let extras: SmallVec<[scan::Field<'_>; 16]> = fields.take(24).collect();
    parsed.timed(Some(stamp), stream.clock);
    let end = bytes.map_or(status.end, |field| field.end);
    parsed.message = within(from + request.start..from + end);
    parsed.facts.client = client_address(host);
    if before.len() == 4 {
        parsed.attributes.push((
            Name::from("server.address"),
            Value::Str(before[0].to_owned()),
        ));
    }
    if let Some(user) = user.filter(|user| *user != "-") {
        parsed
            .attributes
            .push((attribute::name(Key::User), Value::Str(user.to_owned())));
    }
    let mut gather = Gather::new(&mut parsed.facts, &mut parsed.ids, stream.durations);
    gather.request_line(request.text);
    gather.facts.status = http_status(Scalar::Str(status.text));
    gather.facts.response_bytes = bytes.and_then(|field| field.text.parse().ok());
    let (format, attributes) = appended(&extras, &mut gather);
    gather.finish();
    parsed.attributes.extend(attributes);
    parsed.format = Some(format);
    true
}

type Attributes = SmallVec<[(Name, Value); 4]>;

/// What is appended to the Common format: referer and user agent, then times, sizes, names of
/// upstreams and ids in any order.
fn appended(extras: &[scan::Field<'_>], gather: &mut Gather<'_>) -> (FormatName, Attributes) {
    let mut attributes = Attributes::new();
    let (combined, rest) = match extras {
        [referer, agent, rest @ ..] if referer.quoted && agent.quoted => {
            if !matches!(referer.text, "-" | "") {
                attributes.push((
                    attribute::name(Key::Referer),
                    Value::Str(referer.text.to_owned()),
                ));
            }
            gather.apply(Field::UserAgent, Scalar::Str(agent.text));
            (true, rest)
        }
        rest => (false, rest),
    };
    if rest.is_empty() {
        let format = if combined {
            "access-combined"
        } else {
            "access-common"
        };
        return (format, attributes);
    }
    let ingress = rest.iter().any(|field| field.bracketed);
    let mut integers = 0;
    let mut last_integer = None;
    for (index, field) in rest.iter().enumerate() {
        let text = field.text;
        if matches!(text, "" | "-") {
            continue;
        }
        if let Some((key, value)) = text.split_once('=') {
            let value = value.trim_matches('"');
            let meant = match key {
                // The spellings of the widespread nginx examples.
                "rt" => Field::DurationIn(Unit::Seconds),
                "uct" | "uht" | "urt" => Field::Other,
                _ => meaning(key),
            };
            if !gather.apply(meant, Scalar::Str(value)) && !matches!(value, "" | "-") {
                attributes.push((Name::from(key), Value::Str(value.to_owned())));
            }
        } else if field.bracketed {
            if !text.is_empty() {
                attributes.push((attribute::name(Key::Upstream), Value::Str(text.to_owned())));
            }
        } else if is_digits(text) {
            // ingress-nginx puts the request's length before its time.
            let time_follows = rest
                .get(index + 1)
                .is_some_and(|next| is_decimal(next.text));
            if time_follows && gather.facts.duration.is_none() {
                gather.facts.request_bytes = text.parse().ok();
            } else if text.len() < 16 {
                integers += 1;
                last_integer = Some((index, text));
            }
        } else if is_decimal(text) {
            // `$request_time`, `%T` with a fraction: seconds.
            if gather.facts.duration.is_none()
                && let Some((seconds, _)) = duration::number(text.as_bytes())
            {
                gather.number_duration(seconds, Some((Unit::Seconds, DurationOrigin::Format)));
            }
        } else if let Some((written, end)) = duration::scan(text.as_bytes())
            && end == text.len()
        {
            gather
                .facts
                .duration
                .get_or_insert((written, DurationOrigin::Written));
        } else if (text.len() == 32 && is_hex(text))
            || (text.len() == 36 && text.as_bytes()[8] == b'-')
        {
            gather.apply(Field::Request, Scalar::Str(text));
        } else if field.quoted && is_address(text) {
            // The forwarded-for header names the client behind the proxy that `host` is.
            gather.facts.client = client_address(text);
        } else {
            attributes.push((attribute::name(Key::Upstream), Value::Str(text.to_owned())));
        }
    }
    // One bare integer at the end is Apache's `%D` (µs) or someone's milliseconds.
    if gather.facts.duration.is_none()
        && integers == 1
        && let Some((index, text)) = last_integer
        && index + 1 == rest.len()
        && let Some((number, _)) = duration::number(text.as_bytes())
    {
        gather.number_duration(number, None);
    }
    let format = if ingress {
        "nginx-ingress"
    } else if rest.iter().any(|field| {
        field.text.ends_with("ms") && field.text.starts_with(|c: char| c.is_ascii_digit())
    }) {
        "traefik-access"
    } else if combined {
        "access-combined-timed"
    } else {
        "access-common-timed"
    };
    (format, attributes)
}

fn is_decimal(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(whole, fraction)| is_digits(whole) && is_digits(fraction))
}

fn is_address(text: &str) -> bool {
    let first = text.split(',').next().unwrap_or_default().trim();
    first.parse::<std::net::IpAddr>().is_ok()
}

/// `[start] "METHOD path PROTOCOL" code flags bytes bytes ms ms "for" "agent" "id" "authority"
/// "upstream"`; Istio has `details failure "…"` after the flags and its cluster at the end.
fn envoy(
    text: &str,
    from: usize,
    stamp: Stamp,
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) -> bool {
    let rest = &text[from..];
    let fields: SmallVec<[scan::Field<'_>; 24]> = Fields::new(rest).take(24).collect();
    let [request, code, flags, tail @ ..] = fields.as_slice() else {
        return false;
    };
    let flagged = flags.text == "-"
        || (!flags.quoted
            && flags
                .text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b','));
    if !request.quoted || !is_digits(code.text) || !flagged {
        return false;
    }
    let Some(numbers) = tail
        .iter()
        .position(|field| !field.quoted && is_digits(field.text))
    else {
        return false;
    };
    let details = tail.first().filter(|_| numbers > 0);
    let [received, sent, took, after @ ..] = &tail[numbers..] else {
        return false;
    };
    parsed.format = Some(if numbers > 0 {
        "istio-access"
    } else {
        "envoy-access"
    });
    parsed.timed(Some(stamp), stream.clock);
    parsed.message = within(from + request.start..from + took.end);
    let mut gather = Gather::new(&mut parsed.facts, &mut parsed.ids, stream.durations);
    gather.request_line(request.text);
    gather.facts.status = http_status(Scalar::Str(code.text)).or(Some(CallStatus::Failed(true)));
    gather.facts.request_bytes = received.text.parse().ok();
    gather.facts.response_bytes = sent.text.parse().ok();
    if let Some((millis, _)) = duration::number(took.text.as_bytes()) {
        gather.number_duration(millis, Some((Unit::Millis, DurationOrigin::Format)));
    }
    let quoted: SmallVec<[&str; 8]> = after
        .iter()
        .filter(|field| field.quoted)
        .map(|field| field.text)
        .collect();
    if let Some(client) = quoted.first() {
        gather.facts.client = client_address(client);
    }
    if let Some(agent) = quoted.get(1) {
        gather.apply(Field::UserAgent, Scalar::Str(agent));
    }
    if let Some(id) = quoted.get(2) {
        gather.apply(Field::Request, Scalar::Str(id));
    }
    let cluster = after.iter().find(|field| field.text.contains("bound|"));
    if let Some(cluster) = cluster {
        gather.apply(Field::Callee, Scalar::Str(cluster.text));
    }
    gather.finish();
    let named = [
        (Key::Flags, Some(flags.text)),
        (Key::Code, details.map(|field| field.text)),
        (Key::Host, quoted.get(3).copied()),
        (Key::Upstream, quoted.get(4).copied()),
    ];
    for (key, value) in named {
        if let Some(value) = value.filter(|value| !matches!(*value, "-" | "")) {
            parsed
                .attributes
                .push((attribute::name(key), Value::Str(value.to_owned())));
        }
    }
    true
}
