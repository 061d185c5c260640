//! How many replicas a service should have, as Kubernetes' HorizontalPodAutoscaler decides.
//!
//! Pure; the loop that asks and obeys is in `autoscaler`. The formula, the tolerance, the treatment
//! of replicas that are not ready and the stabilisation are those of
//! <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details>;
//! utilisation is the share of workers that are busy rather than of a requested processor.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;
use crate::topology::ScalingSpec;

/// A ratio this close to 1 changes nothing.
const TOLERANCE: f64 = 0.1;
/// For scaling down, the highest recommendation of this long counts.
const STABILISATION: Duration = Duration::from_secs(300);

/// What is seen of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Workers at work in all ready replicas together, on average since the last look.
    pub busy: f64,
    /// Of one replica.
    pub workers: u32,
    pub ready: u32,
    /// Decided on, but still starting.
    pub starting: u32,
}

/// Recommendations of one service's last five minutes.
#[derive(Debug, Default)]
pub(super) struct Scaler {
    recommended: VecDeque<(Moment, u32)>,
}

impl Scaler {
    /// How many replicas there should be now; `least` is what the topology says.
    pub(super) fn desired(
        &mut self,
        spec: &ScalingSpec,
        least: u32,
        seen: &Seen,
        now: Moment,
    ) -> u32 {
        let current = seen.ready + seen.starting;
        let raw = recommendation(spec, seen).clamp(least, spec.max_replicas.max(least));
        while let Some((at, _)) = self.recommended.front()
            && now.since(*at) > STABILISATION
        {
            self.recommended.pop_front();
        }
        self.recommended.push_back((now, raw));
        if raw >= current {
            return raw;
        }
        let highest = self.recommended.iter().map(|(_, replicas)| *replicas).max();
        highest.unwrap_or(raw).min(current)
    }
}

/// `ceil(current × utilisation ÷ target)`.
fn recommendation(spec: &ScalingSpec, seen: &Seen) -> u32 {
    let current = seen.ready + seen.starting;
    if seen.ready == 0 || seen.workers == 0 || spec.target_utilisation <= 0.0 {
        return current;
    }
    let ratio = |replicas: u32| {
        seen.busy / (f64::from(seen.workers) * f64::from(replicas)) / spec.target_utilisation
    };
    let mut by = ratio(seen.ready);
    if by > 1.0 && seen.starting > 0 {
        // Those that are starting are taken to do nothing, which dampens growth; if that turns the
        // direction, nothing is done.
        by = ratio(current);
        if by < 1.0 {
            return current;
        }
    }
    if (by - 1.0).abs() <= TOLERANCE {
        return current;
    }
    let counted = if by > 1.0 { current } else { seen.ready };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float's cast saturates, and the result is clamped"
    )]
    let desired = (f64::from(counted) * by).ceil() as u32;
    desired
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ScalingSpec {
        ScalingSpec {
            target_utilisation: 0.6,
            max_replicas: 6,
            every: Duration::from_secs(15),
            cold_start: Duration::from_secs(45),
        }
    }

    fn seen(busy: f64, ready: u32, starting: u32) -> Seen {
        Seen {
            busy,
            workers: 10,
            ready,
            starting,
        }
    }

    fn once(seen: Seen) -> u32 {
        Scaler::default().desired(&spec(), 2, &seen, Moment::from_secs(0))
    }

    #[test]
    fn the_formula_is_kubernetes() {
        // 18 of 20 busy at a target of 0.6: ceil(2 × 0.9 / 0.6).
        assert_eq!(once(seen(18.0, 2, 0)), 3);
        assert_eq!(once(seen(20.0, 2, 0)), 4);
        // Within the tolerance of a tenth.
        assert_eq!(once(seen(13.0, 2, 0)), 2);
        assert_eq!(once(seen(13.4, 2, 0)), 3);
        // Never more than the most, never fewer than the topology says.
        assert_eq!(once(seen(60.0, 6, 0)), 6);
        assert_eq!(once(seen(0.0, 2, 0)), 2);
        // One is starting: 20 / 30 / 0.6 = 1.11 of 3.
        assert_eq!(once(seen(20.0, 2, 1)), 4);
        assert_eq!(once(seen(16.0, 2, 1)), 3);
    }

    #[test]
    fn scaling_down_waits_for_five_quiet_minutes() {
        let mut scaler = Scaler::default();
        let mut at = |secs, seen: Seen| scaler.desired(&spec(), 2, &seen, Moment::from_secs(secs));
        assert_eq!(at(0, seen(20.0, 2, 0)), 4);
        for look in 1..=20 {
            assert_eq!(at(15 * look, seen(8.0, 4, 0)), 4, "look {look}");
        }
        assert_eq!(at(15 * 21, seen(8.0, 4, 0)), 2);
    }
}
