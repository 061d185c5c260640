//! Apis in which nothing is wrong, however they look.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{ApiKey, Call, CallSource, CallStatus, Name, ServiceKey, Time};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Geometric, Pareto, Poisson, StandardNormal};

const DAY: f64 = 86_400.0;
/// Before and after midnight, in which a weekday becomes a weekend: people do not all stop at once.
const TURN: f64 = 3.0 * 3_600.0;
/// The wandering levels take a step this often, in seconds.
const STEP: i64 = 10;

/// What is known of an Api; drawn once from the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Calls a second, on average over a weekday.
    pub rate: f64,
    /// Share by which the rate swings over the day.
    pub swing: f64,
    /// Seconds after midnight at which the day has its peak.
    pub peak_secs: f64,
    /// Load of Saturday and Sunday against the other days.
    pub weekend: f64,
    /// Calls that come together, on average; 1 is a Poisson process.
    pub burst: f64,
    /// How the logarithm of the rate wanders beyond the calendar: deviation, and seconds after which
    /// little is left of it.
    pub rate_wander: Wander,
    /// Seconds.
    pub median: f64,
    /// Of the logarithm of a duration.
    pub spread: f64,
    /// Share of calls that take a Pareto-distributed multiple, and its exponent.
    pub stragglers: (f64, f64),
    pub latency_wander: Wander,
    /// Share of calls that fail, and how its logarithm wanders.
    pub failing: f64,
    pub failing_wander: Wander,
    /// Share of calls that find nothing (404).
    pub missing: f64,
}

/// An Ornstein-Uhlenbeck process: autocorrelated, with mean 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wander {
    pub deviation: f64,
    pub memory_secs: f64,
}

/// One Api at work.
#[derive(Debug)]
pub struct Signal {
    pub statistics: Statistics,
    key: Arc<ApiKey>,
    instances: [Name; 3],
    random: StdRng,
    rate: f64,
    latency: f64,
    failing: f64,
}

impl Statistics {
    fn draw(random: &mut StdRng) -> Statistics {
        let log_uniform = |random: &mut StdRng, low: f64, high: f64| {
            (low.ln() + random.random::<f64>() * (high / low).ln()).exp()
        };
        let wander = |random: &mut StdRng, deviation: f64| Wander {
            deviation: deviation * random.random::<f64>(),
            memory_secs: log_uniform(random, 60.0, 3_600.0),
        };
        Statistics {
            rate: log_uniform(random, 0.02, 3.0),
            swing: random.random_range(0.1..0.8),
            peak_secs: random.random_range(0.0..DAY),
            weekend: random.random_range(0.4..1.1),
            burst: if random.random_bool(0.3) {
                random.random_range(1.5..4.0)
            } else {
                1.0
            },
            rate_wander: wander(random, 0.2),
            median: log_uniform(random, 0.002, 0.5),
            spread: random.random_range(0.2..0.9),
            stragglers: if random.random_bool(0.5) {
                (
                    log_uniform(random, 0.001, 0.03),
                    random.random_range(1.3..3.0),
                )
            } else {
                (0.0, 2.0)
            },
            latency_wander: wander(random, 0.2),
            failing: if random.random_bool(0.8) {
                log_uniform(random, 2e-4, 0.02)
            } else {
                0.0
            },
            failing_wander: wander(random, 0.8),
            missing: log_uniform(random, 1e-3, 0.05),
        }
    }

    /// Calls a second that the calendar asks for.
    pub fn expected_rate(&self, second: i64) -> f64 {
        // The epoch was a Thursday; Saturday's midnight is two days later.
        let since_saturday = (second - 2 * 86_400).rem_euclid(7 * 86_400) as f64;
        let until_saturday = 7.0 * DAY - since_saturday;
        let weekendness = (turned(since_saturday) - turned(since_saturday - 2.0 * DAY))
            .max(turned(-until_saturday));
        let weekend = 1.0 + (self.weekend - 1.0) * weekendness;
        let phase = (second as f64 - self.peak_secs) / DAY * std::f64::consts::TAU;
        self.rate * weekend * (1.0 + self.swing * phase.cos())
    }
}

/// 0 long before a turn, and 1 long after it.
fn turned(since: f64) -> f64 {
    let share = ((since + TURN) / (2.0 * TURN)).clamp(0.0, 1.0);
    (1.0 - (std::f64::consts::PI * share).cos()) / 2.0
}

