//! Two models, one of them on trial, as the site sees them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::*;
use monitor_serve::{
    About, BacktestAnswer, BacktestRequest, Forecasts, Foreseen, Models, ModelsError, Opinion,
    Scored, Wanted,
};

use super::fixture::noon;
use super::parcels::key;

/// Remembers what people said.
#[derive(Debug, Default)]
pub(crate) struct Two {
    given: Mutex<Vec<Feedback>>,
}

fn answer<T: Send + 'static>(
    answer: Result<T, ModelsError>,
) -> BoxFuture<'static, Result<T, ModelsError>> {
    Box::pin(async move { answer })
}

fn model(id: u32, state: ModelState, recipe: Recipe) -> Model {
    Model {
        id: ModelId(id),
        state,
        recipe,
        parent: (id > 1).then_some(ModelId(1)),
        created: Some(noon()),
        since: Some(noon()),
        history: vec!["made as the monitor is set".to_owned()],
        learned_from: Some(noon()),
        learned_to: Some(noon()),
        observations: 1_000,
        apis: 3,
        services: 2,
        automatic: false,
    }
}

fn usual() -> Recipe {
    Recipe {
        false_alarms_per_api_week: 0.1,
        without: BTreeSet::new(),
    }
}

fn tally() -> Tally {
    Tally {
        api_weeks: 2.0,
        alarms: 3,
        unwanted: 1,
        unanswered: 1,
        real: 1,
        found: 1,
        median_delay: Some(Duration::from_secs(12)),
        scores: vec![ScoreRange {
            from: 10.0,
            to: f64::INFINITY,
            alarms: 3,
            real: 1,
            unwanted: 1,
        }],
    }
}

impl Models for Two {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Model>, ModelsError>> {
        answer(Ok(vec![
            model(1, ModelState::Active, usual()),
            model(2, ModelState::Shadow, usual()),
        ]))
    }

