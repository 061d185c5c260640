//! Numbers in which nothing is wrong, one value a minute, through the production engine.
//!
//! The kinds are what people log: measurements with noise, loads of day and week, queues that
//! remember, counts, sizes with heavy tails, caches that fill and are emptied, jobs at night, and
//! flags that are nearly always the same.

use std::collections::BTreeMap;

use monitor_core::{Name, NumberSeen, Observation, ServiceKey, Subject, Time};
use monitor_engine::{Effect, Engine, EngineConfig};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Poisson, StandardNormal};

use super::report::{Report, Setting};
use super::run::Raised;

/// A Monday.
const START: i64 = 1_699_833_600;
const DAY_MINUTES: i64 = 1_440;
const WEEK_MINUTES: i64 = 7 * DAY_MINUTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Independent normal noise around a level.
    Noise,
    /// A day's wave, and noise.
    Day,
    /// Office hours of weekdays, in proportion to a noise.
    Week,
    /// Autoregressive, with a memory of minutes to an hour.
    Wandering,
    /// Log-normal with deviation 1.
    HeavyTail,
    /// Poisson counts with a mean of some few.
    Count,
    /// Fills up, and is emptied at times of its own.
    Sawtooth,
    /// Low, but for a job at night that comes some minutes early or late.
    Job,
    /// 0, and once in some hundred minutes 1.
    Flag,
}

const KINDS: [Kind; 9] = [
    Kind::Noise,
    Kind::Day,
    Kind::Week,
    Kind::Wandering,
    Kind::HeavyTail,
    Kind::Count,
    Kind::Sawtooth,
    Kind::Job,
    Kind::Flag,
];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Noise => "noise",
            Kind::Day => "day",
            Kind::Week => "week",
            Kind::Wandering => "wandering",
            Kind::HeavyTail => "heavy-tail",
            Kind::Count => "count",
            Kind::Sawtooth => "sawtooth",
            Kind::Job => "job",
            Kind::Flag => "flag",
        }
    }
}

/// One number at work.
#[derive(Debug)]
struct Number {
    kind: Kind,
    name: Name,
    random: StdRng,
    /// Drawn once, in [0, 1): what distinguishes it from others of its kind.
    traits: [f64; 2],
    state: f64,
    /// Of the job: the minute of the present day at which it comes.
    job: i64,
}

impl Number {
    fn new(seed: u64, number: usize) -> Number {
        let kind = KINDS[number % KINDS.len()];
        let mut random = StdRng::seed_from_u64(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(number as u64),
        );
        Number {
            kind,
            name: format!("{}-{number}", kind.name()).into(),
            traits: [random.random(), random.random()],
            random,
            state: 0.0,
            job: 0,
        }
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.random)
    }

    fn value(&mut self, minute: i64) -> f64 {
        let [one, two] = self.traits;
        let of_day = minute.rem_euclid(DAY_MINUTES);
        match self.kind {
            Kind::Noise => 100.0 + (1.0 + 20.0 * one) * self.normal(),
            Kind::Day => {
                let phase = (of_day as f64 / DAY_MINUTES as f64 + two) * std::f64::consts::TAU;
                100.0 + 40.0 * phase.sin() + (1.0 + 10.0 * one) * self.normal()
            }
            Kind::Week => {
                let weekday = minute.rem_euclid(WEEK_MINUTES) < 5 * DAY_MINUTES;
                let open = weekday && (480..1_080).contains(&of_day);
                let level = if open { 60.0 + 40.0 * two } else { 10.0 };
                level * ((0.05 + 0.2 * one) * self.normal()).exp()
            }
            Kind::Wandering => {
                let kept = 0.8 + 0.19 * one;
                self.state = kept * self.state + (1.0 - kept * kept).sqrt() * self.normal();
                50.0 + 10.0 * self.state
            }
            Kind::HeavyTail => 2_000.0 * self.normal().exp(),
            Kind::Count => {
                Poisson::new(0.5 + 8.0 * one).map_or(0.0, |counts| counts.sample(&mut self.random))
            }
            Kind::Sawtooth => {
                let emptied = self.state > 1_000.0 && self.random.random_bool(0.02 + 0.1 * two);
                let more = (1.0 + 10.0 * one) * (1.0 + 0.3 * self.normal());
                self.state = if emptied { 0.0 } else { self.state + more };
                self.state
            }
            Kind::Job => {
                if of_day == 0 {
                    self.job = 120 + (10.0 * self.normal()) as i64;
                }
                let runs = (self.job..self.job + 10 + (20.0 * one) as i64).contains(&of_day);
                let level = if runs { 100.0 } else { 5.0 };
                level * (0.1 * self.normal()).exp()
            }
            Kind::Flag => f64::from(u8::from(self.random.random_bool(0.002 + 0.02 * one))),
        }
    }
}

