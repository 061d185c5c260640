//! The models there are: the one whose verdicts are told, and one beside it that is on trial.
//!
//! Whoever drives an [`Engine`] keeps a [`Models`] with it, shows it every observation, and lets it
//! see what came of each tick. A model on trial is another engine that judges the same samples by
//! another recipe; what it says is recorded and told to nobody. Promotion exchanges the two, so the
//! one that was active goes on learning in the shadow, and rolling back is as quick and loses
//! nothing. A trial costs as much as the active model, in time and in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Alert, AlertId, AlertState, AnomalyId, Answer, Change, Comparison, Feedback, Model, ModelId,
    ModelState, Observation, Recipe, Settings, Time,
};
use serde::{Deserialize, Serialize};

use crate::config::EngineConfig;
use crate::engine::{Effect, Engine, RestoreError};
use crate::tally::{Alarms, api_weeks, tally, weigh};

/// Alarms kept of each of the two.
const MOST_ALARMS: usize = 2_000;
/// Models remembered that are no more.
const MOST_RETIRED: usize = 50;
/// Sentences kept of a model's history.
const MOST_SENTENCES: usize = 20;
/// How often the time that was judged is counted, and whether one is better is looked at.
const ROUND: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Models {
    /// As the monitor was started.
    base: EngineConfig,
    last: u32,
    active: Model,
    shadow: Option<Shadow>,
    /// The latest last.
    retired: VecDeque<Model>,
}

#[derive(Clone, Debug)]
struct Shadow {
    model: Model,
    engine: Engine,
    trial: Trial,
    /// It was active before.
    previous: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Trial {
    since: Time,
    counted: Time,
    active: Alarms,
    shadow: Alarms,
    active_weeks: f64,
    shadow_weeks: f64,
}

/// What is kept over a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    last: u32,
    active: Model,
    shadow: Option<(Model, Vec<u8>, Trial, bool)>,
    retired: VecDeque<Model>,
}

/// Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    #[error("no model is on trial")]
    NoShadow,
    #[error("there is no {0}")]
    Unknown(ModelId),
    #[error("{0} is not on trial")]
    NotOnTrial(ModelId),
    #[error("no model was active before, so there is none to go back to")]
    NoPrevious,
    #[error("it is not measurably better: {0}")]
    NotBetter(String),
    #[error("nothing has been observed yet")]
    TooEarly,
}

impl Models {
    pub fn new(base: EngineConfig) -> Models {
        Models::after(0, base)
    }

    fn after(last: u32, base: EngineConfig) -> Models {
        let mut active = model(ModelId(last + 1), base.recipe(), ModelState::Active);
        active.history.push("made as the monitor is set".to_owned());
        Models {
            base,
            last: last + 1,
            active,
            shadow: None,
            retired: VecDeque::new(),
        }
    }

    /// How the active engine is to be set.
    pub fn config(&self) -> EngineConfig {
        self.base.with(&self.active.recipe)
    }

    /// The monitor is set otherwise than before: a new model begins with nothing.
    #[must_use]
    pub fn begin_afresh(mut self, base: EngineConfig) -> Models {
        if let Some(shadow) = self.shadow.take() {
            self.retire(shadow.model, "the monitor was set otherwise");
        }
        let before = self.active.clone();
        self.retire(before, "the monitor was set otherwise");
        Models {
            retired: self.retired,
            ..Models::after(self.last, base)
        }
    }

    pub fn observe(&mut self, observation: &Observation) {
        let time = observation.time();
        let of_shadow = self.shadow.as_mut().map(|shadow| &mut shadow.model);
        for model in [Some(&mut self.active), of_shadow].into_iter().flatten() {
            model.created.get_or_insert(time);
            model.since.get_or_insert(time);
            model.learned_from.get_or_insert(time);
            model.learned_to = model.learned_to.max(Some(time));
            model.observations += 1;
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.engine.observe(observation);
        }
    }

