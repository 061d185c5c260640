//! Event time: nanoseconds since the Unix epoch.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in nanoseconds since 1970-01-01T00:00:00Z.
///
/// An `i64` of nanoseconds reaches from 1677 to 2262, which covers every timestamp a log can
/// honestly carry; arithmetic saturates at the ends rather than wrapping.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(i64);

/// A text that is not an RFC 3339 timestamp.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 time such as 2026-11-21T10:05:00Z")]
pub struct TimeError {
    text: String,
}

impl Time {
    pub const EPOCH: Time = Time(0);
    pub const MIN: Time = Time(i64::MIN);
    pub const MAX: Time = Time(i64::MAX);

    pub const fn from_nanos(nanos: i64) -> Time {
        Time(nanos)
    }

    pub const fn from_micros(micros: i64) -> Time {
        Time(micros.saturating_mul(1_000))
    }

    pub const fn from_millis(millis: i64) -> Time {
        Time(millis.saturating_mul(1_000_000))
    }

    pub const fn from_secs(secs: i64) -> Time {
        Time(secs.saturating_mul(1_000_000_000))
    }

    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    pub const fn as_micros(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole seconds, rounded towards the past.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0)).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// The start of the interval of length `step` (aligned to the epoch) that holds `self`.
    pub fn floor(self, step: Duration) -> Time {
        let step = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX).max(1);
        Time(self.0.div_euclid(step).saturating_mul(step))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        Time(
            self.0
                .saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, duration: Duration) -> Time {
        Time(
            self.0
                .saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

impl From<jiff::Timestamp> for Time {
    fn from(timestamp: jiff::Timestamp) -> Time {
        let nanos = timestamp.as_nanosecond();
        Time(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl From<Time> for jiff::Timestamp {
    fn from(time: Time) -> jiff::Timestamp {
        // Every i64 of nanoseconds lies inside jiff's range of years -9999 to 9999.
        jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC with as many fraction digits as are needed.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        jiff::Timestamp::from(*self).fmt(f)
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Time, TimeError> {
        text.parse::<jiff::Timestamp>()
            .map(Time::from)
            .map_err(|_| TimeError {
                text: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floor_is_aligned_to_the_epoch_also_before_it() {
        let step = Duration::from_secs(10);
        assert_eq!(Time::from_millis(12_345).floor(step), Time::from_secs(10));
        assert_eq!(Time::from_millis(-1).floor(step), Time::from_secs(-10));
    }

    proptest! {
        #[test]
        fn what_is_displayed_parses_back(nanos in any::<i64>()) {
            let time = Time::from_nanos(nanos);
            prop_assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
        }

        #[test]
        fn since_undoes_add(start in -1_000_000_000_000i64..1_000_000_000_000, ns in 0u64..1 << 50) {
            let start = Time::from_nanos(start);
            let duration = Duration::from_nanos(ns);
            prop_assert_eq!((start + duration).since(start), duration);
            prop_assert_eq!((start + duration) - duration, start);
        }
    }
}
