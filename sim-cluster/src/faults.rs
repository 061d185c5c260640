//! Trouble on request: what an API server does on its worst days, to whoever is to be tested.
//!
//! Rules are put by tests through [`Faults`], and by people with `PUT /crosswatch/faults`. They
//! concern requests over HTTP only.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// Whom it concerns, how often, and what happens. Empty lists mean everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default)]
    pub users: Vec<String>,
    /// `get`, `list`, `watch`, `create`, …
    #[serde(default)]
    pub verbs: Vec<String>,
    /// `pods`, `deployments.apps`.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Of the requests that it concerns, from 0 to 1.
    #[serde(default = "always")]
    pub share: f64,
    /// For how long from when the rule is put; until it is taken away when absent.
    #[serde(default)]
    pub seconds: Option<u32>,
    pub effect: Effect,
}

fn always() -> f64 {
    1.0
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// 429.
    TooManyRequests { retry_after_seconds: u64 },
    /// 500.
    InternalError,
    /// The answer waits.
    Slow { milliseconds: u64 },
    /// Lists and gets that accept any version are answered from the time when the rule was put, as
    /// far as the log reaches.
    StaleReads,
    /// Watches that run end without a word, once, when the rule is put; later ones run.
    DropWatches,
    /// Watches that run are told that their version is too old, once; and as long as the rule holds,
    /// so are those that begin from a version.
    ExpireWatches,
}

impl Rule {
    /// For everybody and every request.
    pub fn new(effect: Effect) -> Rule {
        Rule {
            users: Vec::new(),
            verbs: Vec::new(),
            resources: Vec::new(),
            share: 1.0,
            seconds: None,
            effect,
        }
    }

    /// For one user only.
    #[must_use]
    pub fn for_user(mut self, user: &str) -> Rule {
        self.users.push(user.to_owned());
        self
    }

    fn concerns(&self, asked: &Asked<'_>) -> bool {
        let within = |list: &[String], it: &str| list.is_empty() || list.iter().any(|x| x == it);
        within(&self.users, asked.user)
            && within(&self.verbs, asked.verb)
            && within(&self.resources, asked.resource)
    }
}

/// A request, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) user: &'a str,
    pub(crate) verb: &'a str,
    pub(crate) resource: &'a str,
}

/// What a request meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) too_many_requests: Option<u64>,
    pub(crate) internal_error: bool,
    pub(crate) delay: Duration,
    pub(crate) stale_at: Option<u64>,
    pub(crate) expired: bool,
}

/// The rules in force.
#[derive(Debug)]
pub struct Faults {
    rules: RwLock<Vec<Active>>,
    random: Mutex<StdRng>,
    /// Watches listen to what happens to them. One that misses something here has been interrupted
    /// more often than it can count, and ends.
    interruptions: broadcast::Sender<Interruption>,
}

#[derive(Clone, Debug)]
struct Active {
    rule: Rule,
    until: Option<Timestamp>,
    revision: u64,
}

/// Rules that a watch can be behind.
const INTERRUPTIONS: usize = 64;

/// Something that happens to running watches.
#[derive(Clone, Debug)]
pub(crate) struct Interruption {
    rule: Rule,
}

impl Interruption {
    /// None when it is not this watch that it happens to; else whether the watch is told why.
    pub(crate) fn ends(&self, asked: &Asked<'_>) -> Option<bool> {
        self.rule
            .concerns(asked)
            .then_some(self.rule.effect == Effect::ExpireWatches)
    }
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Faults {
        Faults {
            rules: RwLock::default(),
            // Another sequence than the one names are drawn from.
            random: Mutex::new(StdRng::seed_from_u64(!seed)),
            interruptions: broadcast::Sender::new(INTERRUPTIONS),
        }
    }

    pub(crate) fn put(&self, rules: Vec<Rule>, now: Timestamp, revision: u64) {
        for rule in &rules {
            if matches!(rule.effect, Effect::DropWatches | Effect::ExpireWatches) {
                // An error here means that no watch runs.
                drop(self.interruptions.send(Interruption { rule: rule.clone() }));
            }
        }
        let active = rules
            .into_iter()
            .map(|rule| {
                let span = rule
                    .seconds
                    .map(|it| jiff::SignedDuration::from_secs(i64::from(it)));
                let until = span.map(|it| now.saturating_add(it).unwrap_or(Timestamp::MAX));
                Active {
                    rule,
                    until,
                    revision,
                }
            })
            .collect();
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = active;
    }

    /// The rules that were put and are not over.
    pub(crate) fn in_force(&self, now: Timestamp) -> Vec<Rule> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules
            .iter()
            .filter(|it| it.holds(now))
            .map(|it| it.rule.clone())
            .collect()
    }

    pub(crate) fn meet(&self, asked: &Asked<'_>, now: Timestamp) -> Trouble {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let mut trouble = Trouble::default();
        for active in rules
            .iter()
            .filter(|it| it.holds(now) && it.rule.concerns(asked))
        {
            if !self.chance(active.rule.share) {
                continue;
            }
            match active.rule.effect {
                Effect::TooManyRequests {
                    retry_after_seconds,
                } => {
                    trouble.too_many_requests = Some(retry_after_seconds);
                }
                Effect::InternalError => trouble.internal_error = true,
                Effect::Slow { milliseconds } => {
                    trouble.delay += Duration::from_millis(milliseconds);
                }
                Effect::StaleReads => trouble.stale_at = Some(active.revision),
                Effect::DropWatches => {}
                Effect::ExpireWatches => trouble.expired = true,
            }
        }
        trouble
    }

    pub(crate) fn interruptions(&self) -> broadcast::Receiver<Interruption> {
        self.interruptions.subscribe()
    }

    fn chance(&self, share: f64) -> bool {
        if share >= 1.0 {
            return true;
        }
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.random::<f64>() < share
    }
}

impl Active {
    fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}
