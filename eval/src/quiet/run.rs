//! Drives Apis without faults through the production engine, at several sensitivities at once.

use std::collections::BTreeMap;

use monitor_core::{Observation, Subject, Time};
use monitor_engine::{Effect, Engine, EngineConfig};

use super::report::{Report, Setting};
use super::signals::Signal;

/// A Monday.
const START: i64 = 1_699_833_600;
const WEEK: i64 = 7 * 86_400;

/// What is watched, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiet {
    pub seed: u64,
    pub apis: usize,
    pub days: u32,
    /// False alarms for each Api in a week.
    pub targets: Vec<f64>,
}

/// False alarms by detector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Raised {
    /// Of Apis, in every week.
    pub weeks: Vec<BTreeMap<String, u64>>,
    /// Of services and dependencies, which have budgets of their own.
    pub others: BTreeMap<String, u64>,
}

impl Quiet {
    /// What each engine raised, in the order of the targets. `told` hears of each simulated day.
    ///
    /// O(seconds × (Apis + calls)) for every target.
    pub fn run(&self, mut told: impl FnMut(u32)) -> Vec<Raised> {
        let mut signals: Vec<Signal> = (0..self.apis)
            .map(|number| Signal::new(self.seed, number))
            .collect();
        let mut engines: Vec<Engine> = self.targets.iter().map(|target| engine(*target)).collect();
        let mut raised = vec![Raised::default(); engines.len()];
        let mut calls = Vec::new();
        for at in 0..i64::from(self.days) * 86_400 {
            let second = START + at;
            for signal in &mut signals {
                signal.second(second, &mut calls);
            }
            let observations: Vec<Observation> = calls.drain(..).map(Observation::Call).collect();
            for (engine, raised) in engines.iter_mut().zip(&mut raised) {
                for observation in &observations {
                    engine.observe(observation);
                }
                let effects = engine.tick(Time::from_secs(second + 1));
                raised.count((at / WEEK) as usize, &effects);
            }
            if (at + 1) % 86_400 == 0 {
                told(((at + 1) / 86_400) as u32);
            }
        }
        raised
    }

    /// The figures of what was raised.
    pub fn report(&self, raised: &[Raised]) -> Report {
        let weeks = f64::from(self.days) / 7.0;
        let settings = self.targets.iter().zip(raised);
        Report {
            signals: "synthetic".to_owned(),
            apis: self.apis,
            weeks,
            settings: settings
                .map(|(target, raised)| Setting::of(*target, raised, self.apis, weeks))
                .collect(),
        }
    }
}

fn engine(target: f64) -> Engine {
    Engine::new(EngineConfig {
        false_alarms_per_api_week: target,
        ..EngineConfig::default()
    })
}

impl Raised {
    /// Nothing is wrong, so every anomaly is a false alarm.
    pub fn count(&mut self, week: usize, effects: &[Effect]) {
        if self.weeks.len() <= week {
            self.weeks.resize(week + 1, BTreeMap::new());
        }
        for effect in effects {
            if let Effect::AnomalyOpened(anomaly) = effect {
                let sum = match anomaly.signal.subject {
                    Subject::Api(_) => &mut self.weeks[week],
                    _ => &mut self.others,
                };
                *sum.entry(anomaly.detector.to_string()).or_default() += 1;
            }
        }
    }
}
