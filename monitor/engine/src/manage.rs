//! What the engine answers to those who look after its models: what it has learned, what people said
//! of its anomalies, and a copy of it that judges by another recipe.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Anomaly, AnomalyId, Answer, ApiFuture, ApiKey, Feedback, Learned, LearnedSignal, Measure, Name,
    Recipe, Subject, Time,
};

use crate::config::EngineConfig;
use crate::engine::Engine;
use crate::episode::Episode;

impl Engine {
    /// Takes a person's answer to an anomaly; `None` when it is not known (any more). It has effect
    /// on what comes from the next second on; `ignore` mutes the signal for `lasting`.
    pub fn answer(
        &mut self,
        id: AnomalyId,
        answer: Answer,
        note: &str,
        lasting: Duration,
        at: Time,
    ) -> Option<Feedback> {
        let anomaly = self.anomaly(id)?;
        let book = &mut self.state.feedback;
        Some(book.answer(&anomaly, answer, note.to_owned(), lasting, at))
    }

    /// An anomaly that lasts, ended lately, or belongs to an alert that is still shown.
    pub fn anomaly(&self, id: AnomalyId) -> Option<Anomaly> {
        let shown = crate::view::anomalies(&self.state);
        if let Some(found) = shown.into_iter().find(|anomaly| anomaly.id == id) {
            return Some(found);
        }
        let at = Time::from_secs(self.state.watermark.unwrap_or_default());
        let alerts = self.state.book.alerts(at);
        let mut of_alerts = alerts.into_iter().flat_map(|alert| alert.anomalies);
        of_alerts.find(|anomaly| anomaly.id == id)
    }

    /// What people said, the latest first.
    pub fn feedback(&self) -> Vec<Feedback> {
        self.state.feedback.given().rev().cloned().collect()
    }

    /// What each Api and service has learned, in the order in which they were first seen, then each
    /// number, of those that are `wanted`. O(Apis).
    pub fn learned(&self, wanted: impl Fn(&Subject) -> bool) -> Vec<Learned> {
        let apis = self.state.apis.iter().enumerate();
        let apis = apis.filter(|(_, api)| !api.is_retired()).map(|(at, api)| {
            let mut parts = api.parts();
            parts.extend(self.state.combinations.part(at));
            (Subject::Api(Arc::clone(&api.key)), parts)
        });
        let services = self.state.services.iter().map(|service| {
            let subject = Subject::Service {
                service: service.service.clone(),
                environment: service.environment.clone(),
            };
            (subject, service.parts())
        });
        let numbers = (self.state.numbers.parts()).map(|(subject, part)| (subject, vec![part]));
        apis.chain(services)
            .chain(numbers)
            .filter(|(subject, _)| wanted(subject))
            .map(|(subject, parts)| Learned {
                subject,
                signals: parts
                    .into_iter()
                    .filter(|(.., episode)| episode.lineage.version > 0)
                    .map(|(measure, detector, episode)| signal(measure, detector, episode))
                    .collect(),
            })
            .collect()
    }

    /// What is expected of an Api: its rate and median response time at horizons from five minutes to
    /// seven days, and the chance that it fails soon. `None` of an Api that is not known. O(Apis).
    pub fn future(&self, api: &ApiKey) -> Option<ApiFuture> {
        let at = self
            .state
            .apis
            .iter()
            .position(|known| *known.key == *api)?;
        Some(self.state.foresight.future(at, &self.state.apis[at]))
    }

    /// Whether this open anomaly was worth telling someone.
    pub(crate) fn has_told(&self, id: AnomalyId) -> bool {
        self.state.told.contains(&id)
    }

    /// Apis of which there is a verdict.
    pub(crate) fn judged_apis(&self) -> usize {
        let apis = self.state.apis.iter();
        apis.filter(|api| api.pulse().judged).count()
    }

    /// How many Apis and services it knows.
    pub(crate) fn size(&self) -> (u64, u64) {
        let (apis, services) = (self.state.apis.len(), self.state.services.len());
        (apis as u64, services as u64)
    }

    /// Another engine that is set by `config` and begins with all that this one has learned, or with
    /// none of it; it knows what people said either way.
    #[must_use]
    pub fn sibling(&self, config: EngineConfig, afresh: bool) -> Engine {
        let mut sibling = if afresh {
            let mut new = Engine::new(config);
            new.state.feedback.adopt(&self.state.feedback);
            new
        } else {
            Engine {
                config,
                ..self.clone()
            }
        };
        sibling.configure(&self.settings);
        sibling
    }
}

impl EngineConfig {
    /// What of it is a model's and not the monitor's.
    pub(crate) fn recipe(&self) -> Recipe {
        Recipe {
            false_alarms_per_api_week: self.false_alarms_per_api_week,
            without: self.without.clone(),
        }
    }

    pub(crate) fn with(&self, recipe: &Recipe) -> EngineConfig {
        EngineConfig {
            false_alarms_per_api_week: recipe.false_alarms_per_api_week,
            without: recipe.without.clone(),
            ..self.clone()
        }
    }
}

fn signal(measure: Measure, detector: &'static str, episode: &Episode) -> LearnedSignal {
    let (lineage, seen) = (&episode.lineage, &episode.seen);
    LearnedSignal {
        measure: Name::from(measure.as_str()),
        detector: Name::from(detector),
        version: lineage.version,
        because: lineage.because.as_str(),
        created: lineage.created,
        learned_from: lineage.created,
        learned_to: lineage.learned_to,
        observations: lineage.observations,
        learning: lineage.learning,
        typical: seen.typical,
        band: seen.band,
    }
}
