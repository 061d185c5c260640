//! Where a moment is in the picture.

use crate::clock::Moment;
use crate::truth::Timeline;

/// From when to when it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) from: Moment,
    pub(super) to: Moment,
}

impl Axis {
    /// Of a long learning time only the end shows: nothing is judged in it.
    pub(super) fn of(timeline: &Timeline) -> Axis {
        let some = timeline.ended.since(timeline.judged_from) / 20;
        Axis {
            from: timeline.started.max(timeline.judged_from - some),
            to: timeline.ended,
        }
    }

    /// In percent.
    pub(super) fn x(&self, at: Moment) -> f64 {
        let all = self.to.since(self.from).as_secs_f64();
        if all > 0.0 {
            (at.since(self.from).as_secs_f64() / all * 100.0).min(100.0)
        } else {
            0.0
        }
    }

    /// Full seconds, minutes or hours, some six of them.
    pub(super) fn ticks(&self) -> Vec<Moment> {
        const STEPS: [i64; 14] = [
            1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400,
        ];
        let secs = i64::try_from(self.to.since(self.from).as_secs()).unwrap_or(i64::MAX);
        let step = STEPS
            .into_iter()
            .find(|step| secs / step <= 8)
            .unwrap_or(secs / 8);
        let first = self.from.0.div_euclid(1_000_000_000) / step + 1;
        (first..first.saturating_add(9))
            .map(|tick| Moment::from_secs(tick.saturating_mul(step)))
            .take_while(|&tick| tick < self.to)
            .collect()
    }
}
