//! A recording has no models that judge.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::{
    Answer, ApiFuture, ApiKey, Comparison, Feedback, Learned, Model, ModelId, Recipe, Time,
};
use monitor_serve::{
    About, BacktestAnswer, BacktestRequest, Forecasts, Models, ModelsError, Scored, Wanted,
};

use super::Shut;

impl Models for Shut {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Model>, ModelsError>> {
        none()
    }

    fn comparison(&self) -> BoxFuture<'_, Result<Comparison, ModelsError>> {
        none()
    }

    fn learned(&self, _: Wanted) -> BoxFuture<'_, Result<Vec<Learned>, ModelsError>> {
        none()
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
        none()
    }

    fn backtest(&self, _: BacktestRequest) -> BoxFuture<'_, Result<BacktestAnswer, ModelsError>> {
        none()
    }

    fn future(&self, _: Arc<ApiKey>) -> BoxFuture<'_, Result<Option<ApiFuture>, ModelsError>> {
        none()
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
