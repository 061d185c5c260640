//! How long a container that ended waits before it starts again.

use std::time::Duration;

/// A container that ran for so long is forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10 * 60);

/// Doubling waits, as the kubelet has them: none after the first end, 10 s after the second, at
/// most 5 minutes.
#[derive(Clone, Debug)]
pub(super) struct BackOff {
    first: Duration,
    next: Option<Duration>,
}

/// Times the first wait; 5 minutes when that is 10 s.
const LONGEST: u32 = 30;

impl BackOff {
    pub(super) fn new(first: Duration) -> BackOff {
        BackOff { first, next: None }
    }

    /// The wait after an end; `ran` is how long the container had run.
    pub(super) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= FORGIVEN_AFTER {
            self.next = None;
        }
        let wait = self.next.unwrap_or_default();
        self.next = Some(if wait.is_zero() {
            self.first
        } else {
            (wait * 2).min(self.first * LONGEST)
        });
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_are_forgiven_after_a_long_run() {
        let mut back_off = BackOff::new(Duration::from_secs(10));
        let mut waits = |ran: u64| back_off.after(Duration::from_secs(ran)).as_secs();
        let short: Vec<u64> = (0..8).map(|_| waits(1)).collect();
        assert_eq!(short, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(waits(600), 0);
        assert_eq!(waits(1), 10);
    }
}
