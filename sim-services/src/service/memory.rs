//! A process' memory: what leaks, how a fuller heap slows work down, when the limit kills it.
//!
//! A copying collector's work per allocation grows as live/(heap − live) (Appel, "Garbage
//! collection can be faster than stack allocation", 1987), so requests slow down gently, then
//! suddenly. Decides only; time is an argument.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// Of the limit, what a healthy process uses.
const BASE: f64 = 0.3;
/// From this share of the limit on, the collector is felt.
pub(super) const FELT: f64 = 0.7;
/// Shares at which a process complains.
pub(super) const COMPLAINTS: [f64; 4] = [FELT, 0.8, 0.9, 0.95];

#[derive(Debug)]
pub(super) struct Memory {
    limit_mb: f64,
    leak: Mutex<Leak>,
}

#[derive(Debug)]
struct Leak {
    /// Leaked until `at`, in MB.
    lost: f64,
    at: Moment,
    /// In MB a second from then on.
    rate: f64,
}

impl Memory {
    pub(super) fn new(limit_mb: u64, now: Moment) -> Memory {
        Memory {
            // A topology says a few hundred.
            limit_mb: f64::from(u32::try_from(limit_mb).unwrap_or(u32::MAX)).max(1.0),
            leak: Mutex::new(Leak {
                lost: 0.0,
                at: now,
                rate: 0.0,
            }),
        }
    }

    pub(super) fn limit_mb(&self) -> f64 {
        self.limit_mb
    }

    /// From now on so many MB a second; with 0, what was lost is found again.
    pub(super) fn leak(&self, now: Moment, rate: f64) {
        let mut leak = self.leak.lock().unwrap_or_else(PoisonError::into_inner);
        leak.lost = if rate > 0.0 { leak.lost_at(now) } else { 0.0 };
        leak.at = now;
        leak.rate = rate.max(0.0);
    }

    /// Share of the limit in use.
    pub(super) fn share(&self, now: Moment) -> f64 {
        let leak = self.leak.lock().unwrap_or_else(PoisonError::into_inner);
        (BASE + leak.lost_at(now) / self.limit_mb).min(1.0)
    }

    /// When so much of the limit is in use; none when it does not grow.
    pub(super) fn reaches(&self, share: f64) -> Option<Moment> {
        let leak = self.leak.lock().unwrap_or_else(PoisonError::into_inner);
        if leak.rate <= 0.0 {
            return None;
        }
        let missing = ((share - BASE) * self.limit_mb - leak.lost).max(0.0);
        let wait = Duration::try_from_secs_f64(missing / leak.rate).ok()?;
        Some(leak.at + wait)
    }
}

impl Leak {
    fn lost_at(&self, now: Moment) -> f64 {
        self.lost + self.rate * now.since(self.at).as_secs_f64()
    }
}

/// How much collecting there is per unit of work, at `share` of the limit: 0 below [`FELT`], 0.4
/// at 80 %, 1.7 at 90 %, 10 at most.
pub(super) fn collecting(share: f64) -> f64 {
    let per_allocation = |share: f64| share / (1.0 - share).max(1e-3);
    (0.25 * (per_allocation(share) - per_allocation(FELT))).clamp(0.0, 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_reaches_the_limit_when_it_should() {
        let memory = Memory::new(500, Moment(0));
        assert_eq!(memory.reaches(1.0), None);
        memory.leak(Moment::from_secs(10), 5.0);
        // 350 MB are left.
        assert_eq!(memory.reaches(1.0), Some(Moment::from_secs(80)));
        memory.leak(Moment::from_secs(45), 17.5);
        assert_eq!(memory.reaches(1.0), Some(Moment::from_secs(55)));
        assert!((memory.share(Moment::from_secs(45)) - 0.65).abs() < 1e-9);
        memory.leak(Moment::from_secs(50), 0.0);
        assert!((memory.share(Moment::from_secs(60)) - BASE).abs() < 1e-9);
    }

    #[test]
    fn collecting_starts_at_seventy_percent_and_only_grows() {
        assert!(collecting(0.5).abs() < 1e-12 && collecting(FELT).abs() < 1e-12);
        assert!((collecting(0.9) - 1.67).abs() < 0.01);
        let shares: Vec<f64> = (70..=100)
            .map(|percent| collecting(f64::from(percent) / 100.0))
            .collect();
        assert!(shares.is_sorted());
        assert!((shares[30] - 10.0).abs() < 1e-9);
    }
}
