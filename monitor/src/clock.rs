//! The only place in the monitor that reads a clock.

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