    pub fn configure(&mut self, settings: &Arc<Settings>) {
        if let Some(shadow) = &mut self.shadow {
            shadow.engine.configure(settings);
        }
    }

    pub fn note(&mut self, change: &Change) {
        if let Some(shadow) = &mut self.shadow {
            shadow.engine.note(change.clone());
        }
    }

    /// Lets the shadow judge what `engine` has just judged; `said` is what that gave. When the
    /// shadow has become better and may take over, it does: what has to be told then is returned.
    pub fn tick(&mut self, engine: &mut Engine, said: &[Effect], now: Time) -> Vec<Effect> {
        let Some(shadow) = &mut self.shadow else {
            return Vec::new();
        };
        let effects = shadow.engine.tick(now);
        shadow.follow(engine, said, &effects, now);
        let automatic = shadow.model.automatic && shadow.trial.counted == now;
        if automatic && self.comparison(engine).is_ok_and(|found| found.better) {
            return self
                .promote(engine, None, true, now)
                .map(|(_, effects)| effects)
                .unwrap_or_default();
        }
        Vec::new()
    }

    /// At the end of a recording.
    pub fn finish(&mut self, engine: &Engine, said: &[Effect]) {
        if let Some(shadow) = &mut self.shadow {
            let effects = shadow.engine.finish();
            shadow.trial.active.follow(said, engine, MOST_ALARMS);
            shadow
                .trial
                .shadow
                .follow(&effects, &shadow.engine, MOST_ALARMS);
        }
    }

    /// Puts a model on trial that begins with all that the active one has learned, or learns
    /// `afresh`. One that was on trial before is retired. O(Apis), and doubles the memory.
    pub fn begin(
        &mut self,
        engine: &Engine,
        recipe: Recipe,
        afresh: bool,
        automatic: bool,
    ) -> Result<Model, TrialError> {
        let now = self.active.learned_to.ok_or(TrialError::TooEarly)?;
        if let Some(before) = self.shadow.take() {
            self.retire(before.model, "another took its place on trial");
        }
        self.last += 1;
        let mut new = model(ModelId(self.last), recipe, ModelState::Shadow);
        new.created = Some(now);
        new.since = Some(now);
        new.automatic = automatic;
        if afresh {
            new.history.push("on trial; learns from nothing".to_owned());
        } else {
            let parent = self.active.id;
            new.parent = Some(parent);
            new.learned_from = self.active.learned_from;
            new.learned_to = self.active.learned_to;
            new.observations = self.active.observations;
            new.history
                .push(format!("on trial; began with what {parent} had learned"));
        }
        let engine = engine.sibling(self.base.with(&new.recipe), afresh);
        let shown = sized(&new, &engine);
        self.shadow = Some(Shadow {
            model: new,
            engine,
            trial: Trial::begun(now),
            previous: false,
        });
        Ok(shown)
    }

    /// Ends the trial of this model.
    pub fn end(&mut self, id: ModelId) -> Result<(), TrialError> {
        match self.shadow.take() {
            Some(shadow) if shadow.model.id == id => {
                self.retire(shadow.model, "its trial was ended by hand");
                Ok(())
            }
            other => {
                self.shadow = other;
                Err(self.not_the_shadow(id))
            }
        }
    }

    /// Exchanges the active model and the one on trial: at once when `if_better` is false, or only if
    /// that is measurably better. What has to be told is returned: alerts that only one of the two
    /// has.
    pub fn promote(
        &mut self,
        engine: &mut Engine,
        id: Option<ModelId>,
        if_better: bool,
        now: Time,
    ) -> Result<(Model, Vec<Effect>), TrialError> {
        let found = self.comparison(engine);
        let Some(shadow) = &self.shadow else {
            return Err(id.map_or(TrialError::NoShadow, |id| self.not_the_shadow(id)));
        };
        if let Some(id) = id.filter(|id| *id != shadow.model.id) {
            return Err(self.not_the_shadow(id));
        }
        let found = found?;
        if if_better && !found.better {
            return Err(TrialError::NotBetter(found.why));
        }
        let how = if if_better { "by measure" } else { "by hand" };
        let why = format!("promoted {how} at {now}: {}", found.why);
        self.exchange(engine, &why, now)
    }

