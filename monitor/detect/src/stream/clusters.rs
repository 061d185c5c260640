//! How unlikely a value has to be for an alarm, when unlikely values come in rows.
//!
//! The model's surprise is a mean over up to two dozen values, so one odd value is odd for as long,
//! and p-values must not be added up: the model has done that already. So each value is held against
//! a level for itself, and what comes within [`TOGETHER`] values is one cluster, of which only the
//! peak counts (declustering by runs: R. L. Smith, I. Weissman, "Estimating the extremal index",
//! Journal of the Royal Statistical Society B 56, 1994). How often clusters exceed a threshold, and
//! by how much, gives the level that they exceed as rarely as the sensitivity asks: peaks over
//! threshold, in natural logarithms of probability, whose excess is exponential if the p-values are
//! right. Its mean is known no better than from so many clusters, which makes the tail a Lomax one:
//! heavier, the fewer there were.
//!
//! What was an alarm teaches for a limited height, and only a few times a day beyond what the
//! sensitivity permits: a flag that is raised now and then is known after its first alarms, and an
//! incident of a hundred alarms is not. The level has an upper bound, so nobody who makes trouble
//! grow slowly gains more than that.

use monitor_core::Time;
use serde::{Deserialize, Serialize};

/// Values further apart than this do not belong together.
const TOGETHER: u32 = 24;
/// A cluster is of values at most this likely: −ln of it is the threshold.
pub(super) const UNLIKELY: f64 = 0.01;
/// What is believed before anything was seen: the mean excess, as if of so many clusters, and that
/// every unlikely value is a cluster of its own, as if of half a cluster.
const EXCESS: f64 = 1.0;
const EXCESS_PRIOR: f64 = 6.0;
const RATE_PRIOR: f64 = 0.5;
/// Of the mean excess.
const BOUNDS: (f64, f64) = (0.3, 8.0);
/// A cluster's excess counts for at most so many times the mean.
const MOST_EXCESS: f64 = 5.0;
/// Values remembered: eight weeks of minutes.
const MEMORY: f64 = 80_640.0;
/// An alarm may teach once in so many values, beyond what the sensitivity permits, …
const ALARM_EVERY: f64 = 1_440.0;
/// … and so many one after the other.
const MOST_CREDIT: f64 = 4.0;
/// What the sensitivity permits is forgiven this many times.
const FORGIVEN: f64 = 3.0;
/// No more than so many times what is needed when p-values are right.
const MOST: f64 = 4.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Clusters {
    values: f64,
    clusters: f64,
    /// Sum over the clusters.
    excess: f64,
    present: Option<Cluster>,
    /// So many alarms may be learned from.
    credit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Cluster {
    since: Time,
    peak: f64,
    surprise: f32,
    /// Values since the last unlikely one.
    quiet: u32,
    alarm: bool,
}

/// What is thought of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weighed {
    /// Of what an alarm takes; above 1 is one.
    pub(super) score: f64,
    /// Since when there is an alarm, when there is one.
    pub(super) alarm: Option<Time>,
    /// An alarm is over that may teach: the highest surprise of it.
    pub(super) ended: Option<f32>,
}

impl Clusters {
    pub(super) fn new() -> Clusters {
        Clusters {
            values: 0.0,
            clusters: 0.0,
            excess: 0.0,
            present: None,
            credit: MOST_CREDIT,
        }
    }

    /// Weighs a value of this probability, when one in 1/`accepted` may be a false alarm. Teaches
    /// nothing while `held`.
    pub(super) fn weigh(
        &mut self,
        p: f64,
        surprise: f32,
        start: Time,
        accepted: f64,
        held: bool,
    ) -> Weighed {
        let height = -p.max(f64::MIN_POSITIVE).ln();
        let needed = self.needed(accepted);
        let score = height / needed;
        let mut taught = None;
        if !held {
            self.values += 1.0;
            self.credit = (self.credit + 1.0 / ALARM_EVERY + FORGIVEN * accepted).min(MOST_CREDIT);
            if self.values > MEMORY {
                self.values /= 2.0;
                self.clusters /= 2.0;
                self.excess /= 2.0;
            }
        }
        if p < UNLIKELY {
            let cluster = self.present.get_or_insert(Cluster {
                since: start,
                peak: height,
                surprise,
                quiet: 0,
                alarm: false,
            });
            cluster.quiet = 0;
            cluster.peak = cluster.peak.max(height);
            cluster.surprise = cluster.surprise.max(surprise);
            cluster.alarm |= score > 1.0;
        } else if let Some(cluster) = &mut self.present {
            cluster.quiet += 1;
            if cluster.quiet >= TOGETHER {
                let ended = *cluster;
                self.present = None;
                if !held && self.learn(ended) && ended.alarm {
                    taught = Some(ended.surprise);
                }
            }
        }
        let alarm = self.present.filter(|cluster| cluster.alarm);
        Weighed {
            score,
            alarm: alarm.map(|cluster| cluster.since),
            ended: taught,
        }
    }

    /// Forgets the present cluster.
    pub(super) fn reset(&mut self) {
        self.present = None;
    }

    fn threshold() -> f64 {
        -UNLIKELY.ln()
    }

    fn needed(&self, accepted: f64) -> f64 {
        let (threshold, known) = (Clusters::threshold(), EXCESS_PRIOR + self.clusters);
        let rate = (RATE_PRIOR + self.clusters) / (RATE_PRIOR / UNLIKELY + self.values);
        let rarer = (rate / accepted).ln() / known;
        let needed = threshold + self.mean_excess() * known * rarer.exp_m1();
        needed.clamp(threshold, MOST * -accepted.ln())
    }

    fn mean_excess(&self) -> f64 {
        let mean = (EXCESS_PRIOR * EXCESS + self.excess) / (EXCESS_PRIOR + self.clusters);
        mean.clamp(BOUNDS.0, BOUNDS.1)
    }

    /// False when there were too many alarms to learn from this one.
    fn learn(&mut self, cluster: Cluster) -> bool {
        if cluster.alarm {
            if self.credit < 1.0 {
                return false;
            }
            self.credit -= 1.0;
        }
        let most = MOST_EXCESS * self.mean_excess();
        self.clusters += 1.0;
        self.excess += (cluster.peak - Clusters::threshold()).min(most);
        true
    }
}
