//! The way to the models for those who look after them, and work that needs no models of ours.
//!
//! What concerns the models that judge is asked of the worker, who owns them, between two batches.
//! Backtests and the scoring of series that somebody sends take long and touch none of it: they run
//! on threads of their own, one backtest at a time.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::{
    Answer, ApiFuture, ApiKey, Comparison, Feedback, Learned, Model, ModelId, Recipe, SharedSearch,
    Time,
};
use monitor_engine::{Effect, TrialError};
use monitor_serve::{
    About, BacktestAnswer, BacktestRequest, Clock, Forecasts, Models, ModelsError, Refused, Scored,
    Wanted,
};
use tokio::sync::{Semaphore, oneshot};

use crate::heart::Heart;
use crate::worker::{Question, Work};

mod backtest;
mod series;

/// A backtest is hard work for a core and holds engines of its own.
const BACKTESTS: usize = 1;
/// Submitted series are judged quickly; a few at a time keep the cores for the monitor.
const SCORINGS: usize = 2;

#[derive(Debug)]
pub(crate) struct ToModels {
    worker: SyncSender<Work>,
    search: SharedSearch,
    clock: Arc<dyn Clock>,
    backtests: Arc<Semaphore>,
    scorings: Arc<Semaphore>,
}

impl ToModels {
    pub(crate) fn new(
        worker: SyncSender<Work>,
        search: SharedSearch,
        clock: Arc<dyn Clock>,
    ) -> ToModels {
        ToModels {
            worker,
            search,
            clock,
            backtests: Arc::new(Semaphore::new(BACKTESTS)),
            scorings: Arc::new(Semaphore::new(SCORINGS)),
        }
    }

    /// Asks the worker; the second of what `ask` returns has to be told.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Heart) -> (T, Vec<Effect>) + Send + 'static,
    ) -> Result<T, ModelsError> {
        let (told, answer) = oneshot::channel();
        let question = Question(Box::new(move |heart| {
            let (said, effects) = ask(heart);
            // Whoever asked may have left.
            let _gone = told.send(said);
            effects
        }));
        match self.worker.try_send(Work::Ask(question)) {
            Ok(()) => answer.await.map_err(|_| Refused::Stopping.into()),
            Err(TrySendError::Full(_)) => Err(Refused::Full {
                retry_after: Duration::from_secs(1),
            }
            .into()),
            Err(TrySendError::Disconnected(_)) => Err(Refused::Stopping.into()),
        }
    }

    /// Does something with each of some series, off the async runtime, a few requests at a time.
    async fn of_each<T: Send + 'static>(
        &self,
        series: Vec<Vec<(Time, f64)>>,
        with: impl Fn(&[(Time, f64)]) -> T + Send + 'static,
    ) -> Result<Vec<T>, ModelsError> {
        let turn = Arc::clone(&self.scorings).try_acquire_owned();
        let turn = turn.map_err(|_| Refused::Full {
            retry_after: Duration::from_secs(1),
        })?;
        let work = tokio::task::spawn_blocking(move || {
            // Held until the work ends, even if whoever asked has left.
            let _turn = turn;
            series.iter().map(|series| with(series)).collect()
        });
        work.await
            .map_err(|_| ModelsError::Failed("judging the series ended abnormally"))
    }

    /// The same for what has nothing to tell.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Heart) -> T + Send + 'static,
    ) -> Result<T, ModelsError> {
        self.ask(|heart| (look(heart), Vec::new())).await
    }
}

impl Models for ToModels {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Model>, ModelsError>> {
        Box::pin(self.look(|heart| {
            let (models, engine, _) = heart.models();
            models.list(engine)
        }))
    }

