//! Forecasts of an Api's rate and response time, a value a minute.

use monitor_detect::forecast::{Forecaster, Scored, Together};
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
        let learned = self.learned.get_or_insert_default();
        #[expect(clippy::cast_precision_loss, reason = "seconds of Unix time")]
        let secs = start as f64;
        let calls = minute.as_ref().map_or(0, |minute| minute.calls);
        let rate = calls as f64 / 60.0;
        for scored in learned.rate.observe_among(secs, rate, &widths.rate) {
            widths.rate.learn(&scored);
            ledger.forecast("rate", &scored);
        }
        if let Some(minute) = minute {
            let latency = minute.p50.ln();
            for scored in (learned.latency).observe_among(secs, latency, &widths.latency) {
                widths.latency.learn(&scored);
                ledger.forecast("latency", &in_seconds(&scored));
            }
        }
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
