//! Trace, span and request ids in the spellings of the propagation formats.

use monitor_core::{Correlation, Name, SpanId, TraceId};

use super::scan::{is_digits, is_hex};

/// A trace id: 32 or 16 hex digits, a UUID, a decimal 64-bit number (Datadog), or Amazon's
/// `1-65f0a1b2-…`. `None` for anything else, zero included.
pub(super) fn trace_id(text: &str) -> Option<TraceId> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    match text.len() {
        32 => TraceId::new(hex(text.as_bytes())?),
        16 => {
            let mut bytes = [0; 16];
            bytes[8..].copy_from_slice(&hex::<8>(text.as_bytes())?);
            TraceId::new(bytes)
        }
        36 if text.as_bytes().get(8) == Some(&b'-') => text.replace('-', "").parse().ok(),
        35 if text.starts_with("1-") => text[2..].replace('-', "").parse().ok(),
        // A number that is not 16 or 32 digits can only be decimal.
        17..=20 if is_digits(text) => {
            let number: u64 = text.parse().ok()?;
            let mut bytes = [0; 16];
            bytes[8..].copy_from_slice(&number.to_be_bytes());
            TraceId::new(bytes)
        }
        // Jaeger drops leading zeros.
        13..=31 if is_hex(text) => format!("{text:0>32}").parse().ok(),
        _ => None,
    }
}

/// A span id: 16 hex digits (leading zeros may be missing) or a decimal 64-bit number.
pub(super) fn span_id(text: &str) -> Option<SpanId> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    match text.len() {
        16 => SpanId::new(hex(text.as_bytes())?),
        17..=20 if is_digits(text) => SpanId::new(text.parse::<u64>().ok()?.to_be_bytes()),
        8..=15 if is_hex(text) => format!("{text:0>16}").parse().ok(),
        _ => None,
    }
}

/// Decodes exactly `2 * N` hex digits. A table, because every traced line has 48 of them.
#[inline]
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut wrong = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        wrong |= high | low;
        *byte = high << 4 | (low & 15);
    }
    (wrong < 16).then_some(bytes)
}

/// The value of a hex digit; 255 for every other byte.
const NIBBLES: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Datadog writes both ids in decimal, whatever their length.
pub(super) fn datadog(text: &str) -> Option<u64> {
    if is_digits(text) && text.len() <= 20 {
        text.parse().ok().filter(|number| *number != 0)
    } else {
        None
    }
}

/// W3C Trace Context: `00-<trace>-<span>-01`.
pub(super) fn traceparent(text: &str, ids: &mut Correlation) -> bool {
    let mut parts = text.split('-');
    let (Some(version), Some(trace), Some(span)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if version.len() != 2 || trace.len() != 32 {
        return false;
    }
    set(ids, trace.parse().ok(), span.parse().ok(), None)
}

/// B3 single header: `<trace>-<span>[-<sampled>[-<parent>]]`.
pub(super) fn b3(text: &str, ids: &mut Correlation) -> bool {
    let mut parts = text.split('-');
    let (Some(trace), Some(span)) = (parts.next(), parts.next()) else {
        return false;
    };
    let parent = parts.nth(1).and_then(span_id);
    set(ids, trace_id(trace), span_id(span), parent)
}

/// Amazon: `Root=1-65f0a1b2-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1`.
pub(super) fn amazon(text: &str, ids: &mut Correlation) -> bool {
    let (mut trace, mut span) = (None, None);
    for part in text.split(';') {
        match part.trim().split_once('=') {
            Some(("Root" | "Self", value)) if trace.is_none() => trace = trace_id(value),
            Some(("Parent", value)) => span = span_id(value),
            _ => {}
        }
    }
    set(ids, trace, span, None)
}

/// Google: `<trace>/<span in decimal>;o=1`, and `projects/p/traces/<trace>` in log fields.
pub(super) fn google(text: &str, ids: &mut Correlation) -> bool {
    let text = match text.rsplit_once("/traces/") {
        Some((_, trace)) => trace,
        None => text,
    };
    let text = text.split(';').next().unwrap_or(text);
    let (trace, span) = match text.split_once('/') {
        Some((trace, span)) => (
            trace,
            datadog(span).and_then(|id| SpanId::new(id.to_be_bytes())),
        ),
        None => (text, None),
    };
    set(ids, trace_id(trace), span, None)
}

/// Jaeger: `<trace>:<span>:<parent>:<flags>`.
pub(super) fn jaeger(text: &str, ids: &mut Correlation) -> bool {
    let mut parts = text.split(':');
    let (Some(trace), Some(span)) = (parts.next(), parts.next()) else {
        return false;
    };
    let parent = parts.next().and_then(span_id);
    set(ids, trace_id(trace), span_id(span), parent)
}

/// Anything that calls itself a trace id. What is not one by its form still ties records
/// together, so it becomes the correlation id.
pub(super) fn any_trace(text: &str, ids: &mut Correlation) -> bool {
    if let Some(id) = trace_id(text) {
        return set(ids, Some(id), None, None);
    }
    if text.contains("/traces/") {
        return google(text, ids);
    }
    if text.starts_with("Root=") {
        return amazon(text, ids);
    }
    if text.len() >= 8 && ids.correlation_id.is_none() {
        ids.correlation_id = Some(Name::from(text));
        return true;
    }
    false
}

/// Fills in what is still missing; true when there was anything to fill in or confirm.
pub(super) fn set(
    ids: &mut Correlation,
    trace: Option<TraceId>,
    span: Option<SpanId>,
    parent: Option<SpanId>,
) -> bool {
    if ids.trace_id.is_none() {
        ids.trace_id = trace;
    }
    if ids.span_id.is_none() {
        ids.span_id = span;
    }
    if ids.parent_span_id.is_none() {
        ids.parent_span_id = parent;
    }
    trace.is_some() || span.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn check(read: fn(&str, &mut Correlation) -> bool, text: &str) {
        let mut ids = Correlation::default();
        assert!(read(text, &mut ids), "{text}");
        assert_eq!(ids.trace_id.unwrap().to_string(), TRACE, "{text}");
        assert_eq!(ids.span_id.unwrap().to_string(), SPAN, "{text}");
    }

    #[test]
    fn every_propagation_format_is_read() {
        check(traceparent, &format!("00-{TRACE}-{SPAN}-01"));
        check(b3, &format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"));
        check(
            amazon,
            &format!("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent={SPAN};Sampled=1"),
        );
        check(google, &format!("{TRACE}/13235353014750950193;o=1"));
        check(jaeger, &format!("{TRACE}:{SPAN}:0:1"));
    }

    #[test]
    fn a_foreign_trace_id_still_correlates() {
        let mut ids = Correlation::default();
        assert!(any_trace("4f2c.81.16950000000010001", &mut ids));
        assert_eq!(
            ids.correlation_id.as_deref(),
            Some("4f2c.81.16950000000010001")
        );
        assert_eq!(
            trace_id("1234567890123456789").unwrap().to_string(),
            "0000000000000000112210f47de98115"
        );
    }
}
