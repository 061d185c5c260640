//! What time it is on the platform; the only file here that reads a clock.
//!
//! Platform time is tokio's time set to a date, so that a paused runtime fast-forwards everything.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Nanoseconds since the Unix epoch, by the platform's true clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    pub fn from_secs(secs: i64) -> Moment {
        Moment(secs.saturating_mul(1_000_000_000))
    }

    /// Zero when `earlier` is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As a wrong clock shows it.
    pub fn shifted(self, nanos: i64) -> Moment {
        Moment(self.0.saturating_add(nanos))
    }

    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, length: Duration) -> Moment {
        self.shifted(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Sub<Duration> for Moment {
    type Output = Moment;

    fn sub(self, length: Duration) -> Moment {
        self.shifted(i64::try_from(length.as_nanos()).map_or(i64::MIN, |nanos| -nanos))
    }
}

/// RFC 3339.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

/// Tokio's time with a date. Copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    date: Moment,
    /// By how much timers come late, on average.
    lag: Duration,
}

impl Clock {
    /// It is now `date`. Must be called within a tokio runtime.
    pub fn starting_at(date: Moment) -> Clock {
        Clock {
            origin: Instant::now(),
            date,
            lag: Duration::ZERO,
        }
    }

    /// The machine's date. Its timers round up to a millisecond and then wait for a processor, so
    /// it takes some hundredths of a second to find out how late they are: see [`early`](Self::early).
    pub async fn wall() -> Clock {
        let lag = measured_lag().await;
        Clock {
            lag,
            ..Clock::wall_as_it_is()
        }
    }

    /// The machine's date.
    #[expect(clippy::disallowed_methods, reason = "this is the one file that may")]
    fn wall_as_it_is() -> Clock {
        let now = jiff::Timestamp::now().as_nanosecond();
        Clock::starting_at(Moment(i64::try_from(now).unwrap_or(i64::MAX)))
    }

    /// By how much timers come late, on average; nothing in virtual time.
    pub fn lag(&self) -> Duration {
        self.lag
    }

    /// What to ask a timer for that shall come at `instant`, on average.
    pub fn early(&self, instant: Instant) -> Instant {
        instant.checked_sub(self.lag).unwrap_or(instant)
    }

    pub fn now(&self) -> Moment {
        self.date + self.origin.elapsed()
    }

    /// When tokio's time reaches `moment`; at once when it has passed.
    pub fn instant(&self, moment: Moment) -> Instant {
        self.origin + moment.since(self.date)
    }
}

/// The median of many timers at once, of lengths that have nothing in common with the timers' ticks.
async fn measured_lag() -> Duration {
    let timers = (0..64_u64).map(|number| async move {
        let due = Instant::now() + Duration::from_micros(3_000 + number * 537);
        tokio::time::sleep_until(due).await;
        due.elapsed()
    });
    let mut late = futures::future::join_all(timers).await;
    late.sort();
    late[late.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_timers_are_late_by_a_tick_at_most_and_need_no_correction() {
        assert!(measured_lag().await <= Duration::from_millis(1));
        let clock = Clock::starting_at(Moment::from_secs(1));
        assert_eq!(clock.lag(), Duration::ZERO);
        let instant = Instant::now();
        assert_eq!(clock.early(instant), instant);
    }
}
