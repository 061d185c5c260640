//! What was predicted, and what came.
//!
//! Sums only, so it is bounded however long the monitor runs. The score of probabilities is that of
//! Brier ("Verification of forecasts expressed in terms of probability", Monthly Weather Review 78,
//! 1950): their mean squared error, beside that of someone who always says how often it happens.

use std::collections::BTreeMap;

use monitor_core::{
    Coverage, Name, Reliability, Risk, RiskOutcome, ScoredFailures, ScoredRisks, Stretches, Time,
    TrackRecord,
};
use monitor_detect::forecast::Scored;
use serde::{Deserialize, Serialize};

use crate::risk::FAILURE_HORIZON_SECS;

const BINS: usize = 10;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    stated: u64,
    came: u64,
    averted: u64,
    not_come: u64,
    missed: u64,
    in_time: u64,
    lead_secs: f64,
    risk_squares: f64,
    failures: [Bin; BINS],
    failure_squares: f64,
    /// By measure and horizon.
    forecasts: BTreeMap<(Name, u32), Forecasts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bin {
    judged: u64,
    said: f64,
    came: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Forecasts {
    scored: u64,
    inside: u64,
    error: f64,
    naive: f64,
    stretches: Stretches,
}

impl Ledger {
    pub(crate) fn stated(&mut self) {
        self.stated += 1;
    }

    /// A limit was crossed of which no risk was stated.
    pub(crate) fn missed(&mut self) {
        self.missed += 1;
    }

    /// A stated risk has ended at `now`.
    pub(crate) fn ended(&mut self, risk: &Risk, outcome: RiskOutcome, now: Time) {
        let came = outcome == RiskOutcome::Came;
        match outcome {
            RiskOutcome::Came => {
                self.came += 1;
                self.lead_secs += now.since(risk.stated).as_secs_f64();
                self.in_time += u64::from(
                    risk.earliest <= now && risk.latest.is_none_or(|latest| now <= latest),
                );
            }
            RiskOutcome::Averted => self.averted += 1,
            RiskOutcome::NotCome => self.not_come += 1,
        }
        self.risk_squares += (risk.first_probability - f64::from(u8::from(came))).powi(2);
    }

    /// A probability of failure, and whether it came.
    pub(crate) fn failure(&mut self, chance: f64, came: bool) {
        #[expect(clippy::cast_possible_truncation, reason = "from 0 to 9")]
        #[expect(clippy::cast_sign_loss, reason = "from 0 to 9")]
        let bin = &mut self.failures[((chance * BINS as f64) as usize).min(BINS - 1)];
        bin.judged += 1;
        bin.said += chance;
        bin.came += u64::from(came);
        self.failure_squares += (chance - f64::from(u8::from(came))).powi(2);
    }

    /// A forecast of a signal whose time has come, `now`.
    pub(crate) fn forecast(&mut self, measure: &str, scored: &Scored, now: Time) {
        if !scored.counts {
            return;
        }
        let key = (Name::from(measure), scored.horizon);
        let sums = self.forecasts.entry(key).or_default();
        sums.scored += 1;
        sums.inside += u64::from(scored.is_inside());
        sums.stretches.came(now, scored.horizon);
        // Relative to the sizes at hand, so that slow Apis do not outweigh quick ones.
        let scale = scored.actual.abs().max(scored.naive.abs()).max(1e-9);
        sums.error += (scored.actual - scored.quantiles[2]).abs() / scale;
        sums.naive += (scored.actual - scored.naive).abs() / scale;
    }

    pub(crate) fn track_record(&self) -> TrackRecord {
        let mean = |sum: f64, of: u64| (of > 0).then(|| sum / of as f64);
        let ended = self.came + self.averted + self.not_come;
        let judged: u64 = self.failures.iter().map(|bin| bin.judged).sum();
        let failed: u64 = self.failures.iter().map(|bin| bin.came).sum();
        let base = mean(failed as f64, judged);
        TrackRecord {
            risks: ScoredRisks {
                stated: self.stated,
                came: self.came,
                averted: self.averted,
                not_come: self.not_come,
                missed: self.missed,
                in_time: self.in_time,
                mean_lead_secs: mean(self.lead_secs, self.came).unwrap_or(0.0),
                brier: mean(self.risk_squares, ended),
            },
            failures: ScoredFailures {
                horizon_secs: FAILURE_HORIZON_SECS,
                judged,
                failed,
                brier: mean(self.failure_squares, judged),
                base_brier: base.map(|share| share * (1.0 - share)),
                reliability: self
                    .failures
                    .iter()
                    .map(|bin| Reliability {
                        judged: bin.judged,
                        said: mean(bin.said, bin.judged).unwrap_or(0.0),
                        came: mean(bin.came as f64, bin.judged).unwrap_or(0.0),
                    })
                    .collect(),
            },
            journeys: ScoredFailures::default(),
            coverage: self
                .forecasts
                .iter()
                .map(|((measure, horizon), sums)| Coverage {
                    measure: Name::clone(measure),
                    horizon_secs: *horizon,
                    scored: sums.scored,
                    inside: sums.inside,
                    stretches: sums.stretches.count(),
                    relative_error: if sums.naive > 0.0 {
                        sums.error / sums.naive
                    } else {
                        1.0
                    },
                })
                .collect(),
        }
    }
}
