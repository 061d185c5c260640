//! Timestamps in any common layout, scanned without knowing which one it will be.
//!
//! The layout is told by the first bytes alone (how many digits, then which separator; or which
//! word), so a scan is one pass. What the text leaves open (date, year, zone) is filled in by
//! [`Stamp::resolve`].

mod layout;

use monitor_core::Time;

pub(super) use layout::scan;

use layout::fraction_nanos;

/// The earliest and latest time that a record is believed to have, in seconds: 1971 and 2200.
const EARLIEST: i64 = 31_536_000;
const LATEST: i64 = 7_258_118_400;
const DAY: i64 = 86_400;

/// What is known besides the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) carrier: Option<Time>,
    pub(super) received: Time,
}

/// A written timestamp, with what it did not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `None` for a time of day alone.
    date: Option<Date>,
    second_of_day: u32,
    nanos: u32,
    /// Seconds east of Greenwich.
    offset: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: Option<i32>,
    month: u32,
    day: u32,
}

impl Stamp {
    /// The instant, or `None` when the carrier knows better or the year is beyond belief.
    ///
    /// A text without a date or a zone leaves the instant open; when the carrier gave a time, that
    /// one is exact and is preferred. Otherwise the zone is UTC and the date is the one nearest to
    /// when we received the record.
    pub(super) fn resolve(self, clock: Clock) -> Option<Time> {
        let dated = matches!(self.date, Some(Date { year: Some(_), .. }));
        if clock.carrier.is_some() && !(dated && self.offset.is_some()) {
            return None;
        }
        let of_day = i64::from(self.second_of_day) - i64::from(self.offset.unwrap_or(0));
        let reference = clock.received.as_secs();
        let seconds = match self.date {
            Some(Date {
                year: Some(year),
                month,
                day,
            }) => days_from_civil(year, month, day) * DAY + of_day,
            Some(Date {
                year: None,
                month,
                day,
            }) => {
                let year = i32::try_from(1970 + reference.div_euclid(31_556_952)).ok()?;
                (year - 1..=year + 1)
                    .map(|year| days_from_civil(year, month, day) * DAY + of_day)
                    .min_by_key(|seconds| seconds.abs_diff(reference))?
            }
            None => {
                let today = reference.div_euclid(DAY);
                (today - 1..=today + 1)
                    .map(|day| day * DAY + of_day)
                    .min_by_key(|seconds| seconds.abs_diff(reference))?
            }
        };
        believable(seconds, self.nanos)
    }

    /// By how many seconds it is ahead of what the carrier gave. Its zone may be any that there is, so
    /// this is what is left of quarters of an hour, from −450 to 449.
    pub(super) fn ahead_of_carrier(self, clock: Clock) -> Option<i32> {
        const QUARTER: i64 = 900;
        let carrier = clock.carrier?;
        let of_day = i64::from(self.second_of_day) - carrier.as_secs();
        let left = (of_day + QUARTER / 2).rem_euclid(QUARTER) - QUARTER / 2;
        i32::try_from(left).ok()
    }

    /// A time that the text gave in seconds since the epoch.
    pub(super) fn from_epoch_seconds(seconds: i64) -> Option<Stamp> {
        let days = seconds.div_euclid(DAY);
        Some(Stamp {
            date: Some(civil_from_days(days)?),
            second_of_day: u32::try_from(seconds.rem_euclid(DAY)).ok()?,
            nanos: 0,
            offset: Some(0),
        })
    }

