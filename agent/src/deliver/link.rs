//! When the next attempt is due: at once after a success, later and later after failures.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A monitor that asks for more has its reasons, but a typing error should not end deliveries.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
pub struct Link {
    failures: u32,
    due: Instant,
    /// Between 0.5 and 1: agents that lost their monitor together should not come back together.
    spread: f64,
}

impl Link {
    /// `spread` between 0 and 1, different on each node.
    pub fn new(now: Instant, spread: f64) -> Link {
        Link {
            failures: 0,
            due: now,
            spread: 0.5 + spread.clamp(0.0, 1.0) / 2.0,
        }
    }

    pub fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn taken(&mut self) {
        self.failures = 0;
    }

    /// `true` for the first failure in a row.
    pub(super) fn failed(&mut self, retry_after: Option<Duration>, now: Instant) -> bool {
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.min(10));
        let wait = doubled.min(LONGEST_WAIT).mul_f64(self.spread);
        let wait = match retry_after {
            Some(asked) => asked.min(LONGEST_ASKED).max(wait.min(FIRST_WAIT)),
            None => wait,
        };
        self.due = now + wait;
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_a_success_forgets_them() {
        let now = Instant::now();
        let mut link = Link::new(now, 1.0);
        let waits: Vec<u128> = (0..9)
            .map(|_| {
                link.failed(None, now);
                (link.due() - now).as_millis()
            })
            .collect();
        assert_eq!(
            waits,
            [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
        );
        link.taken();
        assert!(link.failed(None, now));
        assert_eq!((link.due() - now).as_millis(), 250);
    }

    #[test]
    fn what_the_monitor_asks_for_is_kept_within_reason() {
        let now = Instant::now();
        let mut link = Link::new(now, 0.0);
        link.failed(Some(Duration::from_secs(7)), now);
        assert_eq!((link.due() - now).as_secs(), 7);
        link.failed(Some(Duration::from_secs(1_000_000)), now);
        assert_eq!((link.due() - now).as_secs(), 300);
        link.failed(Some(Duration::ZERO), now);
        assert!(link.due() > now, "a monitor cannot ask for a hot loop");
    }
}
