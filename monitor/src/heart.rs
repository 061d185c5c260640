//! Pipeline and engine together: batches in, records and effects out.
//!
//! The monitor's worker thread and `replay` both drive one of these, so that what is replayed is
//! what would have happened live. Time comes in with the batches and the ticks.

use std::sync::Arc;

use monitor_core::{
    Batch, Change, IngestView, Observation, Record, ServiceKey, Settings, TemplateId, Time, View,
};
use monitor_engine::{Effect, Engine, EngineConfig, Models};
use monitor_ingest::pipeline::Pipeline;
use serde::{Deserialize, Serialize};

use crate::wording;

/// What a snapshot file begins with; changes when its content does.
const SNAPSHOT_VERSION: u32 = 8;

#[derive(Debug)]
pub struct Heart {
    pipeline: Pipeline,
    engine: Engine,
    /// Which model the engine is, and the one on trial beside it.
    models: Models,
    settings: Arc<Settings>,
    /// The sensitivity that the engine's models were made with.
    false_alarms_per_api_week: f64,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    false_alarms_per_api_week: f64,
    pipeline: Vec<u8>,
    engine: Vec<u8>,
    models: Vec<u8>,
}

impl Snapshot {
    fn read(bytes: &[u8]) -> Result<Snapshot, RestoreError> {
        let snapshot: Snapshot =
            postcard::from_bytes(bytes).map_err(|error| RestoreError(error.to_string()))?;
        if snapshot.version != SNAPSHOT_VERSION {
            return Err(RestoreError(format!(
                "it is of version {}, this is version {SNAPSHOT_VERSION}",
                snapshot.version
            )));
        }
        Ok(snapshot)
    }
}

/// A snapshot that this version cannot go on from; the caller starts to learn afresh.
#[derive(Debug, thiserror::Error)]
#[error("cannot go on from the snapshot: {0}")]
pub struct RestoreError(String);

impl Heart {
    pub fn new(config: EngineConfig) -> Heart {
        Heart {
            pipeline: Pipeline::new(),
            false_alarms_per_api_week: config.false_alarms_per_api_week,
            models: Models::new(config.clone()),
            settings: Arc::default(),
            engine: Engine::new(config),
        }
    }

    /// Reads and watches as is wanted from now on. A heart that was restored has to be told too.
    pub fn configure(&mut self, settings: &Arc<Settings>) {
        self.pipeline.configure(Arc::clone(settings));
        self.engine.configure(settings);
        self.models.configure(settings);
        self.settings = Arc::clone(settings);
    }

    /// Understands a batch and lets the engine see it. Returns the records to be stored, each with
    /// its item's place in the batch, and the observations, for those who watch live.
    pub fn take(&mut self, batch: Batch) -> (Vec<(u32, Record)>, Vec<Observation>) {
        let understood = self.pipeline.process(batch);
        for observation in &understood.observations {
            self.engine.observe(observation);
            self.models.observe(observation);
        }
        (understood.records, understood.observations)
    }

    /// Something was done to the platform. Whether it is new.
    pub fn note(&mut self, change: Change) -> bool {
        self.models.note(&change);
        self.engine.note(change)
    }

    /// Judges every bucket that is complete at `now`.
    pub fn tick(&mut self, now: Time) -> Vec<Effect> {
        let mut effects = self.engine.tick(now);
        let handed_over = self.models.tick(&mut self.engine, &effects, now);
        effects.extend(handed_over);
        self.worded(effects)
    }

    /// Judges all that remains, at the end of a recording.
    pub fn finish(&mut self) -> Vec<Effect> {
        let effects = self.engine.finish();
        self.models.finish(&self.engine, &effects);
        self.worded(effects)
    }

    /// For those who look after models: both engines, and what is wanted of them.
    pub(crate) fn models(&mut self) -> (&mut Models, &mut Engine, &Arc<Settings>) {
        (&mut self.models, &mut self.engine, &self.settings)
    }

    pub fn view(&self) -> View {
        let mut view = self.engine.view();
        view.logs = self.pipeline.logs();
        view.fields = self.pipeline.fields();
        let lookup = |service: &ServiceKey, id| self.template_text(service, id);
        view.anomalies
            .iter_mut()
            .for_each(|anomaly| wording::spell_out(anomaly, &lookup));
        view.alerts
            .iter_mut()
            .for_each(|alert| wording::spell_out_alert(alert, &lookup));
        view
    }