    fn with_date(self, date: Date) -> Option<Stamp> {
        let leap = date
            .year
            .is_none_or(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
        let days = match date.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (1..=days).contains(&date.day).then_some(Stamp {
            date: Some(date),
            ..self
        })
    }
}

fn believable(seconds: i64, nanos: u32) -> Option<Time> {
    (EARLIEST..LATEST)
        .contains(&seconds)
        .then(|| Time::from_nanos(seconds * 1_000_000_000 + i64::from(nanos)))
}

/// A number since the epoch whose magnitude tells its unit: seconds, milliseconds, microseconds or
/// nanoseconds. The four ranges cannot overlap within the years that are believed.
pub(super) fn from_epoch(number: i64) -> Option<Time> {
    let (seconds, nanos) = match number.unsigned_abs() {
        // 100,000,000 s is 1973; below that it is not a time but a count.
        0..100_000_000 => return None,
        100_000_000..100_000_000_000 => (number, 0),
        100_000_000_000..100_000_000_000_000 => (
            number.div_euclid(1_000),
            number.rem_euclid(1_000) * 1_000_000,
        ),
        100_000_000_000_000..100_000_000_000_000_000 => (
            number.div_euclid(1_000_000),
            number.rem_euclid(1_000_000) * 1_000,
        ),
        _ => (
            number.div_euclid(1_000_000_000),
            number.rem_euclid(1_000_000_000),
        ),
    };
    believable(seconds, u32::try_from(nanos).ok()?)
}

/// As [`from_epoch`], for numbers with a fraction (zap's `ts`): the fraction belongs to the unit.
pub(super) fn from_epoch_float(number: f64) -> Option<Time> {
    if !number.is_finite() || number.abs() >= 9e18 {
        return None;
    }
    let scale = match number.abs() {
        n if n < 1e8 => return None,
        n if n < 1e11 => 1e6,
        n if n < 1e14 => 1e3,
        n if n < 1e17 => 1.0,
        _ => 1e-3,
    };
    // A double holds a present-day time to about 0.2 µs: round to the microsecond.
    let micros = (number * scale).round();
    let seconds = (micros / 1e6).floor();
    if !(EARLIEST as f64..LATEST as f64).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the range check above"
    )]
    let micros = micros as i64;
    Some(Time::from_micros(micros))
}

