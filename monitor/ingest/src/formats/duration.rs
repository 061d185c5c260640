//! Durations and their units: written (`12ms`, `1m2.5s`), named (`latency_ms`), defined by the
//! format, or, failing all that, guessed from how large a stream's values are.

use std::time::Duration;

use monitor_core::DurationOrigin;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Unit {
    Nanos,
    Micros,
    Millis,
    Seconds,
    Minutes,
    Hours,
}

impl Unit {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Unit::Nanos => "ns",
            Unit::Micros => "us",
            Unit::Millis => "ms",
            Unit::Seconds => "s",
            Unit::Minutes => "min",
            Unit::Hours => "h",
        }
    }

    fn nanos(self) -> f64 {
        match self {
            Unit::Nanos => 1.0,
            Unit::Micros => 1e3,
            Unit::Millis => 1e6,
            Unit::Seconds => 1e9,
            Unit::Minutes => 60e9,
            Unit::Hours => 3600e9,
        }
    }

    /// `None` for negative, infinite and absurd values (more than a year).
    pub(super) fn duration(self, value: f64) -> Option<Duration> {
        let nanos = (value * self.nanos()).round();
        if !(0.0..=31_536_000e9).contains(&nanos) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by the range check above"
        )]
        let nanos = nanos as u64;
        Some(Duration::from_nanos(nanos))
    }

    /// The unit that a suffix of a value or of a name means, in lower case.
    pub(super) fn named(name: &[u8]) -> Option<Unit> {
        Some(match name {
            b"ns" | b"nano" | b"nanos" | b"nanosec" | b"nanoseconds" | b"nanosecond" => Unit::Nanos,
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" | b"usec" | b"usecs" | b"micro" | b"micros"
            | b"microsec" | b"microseconds" | b"microsecond" => Unit::Micros,
            b"ms" | b"msec" | b"msecs" | b"milli" | b"millis" | b"millisec" | b"milliseconds"
            | b"millisecond" => Unit::Millis,
            b"s" | b"sec" | b"secs" | b"second" | b"seconds" => Unit::Seconds,
            b"m" | b"min" | b"mins" | b"minute" | b"minutes" => Unit::Minutes,
            b"h" | b"hr" | b"hrs" | b"hour" | b"hours" => Unit::Hours,
            _ => return None,
        })
    }
}

/// Reads a number with its unit at the start of `bytes`: `12ms`, `12.5 ms`, `1m2.5s`, `1h3m`,
/// `1,234 ms`. Returns the duration and the offset after it. A number without a unit is refused.
pub(super) fn scan(bytes: &[u8]) -> Option<(Duration, usize)> {
    let mut at = 0;
    let mut total = Duration::ZERO;
    let mut parts = 0;
    while let Some((value, after_number)) = number(&bytes[at..]) {
        let mut unit_at = at + after_number;
        if parts == 0 && bytes.get(unit_at) == Some(&b' ') {
            unit_at += 1;
        }
        let length = unit_length(&bytes[unit_at..]);
        let mut lower = [0u8; 16];
        let Some(name) = bytes.get(unit_at..unit_at + length) else {
            break;
        };
        let Some(slot) = lower.get_mut(..length) else {
            break;
        };
        slot.copy_from_slice(name);
        slot.make_ascii_lowercase();
        let Some(unit) = Unit::named(slot) else { break };
        total = total.checked_add(unit.duration(value)?)?;
        at = unit_at + length;
        parts += 1;
        if parts == 4 || !bytes.get(at).is_some_and(u8::is_ascii_digit) {
            break;
        }
    }
    (parts > 0).then_some((total, at))
}

fn unit_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take(13)
        .take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, 0xc2 | 0xb5 | 0xce | 0xbc))
        .count()
}

/// A decimal number, with `,` as a thousands separator when three digits follow it.
pub(super) fn number(bytes: &[u8]) -> Option<(f64, usize)> {
    let mut value = 0f64;
    let mut end = 0;
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'0'..=b'9' => value = value * 10.0 + f64::from(byte - b'0'),
            b',' if end > 0
                && bytes[end + 1..].len() >= 3
                && bytes[end + 1..end + 4].iter().all(u8::is_ascii_digit)
                && !bytes.get(end + 4).is_some_and(u8::is_ascii_digit) => {}
            _ => break,
        }
        end += 1;
    }
    if end == 0 {
        return None;
    }
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end += 1;
        // The fraction is summed as an integer and scaled once, so that 12.3 is 12.3.
        let mut fraction = 0f64;
        let mut scale = 1f64;
        while let Some(byte @ b'0'..=b'9') = bytes.get(end) {
            if scale < 1e15 {
                fraction = fraction * 10.0 + f64::from(byte - b'0');
                scale *= 10.0;
            }
            end += 1;
        }
        value += fraction / scale;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let (exponent, count) = super::scan::digits(bytes, end + 1 + sign, 3);
        if count > 0 {
            let exponent = i32::try_from(exponent).ok()?;
            let negative = bytes.get(end + 1) == Some(&b'-');
            value *= 10f64.powi(if negative { -exponent } else { exponent });
            end += 1 + sign + count;
        }
    }
    Some((value, end))
}

