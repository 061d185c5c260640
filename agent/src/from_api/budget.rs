//! A shared allowance of bytes a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What may be taken at once after a pause.
const BURST: Duration = Duration::from_secs(1);

/// Bytes are paid for in the order in which they are asked for, so that no stream starves.
#[derive(Debug)]
pub struct Budget {
    bytes_per_second: f64,
    /// When all that was taken is paid for. Contended for the time of an addition.
    paid: Mutex<Instant>,
}

impl Budget {
    pub fn new(bytes_per_second: u32, now: Instant) -> Budget {
        Budget {
            bytes_per_second: f64::from(bytes_per_second.max(1)),
            paid: Mutex::new(now),
        }
    }

    /// Takes `bytes`; how long to wait before going on.
    pub fn take(&self, bytes: usize, now: Instant) -> Duration {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = (*paid).max(now);
        *paid = begin + cost;
        (*paid).duration_since(now).saturating_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_free_and_then_everything_is_paid_for() {
        let now = Instant::now();
        let budget = Budget::new(1_000, now);
        assert_eq!(budget.take(1_000, now), Duration::ZERO);
        assert_eq!(budget.take(500, now), Duration::from_millis(500));
        assert_eq!(budget.take(500, now), Duration::from_secs(1));
        let later = now + Duration::from_secs(10);
        assert_eq!(budget.take(1_000, later), Duration::ZERO);
    }
}