/// A whole text that is a timestamp, an epoch number included.
pub(super) fn parse(text: &str, clock: Clock) -> Option<Time> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if let Some((stamp, end)) = scan(bytes)
        && end == bytes.len()
    {
        return stamp.resolve(clock);
    }
    if bytes.iter().all(u8::is_ascii_digit) {
        return from_epoch(text.parse().ok()?);
    }
    if let Some((seconds, fraction)) = text.split_once('.')
        && super::scan::is_digits(seconds)
        && super::scan::is_digits(fraction)
    {
        let whole = from_epoch(seconds.parse().ok()?)?;
        // A fraction of a millisecond and less is finer than anyone means it.
        let nanos = if seconds.len() <= 10 {
            fraction_nanos(fraction.as_bytes(), 0).0
        } else {
            0
        };
        return Some(whole + std::time::Duration::from_nanos(u64::from(nanos)));
    }
    None
}
/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> Option<Date> {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Some(Date {
        year: Some(i32::try_from(year).ok()?),
        month: u32::try_from(month).ok()?,
        day: u32::try_from(day_of_year - (153 * shifted_month + 2) / 5 + 1).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let clock = Clock {
            carrier: None,
            received: "2026-11-21T12:00:00Z".parse().unwrap(),
        };
        let found = parse(text, clock).map_or_else(|| "-".to_owned(), |time| time.to_string());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_layout_names_its_instant() {
        for (text, expected) in [
            ("2026-11-21T10:05:00Z", "2026-11-21T10:05:00Z"),
            (
                "2026-11-21T10:05:00.123456789+02:00",
                "2026-11-21T08:05:00.123456789Z",
            ),
            ("2026-11-21 10:05:00,123", "2026-11-21T10:05:00.123Z"),
            ("2026/11/21 10:05:00", "2026-11-21T10:05:00Z"),
            ("2026-11-21 10:05:00.1 -0530", "2026-11-21T15:35:00.1Z"),
            ("2026-11-21 10:05:00 CEST", "2026-11-21T08:05:00Z"),
            ("2026-11-21-10.05.00.675872", "2026-11-21T10:05:00.675872Z"),
            ("20261121-9:5:0:70", "2026-11-21T09:05:00.07Z"),
            ("20261121T100500Z", "2026-11-21T10:05:00Z"),
            ("261121 100500", "2026-11-21T10:05:00Z"),
            ("261121  9:05:00", "2026-11-21T09:05:00Z"),
            ("21/Nov/2026:10:05:00 +0100", "2026-11-21T09:05:00Z"),
            ("21 Nov 2026 10:05:00.123", "2026-11-21T10:05:00.123Z"),
            ("21-Nov-2026 10:05:00.123", "2026-11-21T10:05:00.123Z"),
            ("26/11/21 10:05:00", "2026-11-21T10:05:00Z"),
            ("11/21/2026 1:05:00 PM", "2026-11-21T13:05:00Z"),
            ("21/11/2026 10:05:00", "2026-11-21T10:05:00Z"),
            ("21.11.2026 10:05:00", "2026-11-21T10:05:00Z"),
            ("Nov 21 10:05:00", "2026-11-21T10:05:00Z"),
            ("Nov  1 10:05:00", "2026-11-01T10:05:00Z"),
            ("Nov 21, 2026 12:05:00 AM", "2026-11-21T00:05:00Z"),
            ("Sat Nov 21 10:05:00 2026", "2026-11-21T10:05:00Z"),
            (
                "Sat Nov 21 10:05:00.123456 2026",
                "2026-11-21T10:05:00.123456Z",
            ),
            ("Sat Nov 21 10:05:00 JST 2026", "2026-11-21T01:05:00Z"),
            ("Sat, 21 Nov 2026 10:05:00 GMT", "2026-11-21T10:05:00Z"),
            ("10:05:00.123", "2026-11-21T10:05:00.123Z"),
            ("23:59:59", "2026-11-21T23:59:59Z"),
            ("11-21 10:05:00.123", "2026-11-21T10:05:00.123Z"),
            ("12-31 10:05:00.123", "2026-12-31T10:05:00.123Z"),
            ("1795000000", "2026-11-18T11:06:40Z"),
            ("1795000000.25", "2026-11-18T11:06:40.25Z"),
            ("1795000000123", "2026-11-18T11:06:40.123Z"),
            ("1795000000123456", "2026-11-18T11:06:40.123456Z"),
            ("1795000000123456789", "2026-11-18T11:06:40.123456789Z"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn impossible_times_are_no_times() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2200-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-21T25:00:00Z",
            "12345",
            "2026-11-21",
            "",
        ] {
            check(text, "-");
        }
    }

    #[test]
    fn the_carrier_knows_better_than_a_text_without_zone() {
        let clock = Clock {
            carrier: Some(Time::from_secs(1_795_000_000)),
            received: Time::from_secs(1_795_000_001),
        };
        assert_eq!(parse("2026-11-21 10:05:00", clock), None);
        assert_eq!(parse("10:05:00", clock), None);
        assert!(parse("2026-11-21 10:05:00Z", clock).is_some());
    }

    #[test]
    fn a_text_without_zone_shows_how_far_its_clock_is_off() {
        let carrier = Time::from_secs(1_795_255_500);
        let clock = Clock {
            carrier: Some(carrier),
            received: carrier,
        };
        let ahead = |text: &str| {
            let (stamp, _) = scan(text.as_bytes()).expect("it is one");
            stamp.ahead_of_carrier(clock)
        };
        // The carrier's is 10:05:00 in UTC, and 15:35:00 in Kolkata.
        for (text, expected) in [
            ("2026-11-21 10:05:00", 0),
            ("2026-11-21 10:07:34", 154),
            ("2026-11-21 15:37:34", 154),
            ("10:02:07", -173),
        ] {
            assert_eq!(ahead(text), Some(expected), "{text}");
        }
    }
}
