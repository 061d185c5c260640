//! A clock that can be set to the past, and catches up.

use std::sync::atomic::{AtomicI64, Ordering};

use monitor::clock::SystemClock;
use monitor_core::Time;
use monitor_serve::Clock;

/// The machine's clock, but for the time in which a history is fed.
#[derive(Debug)]
pub(crate) struct WarpClock {
    /// Nanoseconds since the epoch; [`PRESENT`] is the machine's.
    at: AtomicI64,
}

const PRESENT: i64 = i64::MAX;

impl WarpClock {
    pub(crate) fn set_to(at: Time) -> WarpClock {
        WarpClock {
            at: AtomicI64::new(at.as_nanos()),
        }
    }

    /// Forward only: a monitor's clock does not go back.
    pub(crate) fn advance(&self, to: Time) {
        self.at.fetch_max(to.as_nanos(), Ordering::AcqRel);
    }

    /// The machine's, from now on. It must have come to where this clock is.
    pub(crate) fn join_the_present(&self) {
        self.at.store(PRESENT, Ordering::Release);
    }
}

impl Clock for WarpClock {
    fn now(&self) -> Time {
        match self.at.load(Ordering::Acquire) {
            PRESENT => SystemClock.now(),
            at => Time::from_nanos(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_goes_forward_until_it_is_the_present() {
        let clock = WarpClock::set_to(Time::from_secs(1_000));
        clock.advance(Time::from_secs(1_010));
        clock.advance(Time::from_secs(1_005));
        assert_eq!(clock.now(), Time::from_secs(1_010));
        clock.join_the_present();
        assert!(clock.now() > Time::from_secs(1_700_000_000));
    }
}
