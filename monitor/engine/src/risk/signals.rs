//! Forecasts of an Api's rate and response time, a value a minute.

use monitor_core::{Measure, SignalFuture, Time};
use monitor_detect::forecast::{Forecaster, HORIZONS, Scored, Together};
use serde::{Deserialize, Serialize};

use crate::api::ApiTrack;
use crate::ledger::Ledger;
use crate::rollup::Step;

/// The Api has to have been called in so many minutes first: most that are ever seen never are.
const FIRST_MINUTES: u8 = 10;
const MINUTE_SECS: i64 = 60;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Signals {
    minutes: u8,
    learned: Option<Box<Pair>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Pair {
    rate: Forecaster,
    /// Of its logarithm: what makes calls slow makes them so many times slower.
    latency: Forecaster,
}

/// How wide the intervals of all Apis together have to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Widths {
    rate: Together,
    latency: Together,
}

impl Widths {
    /// Each Api has had its turn.
    pub(super) fn end_minute(&mut self) {
        self.rate.end_round();
        self.latency.end_round();
    }
}

impl Signals {
    /// Learns the minute that ends at `end`, and scores what was forecast for it.
    pub(super) fn step(
        &mut self,
        end: i64,
        api: &ApiTrack,
        widths: &mut Widths,
        ledger: &mut Ledger,
    ) {
        if !api.is_foreseeable() {
            return;
        }
        let start = end - MINUTE_SECS;
        let minute = api
            .rollups
            .latest(Step::Minute)
            .filter(|point| point.start.as_secs() == start);
        if minute.is_some() {
            self.minutes = self.minutes.saturating_add(1);
        }
        if self.minutes < FIRST_MINUTES {
            return;
        }
        let now = Time::from_secs(end);
        let learned = self.learned.get_or_insert_default();
        #[expect(clippy::cast_precision_loss, reason = "seconds of Unix time")]
        let secs = start as f64;
        let calls = minute.as_ref().map_or(0, |minute| minute.calls);
        let rate = calls as f64 / 60.0;
        for scored in learned.rate.observe_among(secs, rate, &widths.rate) {
            widths.rate.learn(&scored);
            ledger.forecast("rate", &scored, now);
        }
        if let Some(minute) = minute {
            let latency = minute.p50.ln();
            for scored in (learned.latency).observe_among(secs, latency, &widths.latency) {
                widths.latency.learn(&scored);
                ledger.forecast("latency", &in_seconds(&scored), now);
            }
        }
    }
}

impl Signals {
    /// What is expected, a value for each measure and horizon that can be told.
    pub(super) fn future(&self, widths: &Widths) -> Vec<SignalFuture> {
        let Some(learned) = &self.learned else {
            return Vec::new();
        };
        let each = |model: &Forecaster, of: &Together, measure, unit: fn(f64) -> f64| {
            let each = HORIZONS.iter().filter_map(|horizon_secs| {
                let found = model.forecast_among(f64::from(*horizon_secs), of)?;
                #[expect(clippy::cast_possible_truncation, reason = "seconds of Unix time")]
                let at = Time::from_secs(found.at as i64 + MINUTE_SECS);
                Some(SignalFuture {
                    measure,
                    at,
                    horizon_secs: *horizon_secs,
                    median: unit(found.median),
                    interval: (found.interval()).map(|(lower, upper)| (unit(lower), unit(upper))),
                    scored: found.scored,
                })
            });
            each.collect::<Vec<_>>()
        };
        let not_negative = |calls: f64| calls.max(0.0);
        let mut future = each(&learned.rate, &widths.rate, Measure::Rate, not_negative);
        let latency = each(
            &learned.latency,
            &widths.latency,
            Measure::Latency,
            f64::exp,
        );
        future.extend(latency);
        future
    }
}

fn in_seconds(logarithms: &Scored) -> Scored {
    Scored {
        quantiles: logarithms.quantiles.map(f64::exp),
        actual: logarithms.actual.exp(),
        naive: logarithms.naive.exp(),
        ..*logarithms
    }
}