impl Signal {
    /// The `number`th Api of a seed.
    pub fn new(seed: u64, number: usize) -> Signal {
        let mut random = StdRng::seed_from_u64(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(number as u64),
        );
        Signal {
            statistics: Statistics::draw(&mut random),
            key: Arc::new(ApiKey {
                environment: if number.is_multiple_of(2) {
                    "on-prem"
                } else {
                    "cloud"
                }
                .into(),
                service: ServiceKey::new("quiet", &format!("service-{}", number / 4)),
                method: "GET".into(),
                route: format!("/things-{number}/{{id}}").into(),
            }),
            instances: ["pod-0", "pod-1", "pod-2"].map(Name::from),
            random,
            rate: 0.0,
            latency: 0.0,
            failing: 0.0,
        }
    }

    /// Appends the calls that end in this second, in order of time; call it for every second.
    pub fn second(&mut self, second: i64, calls: &mut Vec<Call>) {
        let known = self.statistics;
        if second % STEP == 0 {
            step(&mut self.rate, known.rate_wander, &mut self.random);
            step(&mut self.latency, known.latency_wander, &mut self.random);
            step(&mut self.failing, known.failing_wander, &mut self.random);
        }
        let rate = known.expected_rate(second) * self.rate.exp();
        let arrivals = poisson(rate / known.burst, &mut self.random);
        let first = calls.len();
        for _ in 0..arrivals {
            let together = match Geometric::new(1.0 / known.burst) {
                Ok(more) if known.burst > 1.0 => 1 + more.sample(&mut self.random),
                _ => 1,
            };
            for _ in 0..together {
                let at = self.random.random_range(0..1_000_000);
                let time = Time::from_secs(second) + Duration::from_micros(at);
                calls.push(self.call(time));
            }
        }
        calls[first..].sort_by_key(|call| call.end);
    }

    fn call(&mut self, end: Time) -> Call {
        let known = self.statistics;
        let normal: f64 = StandardNormal.sample(&mut self.random);
        let mut duration = known.median * (self.latency + known.spread * normal).exp();
        if known.stragglers.0 > 0.0
            && self.random.random_bool(known.stragglers.0)
            && let Ok(tail) = Pareto::new(1.0, known.stragglers.1)
        {
            duration *= tail.sample(&mut self.random);
        }
        let failing = (known.failing * self.failing.exp()).min(0.3);
        let chance: f64 = self.random.random();
        let status = match () {
            () if chance < failing => 503,
            () if chance < failing + known.missing => 404,
            () => 200,
        };
        Call {
            api: self.key.clone(),
            source: CallSource::Span,
            end,
            duration: Some(Duration::from_secs_f64(duration.min(600.0))),
            response_bytes: None,
            status: CallStatus::Http(status),
            error_type: None,
            instance: self.instances[self.random.random_range(0..3)].clone(),
            version: None,
            caller: None,
            client: None,
            trace_id: None,
            span_id: None,
            parent: None,
            request_id: None,
            synthetic: false,
        }
    }
}

fn step(level: &mut f64, wander: Wander, random: &mut StdRng) {
    let kept = (-(STEP as f64) / wander.memory_secs).exp();
    let normal: f64 = StandardNormal.sample(random);
    *level = *level * kept + wander.deviation * (1.0 - kept * kept).sqrt() * normal;
}

fn poisson(mean: f64, random: &mut StdRng) -> u32 {
    // Most seconds of most Apis are empty: one number decides that.
    if random.random::<f64>() < (-mean).exp() {
        return 0;
    }
    let Ok(counts) = Poisson::new(mean) else {
        return 0;
    };
    loop {
        let count: f64 = counts.sample(random);
        if count >= 1.0 {
            return count as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_has_the_statistics_that_are_known_of_it() {
        let mut signal = Signal::new(1, 3);
        let known = signal.statistics;
        let mut calls = Vec::new();
        (0..7 * 86_400).for_each(|second| signal.second(second, &mut calls));
        let expected: f64 = (0..7 * 86_400)
            .map(|second| known.expected_rate(second))
            .sum();
        let wander = (known.rate_wander.deviation.powi(2) / 2.0).exp();
        let ratio = calls.len() as f64 / expected / wander;
        assert!((0.9..1.1).contains(&ratio), "{ratio} {known:?}");
        assert!(calls.is_sorted_by_key(|call| call.end));
    }

    #[test]
    fn weekends_come_and_go_within_hours_and_not_at_a_stroke() {
        let known = Statistics {
            rate: 1.0,
            swing: 0.0,
            weekend: 0.4,
            ..Signal::new(1, 3).statistics
        };
        // The epoch's Saturday, its Sunday and the Thursday after.
        for (day, rate) in [(2, 0.4), (3, 0.4), (7, 1.0)] {
            assert_eq!(known.expected_rate(day * 86_400 + 43_200), rate);
        }
        let minutes = || (0..7 * 1_440).map(|minute| known.expected_rate(minute * 60));
        let steepest = minutes().zip(minutes().skip(1));
        assert!(
            steepest
                .into_iter()
                .all(|(one, next)| (next - one).abs() < 0.01)
        );
    }
}
