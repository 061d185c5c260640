//! Times of day that come every day, in UTC.

use crate::clock::Moment;
use crate::topology::WindowSpec;

const DAY: i64 = 86_400 * 1_000_000_000;

/// The window that `now` is in, or the next: from when to when.
pub(super) fn next(window: &WindowSpec, now: Moment) -> (Moment, Moment) {
    let midnight = Moment(now.0 - now.0.rem_euclid(DAY));
    // One that began yesterday may go past midnight.
    let days = [-DAY, 0, DAY].map(|day| midnight.shifted(day) + window.at);
    let begins = days
        .into_iter()
        .find(|begins| *begins + window.lasts > now)
        .unwrap_or(days[2]);
    (begins, begins + window.lasts)
}

/// Whether it is now.
pub(super) fn open(window: &WindowSpec, now: Moment) -> bool {
    let (begins, ends) = next(window, now);
    begins <= now && now < ends
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_window_may_go_past_midnight() {
        let window = WindowSpec {
            at: Duration::from_secs(23 * 3600),
            lasts: Duration::from_secs(2 * 3600),
        };
        let at = |hour: i64| Moment::from_secs(20 * 86_400 + hour * 3600);
        assert!(!open(&window, at(22)));
        assert!(open(&window, at(23)) && open(&window, at(24)) && !open(&window, at(25)));
        assert_eq!(next(&window, at(1)), (at(23), at(25)));
        assert_eq!(next(&window, at(0)), (at(-1), at(1)));
    }
}