/// `HH:MM:SS.fraction`, as .NET writes a `TimeSpan`.
pub(super) fn clock_span(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let hours: u64 = parts.next()?.parse().ok()?;
    let minutes: u64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    if parts.next().is_some() || hours > 10_000 || minutes > 59 || !(0.0..60.0).contains(&seconds) {
        return None;
    }
    Duration::from_secs(hours * 3600 + minutes * 60).checked_add(Unit::Seconds.duration(seconds)?)
}

/// How large the values of a stream's unit-less durations are.
///
/// Requests of real services take between about a tenth of a millisecond and ten seconds, most of
/// them 1 to 1000 ms. The unit is the one that puts the median of the stream there. A fraction is
/// a second piece of evidence: integers are rarely seconds, small fractions often are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Magnitude {
    /// Values by decimal order of magnitude: below 1, below 10, below 100, …
    decades: [u16; 14],
    /// Of these, how many had a fraction.
    fractional: u16,
    total: u16,
    /// The last unit used and how it was known, for showing.
    last: Option<(Unit, DurationOrigin)>,
}

/// Counts are halved here, so that a stream whose unit changes is believed again soon.
const REMEMBERED: u16 = 512;

impl Magnitude {
    pub(super) fn last(&self) -> Option<(Unit, DurationOrigin)> {
        self.last
    }

    /// Remembers that a unit was known without guessing.
    pub(super) fn known(&mut self, unit: Unit, origin: DurationOrigin) {
        self.last = Some((unit, origin));
    }

    /// Learns from one more value, and says what it means.
    pub(super) fn guess(&mut self, value: f64) -> Option<Duration> {
        if !value.is_finite() || value < 0.0 {
            return None;
        }
        if self.total >= REMEMBERED {
            for count in &mut self.decades {
                *count /= 2;
            }
            self.fractional /= 2;
            self.total = self.decades.iter().sum();
        }
        let mut decade = 0;
        let mut bound = 1.0;
        while value >= bound && decade < self.decades.len() - 1 {
            decade += 1;
            bound *= 10.0;
        }
        self.decades[decade] += 1;
        self.total += 1;
        if value.fract() != 0.0 {
            self.fractional += 1;
        }
        let unit = self.unit();
        self.last = Some((unit, DurationOrigin::Magnitude));
        unit.duration(value)
    }

    fn unit(&self) -> Unit {
        let mut below = 0;
        let median = self
            .decades
            .iter()
            .position(|count| {
                below += count;
                below * 2 >= self.total
            })
            .unwrap_or(0);
        let fractions = self.fractional * 2 >= self.total;
        match median {
            // 0.012, 3.5
            0 | 1 if fractions => Unit::Seconds,
            // 12.5; integers up to 9,999
            0..=4 => Unit::Millis,
            5 if fractions => Unit::Millis,
            // 10,000 to 999,999: as milliseconds they were minutes, as microseconds they are 10 ms
            // to a second
            5 | 6 => Unit::Micros,
            _ => Unit::Nanos,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_units() {
        for (text, millis) in [
            ("12ms", 12.0),
            ("12.5 ms", 12.5),
            ("1.2s", 1200.0),
            ("350µs", 0.35),
            ("1m2.5s", 62_500.0),
            ("1h0m3s", 3_603_000.0),
            ("1,234 ms", 1234.0),
            ("2 seconds", 2000.0),
            ("1.5e-3s", 1.5),
        ] {
            let (found, end) = scan(text.as_bytes()).unwrap();
            assert_eq!(found, Unit::Millis.duration(millis).unwrap(), "{text}");
            assert_eq!(end, text.len(), "{text}");
        }
        for text in ["12", "12 apples", "ms", "-3ms", ""] {
            assert_eq!(scan(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_time_span_is_a_duration() {
        assert_eq!(clock_span("00:00:01.25"), Some(Duration::from_millis(1250)));
        assert_eq!(clock_span("10:61:00"), None);
    }

    fn unit_of(values: impl IntoIterator<Item = f64>) -> Unit {
        let mut magnitude = Magnitude::default();
        for value in values {
            magnitude.guess(value);
        }
        magnitude.last().unwrap().0
    }

    #[test]
    fn the_stream_tells_its_unit() {
        assert_eq!(unit_of([0.012, 0.120, 1.5, 0.003]), Unit::Seconds);
        assert_eq!(unit_of([12.0, 7.0, 350.0, 2100.0]), Unit::Millis);
        assert_eq!(unit_of([12.417, 70.25, 350.1]), Unit::Millis);
        assert_eq!(
            unit_of([120_000.0, 70_250.0, 935_000.0, 250_000.0]),
            Unit::Micros
        );
        assert_eq!(
            unit_of([12_417_000.0, 1_250_000_000.0, 350_100_000.0]),
            Unit::Nanos
        );
    }

    #[test]
    fn a_changed_unit_is_believed_in_the_end() {
        let seconds = (0..2000).map(|i| 0.010 + f64::from(i % 7) / 1000.0);
        let millis = (0..2000).map(|i| f64::from(10 + i % 7));
        assert_eq!(unit_of(seconds.chain(millis)), Unit::Millis);
    }
}
