//! One experiment of a kind: where it happens, how long it lasts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::intensity::Intensity;
use crate::change::Target;
use crate::chaos::estimate::Estimate;
use crate::chaos::experiment::{Expect, Experiment, Placed};
use crate::chaos::kind::{Fault, needs::Need};
use crate::random::Dice;
use crate::topology::Topology;

pub(super) struct Draw<'a> {
    topology: &'a Topology,
    estimate: Estimate,
    seed: u64,
    /// How often a place was hit: places that were not are likelier.
    hits: BTreeMap<String, u32>,
    /// How long what can be foreseen lasts, in seconds: at least, and less than.
    ramps: (u64, u64),
}

/// Requests a second below which a minute shows too little.
const BUSY: f64 = 0.5;

impl<'a> Draw<'a> {
    pub(super) fn new(topology: &'a Topology, seed: u64) -> Draw<'a> {
        Draw {
            topology,
            estimate: Estimate::new(topology),
            seed,
            hits: BTreeMap::new(),
            ramps: (240, 361),
        }
    }

    pub(super) fn with_ramps_of(self, ramps: (u64, u64)) -> Draw<'a> {
        Draw { ramps, ..self }
    }

    /// Whether there is a place for it.
    pub(super) fn possible(&self, kind: &str) -> bool {
        Fault::read(kind, json!({})).is_ok_and(|fault| !fault.eligible(self.topology).is_empty())
    }

    pub(super) fn experiment(&mut self, kind: &'static str, index: usize) -> Experiment {
        let mut dice = Dice::new(self.seed, &format!("chaos step {index} {kind}"));
        let usual = Fault::read(kind, json!({})).expect("every kind has usual parameters");
        let target = self.target(&usual, &mut dice);
        let duration = Duration::from_secs(if usual.foreseeable() {
            dice.between(self.ramps.0, self.ramps.1)
        } else {
            dice.between(45, 91)
        });
        let mut intensity = Intensity {
            topology: self.topology,
            estimate: &self.estimate,
            target: &target,
            duration,
            dice: &mut dice,
        };
        let fault = intensity.of(usual);
        let ramp = ramp(&fault, duration, &mut dice);
        let recovery = Duration::from_secs(dice.between(75, 121));
        let place = place(&target);
        let experiment = Experiment {
            name: name(kind, &place),
            description: describe(&fault, &target),
            faults: vec![Placed { fault, target }],
            ramp,
            duration,
            recovery,
            expect: Expect {
                detected_within: (!usual_is_benign(kind)).then(|| Duration::from_secs(30)),
                ..Expect::default()
            },
        };
        *self.hits.entry(place).or_default() += 1;
        experiment
            .fit(self.topology, "")
            .expect("what is drawn from a topology fits it")
    }

    fn target(&self, fault: &Fault, dice: &mut Dice) -> Target {
        let eligible = self.of_one_variant(fault, dice);
        let busy: Vec<&Target> = eligible
            .iter()
            .filter(|target| {
                let service = target.service.as_ref();
                service.is_none_or(|service| self.rate(fault.need(), service) >= BUSY)
            })
            .collect();
        let all: Vec<&Target> = if busy.is_empty() {
            eligible.iter().collect()
        } else {
            busy
        };
        let same_place = |target: &Target| {
            let place = place(target);
            all.iter()
                .filter(|other| self::place(other) == place)
                .count()
        };
        // A service with many tenants is not likelier than one with few.
        let weights: Vec<f64> = all
            .iter()
            .map(|target| {
                let hits = self.hits.get(&place(target)).copied().unwrap_or(0);
                1.0 / (same_place(target) as f64 * f64::from(1 + hits).powi(3))
            })
            .collect();
        all[dice.pick(&weights)].clone()
    }

    /// Of what the fault would touch, a second.
    fn rate(&self, need: Need, service: &str) -> f64 {
        match need {
            Need::Store | Need::Voice | Need::Consumer => self.estimate.service_rate(service),
            _ => self.estimate.request_rate(self.topology, service),
        }
    }

    /// Of a partial failure, one of routes, replicas, clients and tenants.
    fn of_one_variant(&self, fault: &Fault, dice: &mut Dice) -> Vec<Target> {
        let eligible = fault.eligible(self.topology);
        if fault.need() != Need::Part {
            return eligible;
        }
        let variants: [fn(&Target) -> bool; 4] = [
            |target| target.route.is_some(),
            |target| target.replica.is_some(),
            |target| target.client.is_some(),
            |target| target.tenant.is_some(),
        ];
        let with = |variant: &fn(&Target) -> bool| -> Vec<Target> {
            eligible
                .iter()
                .filter(|target| variant(target))
                .cloned()
                .collect()
        };
        let mut variants: Vec<Vec<Target>> = variants.iter().map(with).collect();
        variants.retain(|targets| !targets.is_empty());
        let weights = vec![1.0; variants.len()];
        variants.swap_remove(dice.pick(&weights))
    }
}

