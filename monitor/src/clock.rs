//! The only place in the monitor that reads a clock.

use std::time::Duration;

use monitor_core::Time;
use monitor_serve::Clock;

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one file that may")]
    fn now(&self) -> Time {
        jiff::Timestamp::now().into()
    }
}

/// Whether what is done `every` so often, and was last done at `last`, is due. A clock that was set
/// back says nothing of how long ago that was, and must not put things off until it has caught up.
pub(crate) fn is_due(now: Time, last: Time, every: Duration) -> bool {
    now < last || now.since(last) >= every
}