    /// Makes the model active again that was before.
    pub fn roll_back(
        &mut self,
        engine: &mut Engine,
        now: Time,
    ) -> Result<(Model, Vec<Effect>), TrialError> {
        if !self.shadow.as_ref().is_some_and(|shadow| shadow.previous) {
            return Err(TrialError::NoPrevious);
        }
        self.exchange(engine, &format!("active again since {now}"), now)
    }

    /// The active one, the one on trial, then those that are no more, the latest first.
    pub fn list(&self, engine: &Engine) -> Vec<Model> {
        let mut list = vec![sized(&self.active, engine)];
        list.extend(
            self.shadow
                .as_ref()
                .map(|shadow| sized(&shadow.model, &shadow.engine)),
        );
        list.extend(self.retired.iter().rev().cloned());
        list
    }

    /// How the two do on the same samples.
    pub fn comparison(&self, engine: &Engine) -> Result<Comparison, TrialError> {
        let shadow = self.shadow.as_ref().ok_or(TrialError::NoShadow)?;
        let trial = &shadow.trial;
        let answers = engine.feedback();
        // What is detected at this very moment is in it.
        let span = (trial.since, trial.counted + ROUND + ROUND);
        let active = tally(trial.active.iter(), &answers, span, trial.active_weeks);
        let judged = tally(trial.shadow.iter(), &answers, span, trial.shadow_weeks);
        let (p, better, why) = weigh(&active, &judged);
        Ok(Comparison {
            active: self.active.id,
            shadow: shadow.model.id,
            since: trial.since,
            until: trial.counted,
            active_tally: active,
            shadow_tally: judged,
            p,
            better,
            why,
            only_active: trial.active.without(&trial.shadow, span.1),
            only_shadow: trial.shadow.without(&trial.active, span.1),
            forgotten: trial.active.forgotten + trial.shadow.forgotten,
        })
    }

    /// Takes a person's answer to an anomaly of `engine`, or to one that only the model on trial has
    /// found; both know of it from now on. `None` when neither knows the anomaly.
    pub fn answer(
        &mut self,
        engine: &mut Engine,
        id: AnomalyId,
        answer: Answer,
        note: &str,
        lasting: Duration,
        at: Time,
    ) -> Option<Feedback> {
        let mut given = engine.answer(id, answer, note, lasting, at);
        let Some(shadow) = &mut self.shadow else {
            return given;
        };
        let other = shadow.engine.answer(id, answer, note, lasting, at);
        let (known, unaware) = if given.is_some() {
            (&*engine, &mut shadow.engine)
        } else {
            given = other;
            (&shadow.engine, engine)
        };
        let feedback = known.state.feedback.clone();
        unaware.state.feedback.adopt(&feedback);
        given
    }