/// What is watched, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct QuietNumbers {
    pub seed: u64,
    pub numbers: usize,
    pub days: u32,
    /// False alarms for each number in a week.
    pub targets: Vec<f64>,
}

impl QuietNumbers {
    /// O(minutes × numbers) for every target.
    pub fn report(&self) -> Report {
        let weeks = f64::from(self.days) / 7.0;
        let settings = self.targets.iter().zip(self.run());
        Report {
            signals: "synthetic numbers, one value a minute".to_owned(),
            apis: self.numbers,
            weeks,
            settings: settings
                .map(|(target, raised)| Setting::of(*target, &raised, self.numbers, weeks))
                .collect(),
        }
    }

    /// What each engine raised, by kind of number.
    fn run(&self) -> Vec<Raised> {
        let mut numbers: Vec<Number> = (0..self.numbers)
            .map(|number| Number::new(self.seed, number))
            .collect();
        let engine = |target: &f64| {
            Engine::new(EngineConfig {
                false_alarms_per_api_week: *target,
                max_numbers: self.numbers,
                ..EngineConfig::default()
            })
        };
        let mut engines: Vec<Engine> = self.targets.iter().map(engine).collect();
        let mut raised = vec![Raised::default(); engines.len()];
        for minute in 0..i64::from(self.days) * DAY_MINUTES {
            // Not ahead of the engine's clock, which refuses what comes from the future.
            let at = Time::from_secs(START + minute * 60);
            let values: Vec<Observation> = numbers
                .iter_mut()
                .map(|number| seen(number, minute, at))
                .collect();
            for (engine, raised) in engines.iter_mut().zip(&mut raised) {
                for value in &values {
                    engine.observe(value);
                }
                let effects = engine.tick(Time::from_secs(START + (minute + 1) * 60));
                count(raised, (minute / WEEK_MINUTES) as usize, &effects);
            }
        }
        raised
    }
}

fn seen(number: &mut Number, minute: i64, time: Time) -> Observation {
    Observation::Number(Box::new(NumberSeen {
        service: ServiceKey::new("quiet", "numbers"),
        environment: "cloud".into(),
        name: Name::clone(&number.name),
        unit: None,
        time,
        value: number.value(minute),
    }))
}

fn count(raised: &mut Raised, week: usize, effects: &[Effect]) {
    if raised.weeks.len() <= week {
        raised.weeks.resize(week + 1, BTreeMap::new());
    }
    for effect in effects {
        if let Effect::AnomalyOpened(anomaly) = effect
            && let Subject::Number { name, .. } = &anomaly.signal.subject
        {
            let kind = name.rsplit_once('-').map_or(&**name, |(kind, _)| kind);
            *raised.weeks[week].entry(kind.to_owned()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_day_costs_no_more_than_it_may() {
        let quiet = QuietNumbers {
            seed: 1,
            numbers: KINDS.len(),
            days: 2,
            targets: vec![1.0, 1_000.0],
        };
        let report = quiet.report();
        assert_eq!(report, quiet.report(), "the same seed, the same figures");
        // At one a week for each, fewer than three are expected of nine in two days, and more than
        // eight once in a thousand times.
        assert!(report.settings[0].alarms <= 8, "{}", report.table());
        assert!(report.settings[1].alarms > 0, "{}", report.table());
    }
}
