//! Values as people write them in queries: durations, times, numbers.

use std::ops::Range;
use std::time::Duration;

use jiff::civil;
use jiff::tz::TimeZone;
use monitor_core::Time;

/// `250ms`, `1.5s`, `2m`; a bare number is milliseconds. In nanoseconds.
pub(super) fn duration_nanos(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" | "" => 1e6,
        "s" | "sec" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        _ => return None,
    };
    // Saturates.
    Some((number * unit).round() as u64)
}

/// The stretch of time that a text names: a day for `2026-01-31`, a minute for
/// `2026-01-31T10:05`, an instant for a full RFC 3339 timestamp. UTC unless the text says.
pub(super) fn time_span(text: &str) -> Option<Range<Time>> {
    let text = text.trim();
    let from_civil = |start: civil::DateTime, length: Duration| {
        let start = Time::from(start.to_zoned(TimeZone::UTC).ok()?.timestamp());
        Some(start..start + length)
    };
    if let Ok(time) = text.parse::<Time>() {
        let has_fraction = text.contains('.');
        let length = if has_fraction { 1 } else { 1_000_000_000 };
        return Some(time..time + Duration::from_nanos(length));
    }
    let has_zone = text.ends_with('Z');
    let text = text.trim_end_matches('Z');
    match text.len() {
        10 if !has_zone => from_civil(
            text.parse::<civil::Date>()
                .ok()?
                .to_datetime(civil::Time::midnight()),
            Duration::from_secs(24 * 3600),
        ),
        16 => from_civil(format!("{text}:00").parse().ok()?, Duration::from_secs(60)),
        19 => from_civil(text.parse().ok()?, Duration::from_secs(1)),
        _ if text.contains('.') => from_civil(text.parse().ok()?, Duration::from_nanos(1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let cases = [
            ("250ms", Some(250_000_000)),
            ("250", Some(250_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("3µs", Some(3_000)),
            ("2m", Some(120_000_000_000)),
            ("fast", None),
            ("5 parsecs", None),
        ];
        for (text, nanos) in cases {
            assert_eq!(duration_nanos(text), nanos, "{text}");
        }
    }

    #[test]
    fn times_are_as_long_as_they_are_vague() {
        let check = |text: &str, seconds: u64| {
            let span = time_span(text).unwrap();
            assert_eq!(
                span.end.since(span.start),
                Duration::from_secs(seconds),
                "{text}"
            );
            assert!(span.start.to_string().starts_with("2026-01-31T"), "{text}");
        };
        check("2026-01-31", 86_400);
        check("2026-01-31T10:05", 60);
        check("2026-01-31T10:05:07", 1);
        check("2026-01-31T10:05:07Z", 1);
        assert_eq!(time_span("yesterday"), None);
    }
}
