//! Pipeline and engine together: batches in, records and effects out.
//!
//! The monitor's worker thread and `replay` both drive one of these, so that what is replayed is
//! what would have happened live. Time comes in with the batches and the ticks.

use monitor_core::{Batch, IngestView, Observation, Record, ServiceKey, TemplateId, Time, View};
use monitor_engine::{Effect, Engine, EngineConfig};
use monitor_ingest::pipeline::Pipeline;
use serde::{Deserialize, Serialize};

use crate::wording;

/// What a snapshot file begins with; changes when its content does.
const SNAPSHOT_VERSION: u32 = 1;

#[derive(Debug)]
pub struct Heart {
    pipeline: Pipeline,
    engine: Engine,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    pipeline: Vec<u8>,
    engine: Vec<u8>,
}

/// A snapshot that this version cannot go on from; the caller starts to learn afresh.
#[derive(Debug, thiserror::Error)]
#[error("cannot go on from the snapshot: {0}")]
pub struct RestoreError(String);

impl Heart {
    pub fn new(config: EngineConfig) -> Heart {
        Heart {
            pipeline: Pipeline::new(),
            engine: Engine::new(config),
        }
    }

    /// Understands a batch and lets the engine see it. Returns the records to be stored, each with
    /// its item's place in the batch, and the observations, for those who watch live.
    pub fn take(&mut self, batch: Batch) -> (Vec<(u32, Record)>, Vec<Observation>) {
        let understood = self.pipeline.process(batch);
        for observation in &understood.observations {
            self.engine.observe(observation);
        }
        (understood.records, understood.observations)
    }

    /// Judges every bucket that is complete at `now`.
    pub fn tick(&mut self, now: Time) -> Vec<Effect> {
        let effects = self.engine.tick(now);
        self.worded(effects)
    }

    /// Judges all that remains, at the end of a recording.
    pub fn finish(&mut self) -> Vec<Effect> {
        let effects = self.engine.finish();
        self.worded(effects)
    }

    pub fn view(&self) -> View {
        let mut view = self.engine.view();
        let lookup = |service: &ServiceKey, id| self.template_text(service, id);
        view.anomalies
            .iter_mut()
            .for_each(|anomaly| wording::spell_out(anomaly, &lookup));
        view.alerts
            .iter_mut()
            .for_each(|alert| wording::spell_out_alert(alert, &lookup));
        view
    }

    /// A template of a service, `<*>` for each variable.
    pub(crate) fn template_text(&self, service: &ServiceKey, id: TemplateId) -> Option<String> {
        self.pipeline.template_text(service, id)
    }

    /// The engine knows templates by their ids; people do not.
    fn worded(&self, mut effects: Vec<Effect>) -> Vec<Effect> {
        let lookup = |service: &ServiceKey, id| self.template_text(service, id);
        for effect in &mut effects {
            match effect {
                Effect::AnomalyOpened(anomaly)
                | Effect::AnomalyUpdated(anomaly)
                | Effect::AnomalyClosed(anomaly) => wording::spell_out(anomaly, &lookup),
                Effect::Alert(alert) | Effect::Resend(alert) => {
                    wording::spell_out_alert(alert, &lookup);
                }
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
            pipeline: self.pipeline.snapshot()?,
            engine: self.engine.snapshot(),
        };
        Ok(postcard::to_stdvec(&snapshot)?)
    }

    pub fn restore(config: EngineConfig, bytes: &[u8]) -> Result<Heart, RestoreError> {
        let snapshot: Snapshot =
            postcard::from_bytes(bytes).map_err(|error| RestoreError(error.to_string()))?;
        if snapshot.version != SNAPSHOT_VERSION {
            return Err(RestoreError(format!(
                "it is of version {}, this is version {SNAPSHOT_VERSION}",
                snapshot.version
            )));
        }
        let pipeline = Pipeline::restore(&snapshot.pipeline)
            .map_err(|error| RestoreError(error.to_string()))?;
        let engine = Engine::restore(config, &snapshot.engine)
            .map_err(|error| RestoreError(error.to_string()))?;
        Ok(Heart { pipeline, engine })
    }
}
