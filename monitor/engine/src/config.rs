//! What an [`crate::Engine`] may be told; every field has a default that needs no thought.

use std::collections::BTreeSet;
use std::time::Duration;

use monitor_core::{Name, Zones};

/// What decides that an observation comes too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Ticks carry the wall clock: everything before the watermark of the last tick is late.
    Wall,
    /// A recording: an observation is late when it is more than the lateness behind the newest
    /// event seen, so the number and spacing of ticks decide nothing.
    Event,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    pub clock: Clock,
    /// How long a bucket waits for stragglers before it is judged.
    pub lateness: Duration,
    /// How far beyond the last tick's `now` an event may lie; senders' clocks are never exact.
    /// Only with [`Clock::Wall`].
    pub max_future: Duration,
    /// Apis beyond this many share one visible route `~other` for each service and environment.
    pub max_apis: usize,
    /// Pairs of service and environment whose logs are watched; more are counted and dropped.
    pub max_services: usize,
    /// Numbers out of log fields that are judged, of those that people want watched: some 23 KiB each.
    pub max_numbers: usize,
    /// Apis whose rate and response time are forecast, the first to be known: some 9 KiB each.
    pub max_forecast: usize,
    /// Sensitivity: how many false alarms each Api may raise in a week.
    pub false_alarms_per_api_week: f64,
    /// Measures of which nothing is told, by name: `latency`, `rate`, …
    pub without: BTreeSet<Name>,
    /// No verdict before this many seconds in which calls (or records) arrived …
    pub learn_seconds: u32,
    /// … and this many calls or records.
    pub learn_calls: u64,
    /// The longest stretch without any observation from anyone that may count as real time
    /// without calls. A longer one is our blindness: nothing is judged or learned from it.
    pub blind_after: Duration,
    /// An anomaly that stays as it is for this long is a new normal: after its one alert the
    /// model learns afresh. Failures never become normal this quickly: see the detectors.
    pub shift_after: Duration,
    /// How long an alert is pending before it fires.
    pub pending_for: Duration,
    /// An alert that is not critical waits this much longer to be told: by then it is known how bad
    /// it gets, and what it is a part of.
    pub settle_for: Duration,
    /// How long an alert goes on firing after its last anomaly ended, so that it does not flap.
    pub keep_firing_for: Duration,
    /// A firing alert is sent again this often, as Alertmanager asks of its clients.
    pub resend_every: Duration,
    /// A resolved alert is sent again for this long.
    pub resend_resolved_for: Duration,
    /// By whose clock days and weeks are learned.
    pub zones: Zones,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            clock: Clock::Wall,
            lateness: Duration::from_secs(3),
            max_future: Duration::from_secs(10),
            max_apis: 100_000,
            max_services: 10_000,
            max_numbers: 1_000,
            max_forecast: 10_000,
            false_alarms_per_api_week: 0.1,
            without: BTreeSet::new(),
            // Long enough for five windows of a busy Api. Verdicts this early rest on a wide
            // predictive distribution, so only a large change is one.
            learn_seconds: 25,
            learn_calls: 30,
            blind_after: Duration::from_secs(60),
            shift_after: Duration::from_secs(30 * 60),
            pending_for: Duration::from_secs(5),
            settle_for: Duration::from_secs(10),
            keep_firing_for: Duration::from_secs(30),
            resend_every: Duration::from_secs(60),
            resend_resolved_for: Duration::from_secs(5 * 60),
            zones: Zones::default(),
        }
    }
}

impl EngineConfig {
    /// For a recording: event time decides, and files that overlap by minutes are no loss.
    pub fn replay() -> EngineConfig {
        EngineConfig {
            clock: Clock::Event,
            lateness: Duration::from_secs(150),
            max_future: Duration::MAX,
            ..EngineConfig::default()
        }
    }
}
