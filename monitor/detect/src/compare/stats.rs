//! What is counted of one stretch of time.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_core::{Observation, Outcome, Severity, Sketch, TemplateId};

/// Templates kept: those with the smallest ids, which are hashes.
const MAX_TEMPLATES: usize = 8_192;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TemplateStats {
    pub records: u64,
    /// Of these, at ERROR or above.
    pub errors: u64,
}

/// An accumulator; merging two gives what adding all observations to one would have given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowStats {
    /// The length of the stretch; zero when unknown, then call rates are not compared.
    pub span: Duration,
    pub calls: u64,
    pub server_errors: u64,
    /// Seconds.
    pub latencies: Sketch,
    /// Seconds spent in the service itself: filled by the caller from spans.
    pub self_times: Sketch,
    /// Seconds that calls to this service spent on the way: its caller's span without its own.
    pub network_times: Sketch,
    /// The same of calls that this service made: its client spans without the callees' spans.
    pub outgoing_times: Sketch,
    pub records: u64,
    /// At ERROR or above.
    pub log_errors: u64,
    pub templates: BTreeMap<TemplateId, TemplateStats>,
}

impl WindowStats {
    pub fn new(span: Duration) -> WindowStats {
        WindowStats {
            span,
            ..WindowStats::default()
        }
    }

    pub fn add(&mut self, observation: &Observation) {
        match observation {
            Observation::Call(call) => {
                self.calls += 1;
                self.server_errors += u64::from(call.status.outcome() == Outcome::ServerError);
                if let Some(duration) = call.duration {
                    self.latencies.add(duration.as_secs_f64());
                }
            }
            Observation::Log {
                severity, template, ..
            } => {
                let error = u64::from(severity.is_some_and(|severity| severity >= Severity::Error));
                self.records += 1;
                self.log_errors += error;
                if let Some(template) = template {
                    self.add_template(
                        *template,
                        TemplateStats {
                            records: 1,
                            errors: error,
                        },
                    );
                }
            }
            Observation::Histogram { point, failed, .. } => {
                let calls: u64 = point.counts.iter().sum();
                self.calls += calls;
                if *failed {
                    self.server_errors += calls;
                }
            }
            Observation::Edge { .. }
            | Observation::Dependency { .. }
            | Observation::Hop(_)
            | Observation::CallEnd(_) => {}
        }
    }

    /// The part of a call that the service spent itself: its span without its children's.
    pub fn add_self_time(&mut self, own: Duration) {
        self.self_times.add(own.as_secs_f64());
    }

    /// The part of a call to this service that neither end can account for: the client's span
    /// without the server's. A slow link to it or a full accept queue slows all that call it.
    pub fn add_network_time(&mut self, between: Duration) {
        self.network_times.add(between.as_secs_f64());
    }

    /// The same for the caller. One that is starved of CPU sees all its calls slow; one of whose
    /// callees is slow, only those to it, so between two ends the cause moves more.
    pub fn add_outgoing_time(&mut self, between: Duration) {
        self.outgoing_times.add(between.as_secs_f64());
    }

    /// Adds all of `other`, its length included.
    pub fn merge(&mut self, other: &WindowStats) {
        self.span = self.span.saturating_add(other.span);
        self.calls += other.calls;
        self.server_errors += other.server_errors;
        self.latencies.merge(&other.latencies);
        self.self_times.merge(&other.self_times);
        self.network_times.merge(&other.network_times);
        self.outgoing_times.merge(&other.outgoing_times);
        self.records += other.records;
        self.log_errors += other.log_errors;
        for (template, stats) in &other.templates {
            self.add_template(*template, *stats);
        }
    }

    fn add_template(&mut self, template: TemplateId, stats: TemplateStats) {
        let mine = self.templates.entry(template).or_default();
        mine.records += stats.records;
        mine.errors += stats.errors;
        if self.templates.len() > MAX_TEMPLATES {
            self.templates.pop_last();
        }
    }
}
