//! How many anomalies are worth telling when thousands of Apis are watched.
//!
//! The sensitivity is a budget for each Api. With ten Apis an anomaly is rarely false; with a hundred
//! thousand, sixty of an hour's are, at one tenth a week for each, and they drown the true one. So before
//! anyone is told, the anomalies of the last hour are compared with how many of the same score are
//! expected when nothing is wrong: the step-up rule of Benjamini and Hochberg ("Controlling the false
//! discovery rate", JRSS B 57, 1995) in its empirical form (Storey, JRSS B 64, 2002), over a sliding
//! window. Evidence has an exponential tail, so a little more of it pays for ten times as many Apis, and
//! an anomaly that comes with many others needs less: with an incident's thirty services nobody waits.
//!
//! What is not told at once is still an anomaly, shown and counted; it is told when its score has
//! grown, or when others have joined it and it is heard of again.

use std::collections::VecDeque;
use std::time::Duration;

use monitor_core::{Score, Time};
use serde::{Deserialize, Serialize};

/// The share of what is told that may be false.
const FALSE_SHARE: f64 = 0.1;
/// How long an anomaly counts.
const WINDOW: Duration = Duration::from_secs(3_600);
const WEEK_SECS: f64 = 7.0 * 86_400.0;
/// By how much an anomaly of twice the score is rarer, as a logarithm: less than what an alarm needs
/// at any sensitivity but the highest.
const RARER: f64 = 8.0;
/// Anomalies remembered; more of them are an incident anyway.
const MOST: usize = 1_024;

/// The anomalies of the last hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Discoveries {
    /// When, whose, and how many of at least this score there are for one that is just an anomaly.
    recent: VecDeque<(Time, u64, f64)>,
}

impl Discoveries {
    /// Whether the anomaly `id` of this score may be told, of so many Apis that may raise so many false
    /// alarms in a week each. O(n log n) in the anomalies of the last hour.
    pub fn admits(
        &mut self,
        (id, score): (u64, Score),
        now: Time,
        apis: usize,
        per_api_week: f64,
    ) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|(at, ..)| now.since(*at) > WINDOW)
        {
            self.recent.pop_front();
        }
        let rarity = (-RARER * (score.get() - 1.0).max(0.0)).exp();
        self.recent.retain(|(_, known, _)| *known != id);
        if self.recent.len() == MOST {
            self.recent.pop_front();
        }
        self.recent.push_back((now, id, rarity));
        let hours = WINDOW.as_secs_f64() / WEEK_SECS;
        let expected = |rarity: f64| apis as f64 * per_api_week * hours * rarity;
        // The step-up rule: any level at least as weak as this one that passes, passes it.
        let mut levels: Vec<f64> = self.recent.iter().map(|(.., rarity)| *rarity).collect();
        levels.sort_by(f64::total_cmp);
        (1u32..).zip(&levels).any(|(found, level)| {
            *level >= rarity && expected(*level) <= FALSE_SHARE * f64::from(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(apis: usize, scores: &[f64]) -> Vec<bool> {
        let mut discoveries = Discoveries::default();
        (0..)
            .zip(scores)
            .map(|(id, score)| discoveries.admits((id, Score::new(*score)), Time::EPOCH, apis, 0.1))
            .collect()
    }

    #[test]
    fn among_few_apis_every_anomaly_is_told() {
        assert_eq!(admitted(100, &[1.01]), [true]);
    }

    #[test]
    fn among_very_many_a_weak_one_is_not_and_a_strong_one_is() {
        assert_eq!(admitted(100_000, &[1.01, 2.0]), [false, true]);
    }

    #[test]
    fn an_incident_is_told_also_in_its_weaker_parts() {
        let mut scores = vec![2.0; 30];
        scores.push(1.5);
        assert!(admitted(100_000, &scores).iter().all(|told| *told));
    }

    #[test]
    fn what_is_told_when_nothing_is_wrong_hardly_depends_on_the_number_of_apis() {
        for apis in [1_000, 10_000, 100_000] {
            let mut discoveries = Discoveries::default();
            let alarms = (apis as f64 * 0.1) as usize;
            let told = (0..alarms)
                .filter(|at| {
                    // Evenly over the week, with an exponential tail of scores.
                    let quantile =
                        ((at * 7_919) % alarms) as f64 / alarms as f64 + 0.5 / alarms as f64;
                    let score = Score::new(1.0 - quantile.ln() / RARER);
                    let time = Time::from_secs((*at as f64 / alarms as f64 * WEEK_SECS) as i64);
                    discoveries.admits((*at as u64, score), time, apis, 0.1)
                })
                .count();
            assert!(told <= 60, "{told} of {alarms}");
        }
    }
}