    fn comparison(&self) -> BoxFuture<'_, Result<Comparison, ModelsError>> {
        answer(Ok(Comparison {
            active: ModelId(1),
            shadow: ModelId(2),
            since: noon(),
            until: noon(),
            active_tally: tally(),
            shadow_tally: Tally::default(),
            p: 0.25,
            better: false,
            why: "no fewer".to_owned(),
            only_active: Vec::new(),
            only_shadow: Vec::new(),
            forgotten: 0,
        }))
    }

    fn future(&self, _: Arc<ApiKey>) -> BoxFuture<'_, Result<Option<ApiFuture>, ModelsError>> {
        let signal = |measure, horizon_secs, [lower, median, upper]: [f64; 3]| SignalFuture {
            measure,
            at: noon() + Duration::from_secs(u64::from(horizon_secs)),
            horizon_secs,
            median,
            interval: Some((lower, upper)),
            scored: 12,
        };
        answer(Ok(Some(ApiFuture {
            failure_chance: Some(0.03),
            signals: vec![
                signal(Measure::Rate, 300, [8.0, 10.0, 12.5]),
                signal(Measure::Latency, 300, [0.04, 0.05, 0.07]),
            ],
        })))
    }

    fn learned(&self, wanted: Wanted) -> BoxFuture<'_, Result<Vec<Learned>, ModelsError>> {
        let subject = Subject::Api(key("cloud-a", "orders", "GET", "/orders/{id}"));
        let learned = Learned {
            signals: vec![LearnedSignal {
                measure: "latency".into(),
                detector: "latency-spike".into(),
                version: 2,
                because: "shifted",
                created: noon(),
                learned_from: noon(),
                learned_to: noon(),
                observations: 420,
                learning: false,
                typical: Some(0.05),
                band: Some(Band {
                    lower: 0.02,
                    upper: f64::INFINITY,
                }),
            }],
            subject,
        };
        let known = wanted(&learned.subject);
        answer(Ok(known.then_some(learned).into_iter().collect()))
    }

    fn begin(
        &self,
        recipe: Recipe,
        _afresh: bool,
        _automatic: bool,
    ) -> BoxFuture<'_, Result<Model, ModelsError>> {
        answer(Ok(model(3, ModelState::Shadow, recipe)))
    }

    fn end(&self, id: ModelId) -> BoxFuture<'_, Result<(), ModelsError>> {
        answer(match id {
            ModelId(2) => Ok(()),
            ModelId(1) => Err(ModelsError::NotNow("m1 is not on trial".to_owned())),
            _ => Err(ModelsError::Unknown(format!("there is no {id}"))),
        })
    }

    fn promote(&self, id: ModelId, if_better: bool) -> BoxFuture<'_, Result<Model, ModelsError>> {
        answer(if if_better {
            let why = "it is not measurably better: no fewer".to_owned();
            Err(ModelsError::NotNow(why))
        } else {
            Ok(model(id.0, ModelState::Active, usual()))
        })
    }

    fn roll_back(&self) -> BoxFuture<'_, Result<Model, ModelsError>> {
        answer(Ok(model(1, ModelState::Active, usual())))
    }

    fn answer(
        &self,
        about: About,
        said: Answer,
        note: String,
        lasting: Duration,
    ) -> BoxFuture<'_, Result<Vec<Feedback>, ModelsError>> {
        let About::Anomaly(id) = about else {
            return answer(Err(ModelsError::Unknown("no alert has this id".to_owned())));
        };
        let given = Feedback {
            anomaly: id,
            signal: SignalKey {
                subject: Subject::Api(key("cloud-a", "orders", "GET", "/orders/{id}")),
                measure: Measure::Latency,
            },
            detector: "latency-spike".into(),
            direction: Direction::Above,
            start: noon(),
            detected: noon(),
            end: None,
            score: 3.0,
            answer: said,
            note,
            at: noon(),
            until: (said == Answer::Ignore).then(|| noon() + lasting),
            held_back: 0,
        };
        self.given.lock().unwrap().push(given.clone());
        answer(Ok(vec![given]))
    }

    fn feedback(&self) -> BoxFuture<'_, Result<Vec<Feedback>, ModelsError>> {
        answer(Ok(self.given.lock().unwrap().clone()))
    }

    fn backtest(
        &self,
        request: BacktestRequest,
    ) -> BoxFuture<'_, Result<BacktestAnswer, ModelsError>> {
        let results = request
            .recipes
            .into_iter()
            .map(|(name, recipe)| Backtested {
                name,
                recipe,
                all: tally(),
                folds: vec![Fold {
                    from: request.from,
                    to: request.to,
                    tally: Tally::default(),
                }],
                mean_false_alarms_per_api_week: Some(1.0),
                standard_error: None,
            });
        answer(Ok(BacktestAnswer {
            records: u64::from(request.folds),
            results: results.collect(),
        }))
    }

    fn forecast(
        &self,
        series: Vec<Vec<(Time, f64)>>,
        after: Vec<Duration>,
    ) -> BoxFuture<'_, Result<Forecasts, ModelsError>> {
        let foreseen = |series: &Vec<(Time, f64)>| match series.last() {
            Some((_, last)) => Ok(after
                .iter()
                .map(|after| Foreseen {
                    after: *after,
                    median: *last,
                    interval: Some((f64::NEG_INFINITY, last + 1.0)),
                    scored: 7,
                })
                .collect()),
            None => Err("there are no points".to_owned()),
        };
        answer(Ok(series.iter().map(foreseen).collect()))
    }

    fn score(&self, series: Vec<Vec<(Time, f64)>>) -> BoxFuture<'_, Result<Scored, ModelsError>> {
        let judge = |series: &Vec<(Time, f64)>| {
            let opinions = series.iter().map(|(time, value)| Opinion {
                time: *time,
                value: *value,
                typical: f64::NAN,
                evidence: 0.0,
                surprise: 0.0,
                alarm: 0.0,
                side: "level",
            });
            if series.is_empty() {
                Err("there are no points".to_owned())
            } else {
                Ok(opinions.collect())
            }
        };
        answer(Ok(series.iter().map(judge).collect()))
    }
}