/// Whether faults of the kind grow so slowly that they can be foreseen.
pub(super) fn is_foreseeable(kind: &str) -> bool {
    Fault::read(kind, json!({})).is_ok_and(|fault| fault.foreseeable())
}

fn usual_is_benign(kind: &str) -> bool {
    Fault::KINDS[Fault::KINDS.len() - Fault::BENIGN..].contains(&kind)
}

/// What has degrees comes abruptly or within seconds; what can be foreseen comes slowly.
fn ramp(fault: &Fault, duration: Duration, dice: &mut Dice) -> Duration {
    let secs = match fault {
        Fault::SlowRamp { .. } => return duration.mul_f64(0.9),
        Fault::MarketingPeak { .. } | Fault::PlannedBatch { .. } => dice.between(10, 21),
        Fault::Latency { .. }
        | Fault::ErrorBurst { .. }
        | Fault::DatabaseSlow { .. }
        | Fault::LockContention { .. }
        | Fault::PoolExhaustion { .. }
        | Fault::CpuContention { .. }
        | Fault::TrafficSurge { .. }
        | Fault::TrafficDrop { .. }
        | Fault::LinkLatency { .. }
        | Fault::LinkLoss { .. }
            if dice.chance(0.5) =>
        {
            dice.between(2, 11)
        }
        _ => 0,
    };
    Duration::from_secs(secs)
}

fn place(target: &Target) -> String {
    let place = target
        .service
        .clone()
        .or_else(|| target.environment.clone());
    place.unwrap_or_else(|| "clients".to_owned())
}

fn name(kind: &str, place: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let place: String = place
        .to_lowercase()
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect();
    format!("{kind}-{place}")
}

/// A sentence.
fn describe(fault: &Fault, target: &Target) -> String {
    let who = place(target);
    let what = match fault {
        Fault::Latency { .. } => format!("{target} takes longer to answer."),
        Fault::SlowRamp { .. } => format!("{who} becomes slower and slower."),
        Fault::ErrorBurst { .. } => format!("{who} fails many of its requests."),
        Fault::PartialFailure { .. } => format!("Requests fail at one part only: {target}."),
        Fault::DependencyDown {} => format!("Nothing listens at {who} any more."),
        Fault::DatabaseSlow { factor, .. } => {
            format!("The database of {who} takes {factor} times as long.")
        }
        Fault::LockContention { .. } => format!("Somebody else holds the locks that {who} needs."),
        Fault::PoolExhaustion { .. } => format!("The database connections of {who} are used up."),
        Fault::RetryStorm { .. } => {
            format!("{who} fails partly, and its callers try again at once and often.")
        }
        Fault::CacheFailure { .. } => format!("The cache of {who} finds nothing."),
        Fault::CacheStampede { .. } => format!("The cached entries of {who} expire all together."),
        Fault::CpuContention { factor } => {
            format!("{who} shares its processor: work takes {factor} times as long.")
        }
        Fault::MemoryLeak { .. } => format!("{who} leaks memory until it is killed."),
        Fault::BadDeployment { .. } => {
            format!("A new version of {who} is slower and throws something new.")
        }
        Fault::ConfigurationChange { workers: None, .. } => {
            format!("{who} was given too short a timeout for its calls.")
        }
        Fault::ConfigurationChange { .. } => format!("{who} was given too few workers."),
        Fault::TrafficSurge { factor, .. } => format!("{factor} times as many clients come."),
        Fault::TrafficDrop { factor, .. } => {
            format!("Only {:.0} % of the clients come.", factor * 100.0)
        }
        Fault::ServiceSilent {} => format!("Nothing is heard of {who} any more; it works."),
        Fault::ConsumerStopped {} => format!("{who} takes no more messages."),
        Fault::LinkLatency { to, .. } => format!("The wire between {who} and {to} is slow."),
        Fault::LinkLoss { to, .. } => format!("The wire between {who} and {to} loses packets."),
        Fault::Partition { to } => format!("The wire between {who} and {to} is cut."),
        Fault::DnsFailure { .. } => format!("The name of {who} cannot be resolved."),
        Fault::CertificateExpiry {} => format!("The certificate of {who} has expired."),
        Fault::ClockSkew { .. } => format!("The clock of {who} is wrong."),
        Fault::RateLimiting { .. } => format!("{who} refuses requests as too many."),
        Fault::AuthenticationFailure { .. } => format!("{who} does not accept credentials."),
        Fault::LogFlood { .. } => format!("{who} writes far too many lines."),
        Fault::LogFormatChange { .. } => format!("{who} writes its lines in another format."),
        Fault::BenignDeployment { .. } => {
            format!("A new version of {who} with nothing wrong is rolled out.")
        }
        Fault::PlannedBatch { .. } => format!("The planned batch of {who} runs."),
        Fault::MarketingPeak { factor } => {
            format!("A campaign brings {factor} times as many clients, as expected.")
        }
    };
    let mut chars = what.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
