//! The only place in the agent that reads a clock.

use monitor_core::Time;

#[expect(clippy::disallowed_methods, reason = "this is the one file that may")]
pub(crate) fn now() -> Time {
    jiff::Timestamp::now().into()
}