    /// Everything but the active engine, as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        crate::snapshot::encode(&Kept {
            last: self.last,
            active: self.active.clone(),
            shadow: self.shadow.as_ref().map(|shadow| {
                let engine = shadow.engine.snapshot();
                let model = shadow.model.clone();
                (model, engine, shadow.trial.clone(), shadow.previous)
            }),
            retired: self.retired.clone(),
        })
    }

    /// Goes on where [`Models::snapshot`] was taken.
    pub fn restore(base: EngineConfig, bytes: &[u8]) -> Result<Models, RestoreError> {
        let kept: Kept = crate::snapshot::decode(bytes)?;
        let shadow = kept
            .shadow
            .map(|(model, engine, trial, previous)| {
                Ok::<_, RestoreError>(Shadow {
                    engine: Engine::restore(base.with(&model.recipe), &engine)?,
                    model,
                    trial,
                    previous,
                })
            })
            .transpose()?;
        Ok(Models {
            base,
            last: kept.last,
            active: kept.active,
            shadow,
            retired: kept.retired,
        })
    }

    fn exchange(
        &mut self,
        engine: &mut Engine,
        why: &str,
        now: Time,
    ) -> Result<(Model, Vec<Effect>), TrialError> {
        let Some(shadow) = &mut self.shadow else {
            return Err(TrialError::NoShadow);
        };
        let before = firing(engine);
        std::mem::swap(engine, &mut shadow.engine);
        std::mem::swap(&mut self.active, &mut shadow.model);
        shadow.trial = Trial::begun(now);
        shadow.previous = true;
        shadow.model.automatic = false;
        let to = self.active.id;
        for (model, state, sentence) in [
            (&mut self.active, ModelState::Active, why.to_owned()),
            (
                &mut shadow.model,
                ModelState::Shadow,
                format!("{to} took its place at {now}; it goes on beside it"),
            ),
        ] {
            model.state = state;
            model.since = Some(now);
            remember(model, sentence);
        }
        let effects = handed_over(before, firing(engine), now);
        Ok((sized(&self.active, engine), effects))
    }

    fn retire(&mut self, mut model: Model, why: &str) {
        model.state = ModelState::Retired;
        model.since = self.active.learned_to;
        remember(&mut model, format!("retired: {why}"));
        if self.retired.len() >= MOST_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(model);
    }

    fn not_the_shadow(&self, id: ModelId) -> TrialError {
        let known = id == self.active.id || self.retired.iter().any(|model| model.id == id);
        if known {
            TrialError::NotOnTrial(id)
        } else {
            TrialError::Unknown(id)
        }
    }
}

impl Shadow {
    fn follow(&mut self, active: &Engine, said: &[Effect], own: &[Effect], now: Time) {
        let trial = &mut self.trial;
        trial.active.follow(said, active, MOST_ALARMS);
        trial.shadow.follow(own, &self.engine, MOST_ALARMS);
        let elapsed = now.since(trial.counted);
        if elapsed >= ROUND {
            trial.counted = now;
            trial.active_weeks += api_weeks(active.judged_apis(), elapsed);
            trial.shadow_weeks += api_weeks(self.engine.judged_apis(), elapsed);
        }
    }
}

impl Trial {
    fn begun(at: Time) -> Trial {
        Trial {
            since: at,
            counted: at,
            ..Trial::default()
        }
    }
}

fn model(id: ModelId, recipe: Recipe, state: ModelState) -> Model {
    Model {
        id,
        state,
        recipe,
        parent: None,
        created: None,
        since: None,
        history: Vec::new(),
        learned_from: None,
        learned_to: None,
        observations: 0,
        apis: 0,
        services: 0,
        automatic: false,
    }
}

fn sized(model: &Model, engine: &Engine) -> Model {
    let (apis, services) = engine.size();
    Model {
        apis,
        services,
        ..model.clone()
    }
}

fn remember(model: &mut Model, sentence: String) {
    if model.history.len() >= MOST_SENTENCES {
        // The first one says where it came from.
        model.history.remove(1);
    }
    model.history.push(sentence);
}

fn firing(engine: &Engine) -> BTreeMap<AlertId, Alert> {
    let alerts = engine.view().alerts;
    alerts
        .into_iter()
        .filter(|alert| alert.state == AlertState::Firing && alert.muted.is_none())
        .map(|alert| (alert.id, alert))
        .collect()
}

/// Receivers know of `before`; from now on they are told of `after`.
fn handed_over(
    before: BTreeMap<AlertId, Alert>,
    mut after: BTreeMap<AlertId, Alert>,
    now: Time,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (id, mut alert) in before {
        if after.remove(&id).is_none() {
            alert.state = AlertState::Resolved;
            alert.ends_at = Some(now);
            effects.push(Effect::Alert(alert));
        }
    }
    effects.extend(after.into_values().map(Effect::Alert));
    effects
}
