//! Runs a future on time that jumps: whenever all tasks wait, the next timer is now.
//!
//! An hour of the platform takes as long as its computing does, and comes out the same each time.

use crate::clock::{Clock, Moment};

/// Drives the future that `make` returns to its end; it is `date` when it starts. All that it does
/// happens on this thread, so nothing in it may block.
///
/// # Errors
///
/// When the system refuses a runtime.
pub fn run_virtual<T>(date: Moment, make: impl AsyncFnOnce(Clock) -> T) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(runtime.block_on(async { make(Clock::starting_at(date)).await }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_day_passes_at_once() {
        let date = Moment::from_secs(1_000_000);
        let ended = run_virtual(date, async |clock| {
            tokio::time::sleep(Duration::from_secs(86_400)).await;
            clock.now()
        });
        assert_eq!(ended.unwrap(), date + Duration::from_secs(86_400));
    }
}
