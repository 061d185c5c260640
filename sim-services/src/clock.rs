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
}

impl Clock {
    /// It is now `date`. Must be called within a tokio runtime.
    pub fn starting_at(date: Moment) -> Clock {
        Clock {
            origin: Instant::now(),
            date,
        }
    }

    /// The machine's date.
    #[expect(clippy::disallowed_methods, reason = "this is the one file that may")]
    pub fn wall() -> Clock {
        let now = jiff::Timestamp::now().as_nanosecond();
        Clock::starting_at(Moment(i64::try_from(now).unwrap_or(i64::MAX)))
    }

    pub fn now(&self) -> Moment {
        self.date + self.origin.elapsed()
    }

    /// When tokio's time reaches `moment`; at once when it has passed.
    pub fn instant(&self, moment: Moment) -> Instant {
        self.origin + moment.since(self.date)
    }
}
