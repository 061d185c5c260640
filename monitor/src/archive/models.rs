//! The models of a recording can be looked at; they judge nothing any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::{
    Answer, ApiFuture, ApiKey, Comparison, Feedback, Learned, Model, ModelId, Recipe, Time,
};
use monitor_serve::{
    About, BacktestAnswer, BacktestRequest, Forecasts, Models, ModelsError, Scored, Wanted,
};

use crate::heart::Heart;
use crate::models::refused;

/// What was learned when the replay ended, if that can still be read.
#[derive(Debug)]
pub(super) struct Recorded(Option<Mutex<Heart>>);

impl Recorded {
    pub(super) fn new(heart: Option<Heart>) -> Recorded {
        Recorded(heart.map(Mutex::new))
    }

    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Heart) -> T,
    ) -> BoxFuture<'static, Result<T, ModelsError>> {
        let Some(heart) = &self.0 else {
            return none();
        };
        // Nobody changes anything here, so a look that panicked has left nothing half done.
        let found = look(&mut heart.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(async { Ok(found) })
    }
}

impl Models for Recorded {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Model>, ModelsError>> {
        self.look(|heart| {
            let (models, engine, _) = heart.models();
            models.list(engine)
        })
    }

    fn comparison(&self) -> BoxFuture<'_, Result<Comparison, ModelsError>> {
        let found = self.look(|heart| {
            let (models, engine, _) = heart.models();
            models.comparison(engine)
        });
        Box::pin(async { found.await?.map_err(refused) })
    }

    fn learned(&self, wanted: Wanted) -> BoxFuture<'_, Result<Vec<Learned>, ModelsError>> {
        self.look(|heart| heart.models().1.learned(wanted))
    }

    fn begin(&self, _: Recipe, _: bool, _: bool) -> BoxFuture<'_, Result<Model, ModelsError>> {
        none()
    }

    fn end(&self, _: ModelId) -> BoxFuture<'_, Result<(), ModelsError>> {
        none()
    }

    fn promote(&self, _: ModelId, _: bool) -> BoxFuture<'_, Result<Model, ModelsError>> {
        none()
    }

    fn roll_back(&self) -> BoxFuture<'_, Result<Model, ModelsError>> {
        none()
    }

    fn answer(
        &self,
        _: About,
        _: Answer,
        _: String,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<Feedback>, ModelsError>> {
        none()
    }

    fn feedback(&self) -> BoxFuture<'_, Result<Vec<Feedback>, ModelsError>> {
        self.look(|heart| heart.models().1.feedback())
    }

    fn backtest(&self, _: BacktestRequest) -> BoxFuture<'_, Result<BacktestAnswer, ModelsError>> {
        none()
    }

    fn future(&self, api: Arc<ApiKey>) -> BoxFuture<'_, Result<Option<ApiFuture>, ModelsError>> {
        self.look(|heart| heart.models().1.future(&api))
    }

    fn forecast(
        &self,
        _: Vec<Vec<(Time, f64)>>,
        _: Vec<Duration>,
    ) -> BoxFuture<'_, Result<Forecasts, ModelsError>> {
        none()
    }

    fn score(&self, _: Vec<Vec<(Time, f64)>>) -> BoxFuture<'_, Result<Scored, ModelsError>> {
        none()
    }
}

fn none<T: Send>() -> BoxFuture<'static, Result<T, ModelsError>> {
    Box::pin(async { Err(ModelsError::NotNow("this is a recording".to_owned())) })
}
