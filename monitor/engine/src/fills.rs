//! What fills up, by a service's own warnings.
//!
//! A leak of memory slows requests down only in its last minutes, but processes warn of it long
//! before, with numbers: so much of so much. Two of them are a line. Called by the service's track;
//! [`crate::risk`] says when it is full.

use std::collections::BTreeMap;

use monitor_core::TemplateId;
use serde::{Deserialize, Serialize};

use crate::bucket::LogBucket;

/// Messages followed of one service.
const MAX_KNOWN: usize = 8;
/// Readings kept of one message: the first, the latest, and those between that are farthest apart.
const MAX_READINGS: usize = 8;
/// Readings nearer to each other say nothing of how fast it grows.
const APART_SECS: i64 = 10;
/// By so much less than it was, it has been emptied.
const EMPTIED: f32 = 0.05;
/// Growth that has not been written of for so many times the longest wait so far has ended …
const WAITS: i64 = 3;
/// … or for so long.
const FORGET_SECS: i64 = 6 * 3_600;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fills(BTreeMap<TemplateId, Vec<(i64, f32)>>);

/// Something that grows towards its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Filling {
    pub(crate) template: TemplateId,
    /// Shares of what there is: at the first reading, and at the latest.
    pub(crate) first: f64,
    pub(crate) latest: f64,
    /// Of the first and of the latest reading, in seconds.
    pub(crate) since: i64,
    pub(crate) at: i64,
    pub(crate) readings: usize,
    /// Of what there is, a second.
    pub(crate) slope: f64,
    /// Seconds after the latest reading at which it is full: by the median of the slopes between
    /// readings, by the steepest, and by the flattest.
    pub(crate) full_in: f64,
    pub(crate) earliest: f64,
    pub(crate) last: f64,
}

impl Fills {
    /// What was written in `second`; seconds ascend.
    pub(crate) fn add(&mut self, second: i64, bucket: &LogBucket) {
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

    /// What will be full first, as it looks at `now`. O(1): readings are few.
    pub(crate) fn next(&self, now: i64) -> Option<Filling> {
        let found = self.0.iter().filter_map(|(template, readings)| {
            let filling = Filling::of(*template, readings)?;
            let waited = readings
                .windows(2)
                .map(|pair| pair[1].0 - pair[0].0)
                .max()?;
            let silent = now.saturating_sub(filling.at);
            (silent <= (WAITS * waited).clamp(60, FORGET_SECS)).then_some(filling)
        });
        let full = |filling: &Filling| filling.at as f64 + filling.full_in;
        found.min_by(|a, b| full(a).total_cmp(&full(b)))
    }
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

impl Filling {
    /// The median of all pairs' slopes (Sen, "Estimates of the regression coefficient based on Kendall's
    /// tau", JASA 63, 1968); `None` when it does not grow, or the readings are of one moment.
    fn of(template: TemplateId, readings: &[(i64, f32)]) -> Option<Filling> {
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
            template,
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
        })
    }
}

#[cfg(test)]
mod tests {
    use monitor_core::Severity;

    use super::*;

    fn warn(fills: &mut Fills, second: i64, template: u64, share: f32) {
        let mut bucket = LogBucket::default();
        bucket.add(
            Some(Severity::Warn),
            Some(TemplateId(template)),
            None,
            Some(share),
        );
        fills.add(second, &bucket);
    }

    #[test]
    fn two_warnings_are_a_line_and_more_make_it_better() {
        let mut fills = Fills::default();
        warn(&mut fills, 1_000, 1, 0.7);
        assert_eq!(fills.next(1_000), None);
        warn(&mut fills, 1_100, 1, 0.8);
        let filling = fills.next(1_150).unwrap();
        assert!((filling.full_in - 200.0).abs() < 1.0, "{filling:?}");
        assert!(filling.earliest < filling.full_in && filling.full_in < filling.last);
        warn(&mut fills, 1_180, 1, 0.9);
        let filling = fills.next(1_180).unwrap();
        assert!((filling.full_in - 90.0).abs() < 12.0, "{filling:?}");
        assert_eq!(filling.readings, 3);
    }

    #[test]
    fn what_is_emptied_or_written_of_no_more_fills_no_more() {
        let mut fills = Fills::default();
        warn(&mut fills, 0, 1, 0.7);
        warn(&mut fills, 60, 1, 0.8);
        assert!(fills.next(60).is_some());
        assert_eq!(fills.next(60 + 181), None);
        warn(&mut fills, 120, 1, 0.4);
        assert_eq!(fills.next(120), None);
    }

    #[test]
    fn a_level_that_is_written_of_all_the_time_is_no_growth() {
        let mut fills = Fills::default();
        for second in 0..3_600 {
            warn(&mut fills, second, 1, 0.9);
        }
        assert_eq!(fills.next(3_600), None);
    }

    #[test]
    fn readings_of_hours_stay_few_and_far_apart() {
        let mut fills = Fills::default();
        for second in 0..36_000i32 {
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            warn(
                &mut fills,
                second.into(),
                1,
                0.5 + second as f32 / 100_000.0,
            );
        }
        let filling = fills.next(36_000).unwrap();
        assert_eq!(filling.readings, MAX_READINGS);
        assert_eq!(filling.since, 0);
        assert!((filling.full_in - 14_000.0).abs() < 200.0, "{filling:?}");
    }

    #[test]
    fn a_service_that_warns_of_ever_new_things_takes_bounded_memory() {
        let mut fills = Fills::default();
        for at in 0..1_000 {
            warn(&mut fills, at, at.unsigned_abs(), 0.5);
        }
        assert_eq!(fills.0.len(), MAX_KNOWN);
    }
}
