//! Warnings with numbers in them: so much of so much. Two of them are a line.

use std::collections::BTreeMap;

use monitor_core::TemplateId;
use serde::{Deserialize, Serialize};

use super::{APART_SECS, BELIEVED_FOR, EMPTIED, FORGET_SECS, Filling, Source};
use crate::bucket::LogBucket;

/// Messages followed of one service.
const MAX_KNOWN: usize = 8;
/// Readings kept of one message: the first, the latest, and those between that are farthest apart.
const MAX_READINGS: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Warned(BTreeMap<TemplateId, Vec<(i64, f32)>>);

impl Warned {
    /// What was written in `second`; seconds ascend.
    pub(super) fn add(&mut self, second: i64, bucket: &LogBucket) {
        for (template, count) in &bucket.templates {
            let Some(share) = count.fullest() else {
                continue;
            };
            if self.0.len() >= MAX_KNOWN && !self.0.contains_key(template) {
                self.forget_oldest();
            }
            read(self.0.entry(*template).or_default(), second, share);
        }
    }

    fn forget_oldest(&mut self) {
        let latest = |readings: &Vec<(i64, f32)>| readings.last().map(|reading| reading.0);
        let oldest = self.0.iter().min_by_key(|(_, readings)| latest(readings));
        if let Some(template) = oldest.map(|(template, _)| *template) {
            self.0.remove(&template);
        }
    }

    /// What grows, as it looks at `now`. O(1): readings are few.
    pub(super) fn filling(&self, now: i64) -> impl Iterator<Item = Filling> {
        self.0.iter().filter_map(move |(template, readings)| {
            let filling = line(*template, readings)?;
            (now <= fresh_until(readings)?).then_some(filling)
        })
    }
}

/// Until when readings say how it is: what goes on growing is warned of again. Half as long again as
/// the longest wait so far; `None` of fewer than two.
fn fresh_until(readings: &[(i64, f32)]) -> Option<i64> {
    let waits = readings.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let waited = (3 * waits.max()? / 2).clamp(60, FORGET_SECS);
    Some(readings.last()?.0.saturating_add(waited))
}

fn read(readings: &mut Vec<(i64, f32)>, second: i64, share: f32) {
    if let Some((_, before)) = readings.last() {
        if share < before - EMPTIED {
            readings.clear();
        } else if readings.len() > 1 && second - readings[readings.len() - 2].0 < APART_SECS {
            // The latest replaces the one before, so that readings are apart.
            readings.pop();
        }
    }
    readings.push((second, share));
    if readings.len() > MAX_READINGS {
        let nearest = (1..readings.len() - 1)
            .min_by_key(|at| readings[at + 1].0 - readings[at - 1].0)
            .unwrap_or(1);
        readings.remove(nearest);
    }
}

/// The median of all pairs' slopes (Sen, "Estimates of the regression coefficient based on Kendall's
/// tau", JASA 63, 1968); `None` when it does not grow, or the readings are of one moment.
fn line(template: TemplateId, readings: &[(i64, f32)]) -> Option<Filling> {
    let (first, latest) = (*readings.first()?, *readings.last()?);
    if latest.0 - first.0 < APART_SECS {
        return None;
    }
    let mut slopes: Vec<f64> = Vec::new();
    for (at, a) in readings.iter().enumerate() {
        let later = readings[at + 1..]
            .iter()
            .filter(|b| b.0 - a.0 >= APART_SECS);
        slopes.extend(later.map(|b| f64::from(b.1 - a.1) / (b.0 - a.0) as f64));
    }
    slopes.sort_by(f64::total_cmp);
    let slope = *slopes.get(slopes.len() / 2)?;
    let left = f64::from(1.0 - latest.1).max(0.0);
    // Shares are rounded, and so is the second in which they were written.
    let (steepest, flattest) = (slopes.last()? * 1.1, slopes.first()? * 0.8);
    (slope > 0.0).then(|| Filling {
        source: Source::Warned(template),
        first: f64::from(first.1),
        latest: f64::from(latest.1),
        since: first.0,
        at: latest.0,
        readings: readings.len(),
        slope,
        full_in: left / slope,
        earliest: left / steepest,
        last: if flattest > 0.0 {
            left / flattest
        } else {
            f64::INFINITY
        },
        believed_for: BELIEVED_FOR * (latest.0 - first.0) as f64,
    })
}

#[cfg(test)]
mod tests {
    use monitor_core::Severity;

    use super::*;

    fn next(warned: &Warned, now: i64) -> Option<Filling> {
        warned.filling(now).next()
    }

    fn warn(warned: &mut Warned, second: i64, template: u64, share: f32) {
        let mut bucket = LogBucket::default();
        bucket.add(
            Some(Severity::Warn),
            Some(TemplateId(template)),
            None,
            Some(share),
            None,
        );
        warned.add(second, &bucket);
    }

    #[test]
    fn two_warnings_are_a_line_and_more_make_it_better() {
        let mut warned = Warned::default();
        warn(&mut warned, 1_000, 1, 0.7);
        assert_eq!(next(&warned, 1_000), None);
        warn(&mut warned, 1_100, 1, 0.8);
        let filling = next(&warned, 1_150).unwrap();
        assert!((filling.full_in - 200.0).abs() < 1.0, "{filling:?}");
        assert!(filling.earliest < filling.full_in && filling.full_in < filling.last);
        warn(&mut warned, 1_180, 1, 0.9);
        let filling = next(&warned, 1_180).unwrap();
        assert!((filling.full_in - 90.0).abs() < 12.0, "{filling:?}");
        assert_eq!(filling.readings, 3);
    }

    #[test]
    fn what_is_emptied_or_written_of_no_more_warned_no_more() {
        let mut warned = Warned::default();
        warn(&mut warned, 0, 1, 0.7);
        warn(&mut warned, 60, 1, 0.8);
        assert!(next(&warned, 60).is_some());
        assert_eq!(next(&warned, 60 + 91), None);
        warn(&mut warned, 120, 1, 0.4);
        assert_eq!(next(&warned, 120), None);
    }

    #[test]
    fn a_level_that_is_written_of_all_the_time_is_no_growth() {
        let mut warned = Warned::default();
        for second in 0..3_600 {
            warn(&mut warned, second, 1, 0.9);
        }
        assert_eq!(next(&warned, 3_600), None);
    }

    #[test]
    fn readings_of_hours_stay_few_and_far_apart() {
        let mut warned = Warned::default();
        for second in 0..36_000i32 {
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            warn(
                &mut warned,
                second.into(),
                1,
                0.5 + second as f32 / 100_000.0,
            );
        }
        let filling = next(&warned, 36_000).unwrap();
        assert_eq!(filling.readings, MAX_READINGS);
        assert_eq!(filling.since, 0);
        assert!((filling.full_in - 14_000.0).abs() < 200.0, "{filling:?}");
    }

    #[test]
    fn a_service_that_warns_of_ever_new_things_takes_bounded_memory() {
        let mut warned = Warned::default();
        for at in 0..1_000 {
            warn(&mut warned, at, at.unsigned_abs(), 0.5);
        }
        assert_eq!(warned.0.len(), MAX_KNOWN);
    }
}
