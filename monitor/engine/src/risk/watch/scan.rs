//! Looks for a trend towards a limit, over minutes, hours and days.

use monitor_detect::forecast::trend::{Arrival, Trend};

use super::lines::{Line, Lines, Statistic};
use crate::rollup::{Rollups, SeriesPoint, Step};

/// The latest points that a trend is sought in, each half as many again as the one before.
const LENGTHS: [usize; 7] = [5, 7, 11, 16, 24, 40, 60];
/// Of Mann's test: the chance of as clear an order by accident is below 1 %. What is above its usual
/// has been picked before, and has to be seen twice.
const CLEAR: f64 = 2.3;
/// A line has to fit so much better than a step.
const BETTER_THAN_STEP: f64 = 0.85;
/// It has to have risen by so much of the usual while it was seen, and be so far above it.
const RISEN: f64 = 0.15;
const ABOVE: f64 = 0.2;
/// Calls in a point, on average, before it says anything.
const CALLS: f64 = 3.0;

/// A trend that arrives.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) line: Line,
    pub(super) trend: Trend,
    pub(super) arrival: Arrival,
    clear: f64,
}

/// The clearest trend towards any of the limits. O(points²) for each length.
pub(super) fn scan(lines: &Lines, rollups: &Rollups, end: i64) -> Option<Candidate> {
    let mut best: Option<Candidate> = None;
    for (step, secs) in [
        (Step::TenSeconds, 10),
        (Step::Minute, 60),
        (Step::Hour, 3_600),
    ] {
        let points: Vec<SeriesPoint> = rollups
            .series(step)
            .into_iter()
            .filter(|point| point.start.as_secs() + secs <= end)
            .collect();
        let recent = points
            .last()
            .is_some_and(|last| last.start.as_secs() + 3 * secs > end);
        if !recent {
            continue;
        }
        for line in lines.iter() {
            #[expect(clippy::cast_precision_loss, reason = "seconds within a week")]
            let values: Vec<(f64, f64)> = points
                .iter()
                .map(|point| {
                    (
                        (point.start.as_secs() - end) as f64,
                        line.statistic.of(point),
                    )
                })
                .collect();
            for length in LENGTHS {
                let Some(from) = values.len().checked_sub(length) else {
                    break;
                };
                let calls: u64 = points[from..].iter().map(|point| point.calls).sum();
                let needed = CALLS.max(line.statistic.fewest_calls() as f64 / 2.0);
                if (calls as f64) < needed * length as f64 {
                    continue;
                }
                let Some(trend) = Trend::of(&values[from..]) else {
                    continue;
                };
                if let Some(found) = towards(line, trend, lines.noise())
                    && best.as_ref().is_none_or(|best| found.clear > best.clear)
                {
                    best = Some(found);
                }
            }
        }
    }
    best
}

/// Whether it is a trend, goes to the limit, and gets there while it is worth anything.
fn towards(line: &Line, trend: Trend, noise: f64) -> Option<Candidate> {
    let scale = match line.statistic {
        Statistic::Errors => line.limit - line.typical,
        _ => line.typical.max(1e-9),
    };
    let deviations = match line.statistic {
        Statistic::Errors => 0.0,
        _ => 2.5 * noise,
    };
    let above = (trend.now - line.typical) / scale;
    let is_trend = trend.slope > 0.0
        && trend.z >= CLEAR
        && trend.against_step <= BETTER_THAN_STEP
        && trend.slope * trend.span >= RISEN * scale
        && above >= ABOVE.max(deviations);
    let arrival = trend.reaches(line.limit).filter(|_| is_trend)?;
    (arrival.expected <= trend.believed_for()).then(|| Candidate {
        line: line.clone(),
        trend,
        arrival,
        clear: trend.slope / trend.slope_error.max(1e-12),
    })
}