    fn comparison(&self) -> BoxFuture<'_, Result<Comparison, ModelsError>> {
        Box::pin(async {
            let compare = |heart: &mut Heart| {
                let (models, engine, _) = heart.models();
                models.comparison(engine)
            };
            self.look(compare).await?.map_err(refused)
        })
    }

    fn learned(&self, wanted: Wanted) -> BoxFuture<'_, Result<Vec<Learned>, ModelsError>> {
        Box::pin(self.look(move |heart| heart.models().1.learned(wanted)))
    }

    fn future(&self, api: Arc<ApiKey>) -> BoxFuture<'_, Result<Option<ApiFuture>, ModelsError>> {
        Box::pin(self.look(move |heart| heart.models().1.future(&api)))
    }

    fn begin(
        &self,
        recipe: Recipe,
        afresh: bool,
        automatic: bool,
    ) -> BoxFuture<'_, Result<Model, ModelsError>> {
        Box::pin(async move {
            let begin = move |heart: &mut Heart| {
                let (models, engine, _) = heart.models();
                models.begin(engine, recipe, afresh, automatic)
            };
            self.look(begin).await?.map_err(refused)
        })
    }

    fn end(&self, id: ModelId) -> BoxFuture<'_, Result<(), ModelsError>> {
        Box::pin(async move {
            let end = move |heart: &mut Heart| heart.models().0.end(id);
            self.look(end).await?.map_err(refused)
        })
    }

    fn promote(&self, id: ModelId, if_better: bool) -> BoxFuture<'_, Result<Model, ModelsError>> {
        Box::pin(async move {
            let now = self.clock.now();
            let promote = move |heart: &mut Heart| {
                let (models, engine, _) = heart.models();
                split(models.promote(engine, Some(id), if_better, now))
            };
            self.ask(promote).await?.map_err(refused)
        })
    }

    fn roll_back(&self) -> BoxFuture<'_, Result<Model, ModelsError>> {
        Box::pin(async move {
            let now = self.clock.now();
            let back = move |heart: &mut Heart| {
                let (models, engine, _) = heart.models();
                split(models.roll_back(engine, now))
            };
            self.ask(back).await?.map_err(refused)
        })
    }

    fn answer(
        &self,
        about: About,
        answer: Answer,
        note: String,
        lasting: Duration,
    ) -> BoxFuture<'_, Result<Vec<Feedback>, ModelsError>> {
        Box::pin(async move {
            let now = self.clock.now();
            let given = self
                .look(move |heart| give(heart, about, answer, &note, lasting, now))
                .await?;
            if given.is_empty() {
                return Err(ModelsError::Unknown(match about {
                    About::Anomaly(_) => "no anomaly has this id".to_owned(),
                    About::Alert(_) => "no alert has this id".to_owned(),
                }));
            }
            Ok(given)
        })
    }

    fn feedback(&self) -> BoxFuture<'_, Result<Vec<Feedback>, ModelsError>> {
        Box::pin(self.look(|heart| heart.models().1.feedback()))
    }

    fn backtest(
        &self,
        request: BacktestRequest,
    ) -> BoxFuture<'_, Result<BacktestAnswer, ModelsError>> {
        Box::pin(async move {
            let turn = Arc::clone(&self.backtests)
                .try_acquire_owned()
                .map_err(|_| ModelsError::NotNow("another backtest is running".to_owned()))?;
            let (config, settings, answers) = self
                .look(|heart| {
                    let (models, engine, settings) = heart.models();
                    (models.config(), Arc::clone(settings), engine.feedback())
                })
                .await?;
            let search = Arc::clone(&self.search);
            let work = tokio::task::spawn_blocking(move || {
                // Held until the work ends, even if whoever asked has left.
                let _turn = turn;
                backtest::run(&*search, &config, &settings, request, answers)
            });
            work.await
                .map_err(|_| ModelsError::Failed("the backtest ended abnormally"))?
        })
    }

    fn score(&self, series: Vec<Vec<(Time, f64)>>) -> BoxFuture<'_, Result<Scored, ModelsError>> {
        Box::pin(self.of_each(series, series::judge))
    }

    fn forecast(
        &self,
        series: Vec<Vec<(Time, f64)>>,
        after: Vec<Duration>,
    ) -> BoxFuture<'_, Result<Forecasts, ModelsError>> {
        Box::pin(self.of_each(series, move |series| series::foresee(series, &after)))
    }
}

/// What was found, apart from what has to be told of it.
fn split(
    outcome: Result<(Model, Vec<Effect>), TrialError>,
) -> (Result<Model, TrialError>, Vec<Effect>) {
    match outcome {
        Ok((model, effects)) => (Ok(model), effects),
        Err(error) => (Err(error), Vec::new()),
    }
}

pub(crate) fn refused(error: TrialError) -> ModelsError {
    match error {
        TrialError::Unknown(_) | TrialError::NoShadow => ModelsError::Unknown(error.to_string()),
        TrialError::NotOnTrial(_)
        | TrialError::NoPrevious
        | TrialError::NotBetter(_)
        | TrialError::TooEarly => ModelsError::NotNow(error.to_string()),
    }
}

/// An anomaly that only the model on trial has found can be answered too.
fn give(
    heart: &mut Heart,
    about: About,
    answer: Answer,
    note: &str,
    lasting: Duration,
    now: Time,
) -> Vec<Feedback> {
    let (models, engine, _) = heart.models();
    let ids = match about {
        About::Anomaly(id) => vec![id],
        About::Alert(id) => {
            let alerts = engine.view().alerts.into_iter();
            alerts
                .filter(|alert| alert.id == id)
                .flat_map(|alert| alert.anomalies)
                .map(|anomaly| anomaly.id)
                .collect()
        }
    };
    ids.into_iter()
        .filter_map(|id| models.answer(engine, id, answer, note, lasting, now))
        .collect()
}
