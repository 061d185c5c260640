//! What share of clients' calls will go wrong in five minutes, half an hour, an hour.
//!
//! By then the incident is over, or it is not: [`Survival`](crate::survival::Survival) tells how
//! likely. The interval is the shortest that should hold nine of ten cases: only what is usual when it
//! is surely over, only what it is like now when it surely goes on, and both with all between them
//! otherwise. Each end is moved outwards by as much as past ones were wrong, in parts of the interval's
//! own length (asymmetric conformalized quantile regression, normalised: Romano, Patterson and Candès,
//! NeurIPS 2019, section 4 and theorem 2). That also teaches how often something else breaks
//! meanwhile. What is usual is near nothing, so low ends hardly ever fail, and the high one is given
//! most of the tenth that may be missed.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use monitor_core::{Coverage, Forecast, Name, Outlook, Stretches, Time, Workload};
use serde::{Deserialize, Serialize};

use super::{Ends, MEASURE, rounded};

/// Seconds ahead.
const HORIZONS: [u32; 3] = [300, 1_800, 3_600];
/// What is forecast is a minute's share.
const MINUTE: Duration = Duration::from_secs(60);
/// Forecasts of one horizon that wait; more are not made.
const MOST_PENDING: usize = 512;
/// Those that the next are corrected by.
const REMEMBERED: usize = 200;
/// Above or below this chance, an outcome is taken to be sure.
const SURE: f64 = 0.9;
/// Of what comes, shares that may be above and below the interval.
const ABOVE: f64 = 0.07;
const BELOW: f64 = 0.03;
/// Outcomes that "they were right" counts for, until there are more.
const ASSUMED: usize = 5;
/// Intervals are no shorter, when lengths are compared.
const SHORTEST: f64 = 0.01;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Outlooks {
    horizons: [Horizon; HORIZONS.len()],
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Horizon {
    pending: VecDeque<Pending>,
    scored: u64,
    inside: u64,
    stretches: Stretches,
    /// Sums of absolute errors: of what was expected, and of who says that it stays as it was.
    error: f64,
    naive: f64,
    /// How far above the high end and below the low one it came, in lengths; negative within.
    above: VecDeque<f64>,
    below: VecDeque<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    due: Time,
    entries: BTreeSet<Workload>,
    told: Forecast,
    /// Before it was corrected.
    low: f64,
    high: f64,
    was: f64,
}

impl Outlooks {
    pub(super) fn is_waiting(&self) -> bool {
        self.horizons.iter().any(|of| !of.pending.is_empty())
    }

    /// Compares what is due with what came: `share` tells what share of these entries' calls went
    /// wrong since then.
    pub(super) fn settle(
        &mut self,
        now: Time,
        share: &dyn Fn(&BTreeSet<Workload>, Time) -> Option<f64>,
    ) {
        for (horizon, secs) in self.horizons.iter_mut().zip(HORIZONS) {
            while horizon.pending.front().is_some_and(|said| said.due <= now) {
                if let Some(said) = horizon.pending.pop_front()
                    && let Some(came) = share(&said.entries, now - MINUTE)
                {
                    horizon.score(&said, came);
                    horizon.stretches.came(now, secs);
                }
            }
        }
    }

    /// What is to be expected; `lasts` is the chance that it lasts for so many seconds more.
    pub(super) fn say(
        &mut self,
        now: Time,
        entries: &BTreeSet<Workload>,
        ends: &Ends,
        lasts: impl Fn(f64) -> f64,
    ) -> Vec<Outlook> {
        let horizons = self.horizons.iter_mut().zip(HORIZONS);
        horizons
            .map(|(horizon, secs)| {
                let lasts = lasts(f64::from(secs));
                let (low, high) = interval(ends, lasts);
                let told = Forecast {
                    expected: rounded(lasts * ends.is + (1.0 - lasts) * ends.usually),
                    ..horizon.corrected(low, high)
                };
                if horizon.pending.len() < MOST_PENDING {
                    horizon.pending.push_back(Pending {
                        due: now + Duration::from_secs(u64::from(secs)),
                        entries: entries.clone(),
                        told,
                        low,
                        high,
                        was: ends.is,
                    });
                }
                Outlook {
                    horizon_secs: secs,
                    lasts: rounded(lasts),
                    affected: told,
                }
            })
            .collect()
    }

    pub(super) fn coverage(&self) -> Vec<Coverage> {
        self.horizons
            .iter()
            .zip(HORIZONS)
            .map(|(of, horizon_secs)| Coverage {
                measure: Name::from(MEASURE),
                horizon_secs,
                scored: of.scored,
                inside: of.inside,
                stretches: of.stretches.count(),
                relative_error: if of.naive > 0.0 {
                    of.error / of.naive
                } else {
                    1.0
                },
            })
            .collect()
    }
}

/// Before it is corrected.
fn interval(ends: &Ends, lasts: f64) -> (f64, f64) {
    // When it is over, a minute without any failure is nothing special.
    if lasts >= SURE {
        (ends.going_on, ends.high)
    } else if lasts <= 1.0 - SURE {
        (0.0, ends.over)
    } else {
        (0.0, ends.high)
    }
}

impl Horizon {
    fn corrected(&self, low: f64, high: f64) -> Forecast {
        let length = (high - low).max(SHORTEST);
        let wider = |known: &VecDeque<f64>, q: f64| quantile(known, q).max(0.0) * length;
        let low = (low - wider(&self.below, 1.0 - BELOW)).clamp(0.0, 1.0);
        let high = (high + wider(&self.above, 1.0 - ABOVE)).clamp(0.0, 1.0);
        Forecast {
            expected: 0.0,
            low: (low.min(high) * 1e4).floor() / 1e4,
            high: (high.max(low) * 1e4).ceil() / 1e4,
        }
    }

    fn score(&mut self, said: &Pending, came: f64) {
        self.scored += 1;
        self.inside += u64::from((said.told.low..=said.told.high).contains(&came));
        self.error += (came - said.told.expected).abs();
        self.naive += (came - said.was).abs();
        let length = (said.high - said.low).max(SHORTEST);
        for (known, by) in [
            (&mut self.above, came - said.high),
            (&mut self.below, said.low - came),
        ] {
            if known.len() >= REMEMBERED {
                known.pop_front();
            }
            known.push_back(by / length);
        }
    }
}

/// By the rank of split conformal prediction; until much is known, that all was right counts too.
fn quantile(known: &VecDeque<f64>, q: f64) -> f64 {
    let mut all: Vec<f64> = known.iter().copied().collect();
    all.extend(std::iter::repeat_n(
        0.0,
        ASSUMED.saturating_sub(known.len() / 4),
    ));
    all.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, reason = "of some hundred")]
    #[expect(clippy::cast_sign_loss, reason = "a rank")]
    #[expect(clippy::cast_precision_loss, reason = "some hundred")]
    let rank = ((all.len() + 1) as f64 * q).ceil() as usize;
    all.get(rank.min(all.len()).saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> BTreeSet<Workload> {
        BTreeSet::from([Workload {
            service: monitor_core::ServiceKey::new("", "web"),
            environment: "here".into(),
        }])
    }

    fn ends(is: f64) -> Ends {
        Ends {
            is,
            usually: 0.001,
            low: 0.0,
            high: (is * 1.2).min(1.0),
            over: 0.004,
            going_on: is * 0.8,
        }
    }

    #[test]
    fn what_is_surely_over_is_expected_to_be_usual() {
        let mut outlooks = Outlooks::default();
        let said = outlooks.say(Time::from_secs(0), &entries(), &ends(0.5), |_| 0.0);
        let of: Vec<(u32, f64)> =
            (said.iter().map(|of| (of.horizon_secs, of.affected.high))).collect();
        assert_eq!(of, [(300, 0.004), (1_800, 0.004), (3_600, 0.004)]);
        let on = Outlooks::default().say(Time::from_secs(0), &entries(), &ends(0.5), |_| 1.0);
        assert_eq!((on[0].affected.low, on[0].affected.expected), (0.4, 0.5));
    }

    /// Of what is said to be over, a fifth is not: intervals grow until nine of ten hold.
    #[test]
    fn intervals_learn_from_what_came() {
        let mut outlooks = Outlooks::default();
        let entries = entries();
        let mut late = (0, 0);
        for step in 0..1_000_i64 {
            let now = Time::from_secs(step * 30);
            outlooks.settle(now, &|_, _| Some(if step % 5 == 0 { 0.3 } else { 0.002 }));
            outlooks.say(now, &entries, &ends(0.3), |_| 0.05);
            if step == 500 {
                late = (outlooks.horizons[0].scored, outlooks.horizons[0].inside);
            }
        }
        let of = &outlooks.coverage()[0];
        let (scored, inside) = (of.scored - late.0, of.inside - late.1);
        let share = inside as f64 / scored as f64;
        assert!(share >= 0.9, "{share} of {scored}");
    }
}