    /// Whether a workload was heard for the first time since this was last asked.
    pub(crate) fn take_news(&mut self) -> bool {
        self.pipeline.take_news()
    }

    /// A template of a service, `<*>` for each variable.
    pub(crate) fn template_text(&self, service: &ServiceKey, id: TemplateId) -> Option<String> {
        self.pipeline.template_text(service, id)
    }

    /// The engine knows templates by their ids; people do not.
    pub(crate) fn worded(&self, mut effects: Vec<Effect>) -> Vec<Effect> {
        let lookup = |service: &ServiceKey, id| self.template_text(service, id);
        for effect in &mut effects {
            match effect {
                Effect::AnomalyOpened(anomaly)
                | Effect::AnomalyUpdated(anomaly)
                | Effect::AnomalyClosed(anomaly) => wording::spell_out(anomaly, &lookup),
                Effect::Alert(alert) | Effect::Resend(alert) => {
                    wording::spell_out_alert(alert, &lookup);
                }
                Effect::IncidentOpened(_)
                | Effect::IncidentUpdated(_)
                | Effect::IncidentClosed(_)
                | Effect::RiskOpened(_)
                | Effect::RiskUpdated(_)
                | Effect::RiskClosed(_) => {}
            }
        }
        effects
    }

    pub fn ingest_view(&self) -> IngestView {
        self.pipeline.view()
    }

    /// Everything learned, as bytes.
    pub fn snapshot(&self) -> anyhow::Result<Vec<u8>> {
        let snapshot = Snapshot {
            version: SNAPSHOT_VERSION,
            false_alarms_per_api_week: self.false_alarms_per_api_week,
            pipeline: self.pipeline.snapshot()?,
            engine: self.engine.snapshot(),
            models: self.models.snapshot(),
        };
        Ok(postcard::to_stdvec(&snapshot)?)
    }

    pub fn restore(config: EngineConfig, bytes: &[u8]) -> Result<Heart, RestoreError> {
        Heart::of(config, &Snapshot::read(bytes)?)
    }

    /// With the sensitivity that it had, for those who only look at what was learned.
    pub(crate) fn as_it_was(bytes: &[u8]) -> Result<Heart, RestoreError> {
        let snapshot = Snapshot::read(bytes)?;
        let config = EngineConfig {
            false_alarms_per_api_week: snapshot.false_alarms_per_api_week,
            ..EngineConfig::replay()
        };
        Heart::of(config, &snapshot)
    }

    fn of(config: EngineConfig, snapshot: &Snapshot) -> Result<Heart, RestoreError> {
        let pipeline = Pipeline::restore(&snapshot.pipeline)
            .map_err(|error| RestoreError(error.to_string()))?;
        // A model is made for a sensitivity. Another one takes effect by learning afresh, because
        // a setting that does nothing would be worse.
        let sensitivity = config.false_alarms_per_api_week;
        let models = Models::restore(config.clone(), &snapshot.models)
            .map_err(|error| RestoreError(error.to_string()))?;
        let before = Engine::restore(models.config(), &snapshot.engine)
            .map_err(|error| RestoreError(error.to_string()))?;
        let (engine, models) = if sensitivity
            .total_cmp(&snapshot.false_alarms_per_api_week)
            .is_eq()
        {
            (before, models)
        } else {
            tracing::warn!(
                before = snapshot.false_alarms_per_api_week,
                now = sensitivity,
                "the sensitivity was changed: what is normal is learned afresh"
            );
            // What people said of anomalies stays true.
            let engine = before.sibling(config.clone(), true);
            (engine, models.begin_afresh(config))
        };
        Ok(Heart {
            pipeline,
            engine,
            models,
            settings: Arc::default(),
            false_alarms_per_api_week: sensitivity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_sensitivity_is_not_ignored_after_a_restart() {
        let quiet = EngineConfig::default();
        let mut heart = Heart::new(quiet.clone());
        heart.tick(Time::from_secs(1_772_359_200));
        let bytes = heart.snapshot().unwrap();
        let same = Heart::restore(quiet.clone(), &bytes).unwrap();
        assert_eq!(same.snapshot().unwrap(), bytes);
        let sharp = EngineConfig {
            false_alarms_per_api_week: 7.0,
            ..quiet
        };
        let other = Heart::restore(sharp, &bytes).unwrap();
        assert_ne!(other.snapshot().unwrap(), bytes);
        assert_eq!(other.false_alarms_per_api_week, 7.0);
    }
}
