//! How recipes would have done on what was recorded.
//!
//! Blocked cross-validation for time series, walking forward (C. Bergmeir, J. M. Benítez, "On the use
//! of cross-validation for time series predictor evaluation", Information Sciences 191, 2012): the
//! stretch is cut into blocks, and each block but the first is judged by what was learned from all
//! before it. The production engine learns while it judges, so one pass over the stretch is that
//! walk exactly; what is reported is counted by block, and how far the blocks differ says how far the
//! mean can be trusted. The engines hear none of the answers that they are measured by.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{Backtested, Feedback, Fold, Observation, Recipe, Settings, Time};

use crate::config::EngineConfig;
use crate::engine::{Effect, Engine};
use crate::tally::{Alarms, api_weeks, tally};

/// Alarms kept of each recipe; more than that is nothing that anyone would put into force.
const MOST_ALARMS: usize = 20_000;
const MOST_RECIPES: usize = 8;
const FOLDS: std::ops::RangeInclusive<u32> = 2..=50;
/// How often what is complete is judged: oftener than an anomaly can begin and end.
const TICK: Duration = Duration::from_secs(5);
/// How often the judged time is counted.
const ROUND: Duration = Duration::from_secs(60);

/// A stretch, in how many blocks, and the recipes to compare, each with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestPlan {
    pub from: Time,
    pub to: Time,
    /// Blocks that are judged; one more, the first, is only learned from.
    pub folds: u32,
    pub recipes: Vec<(String, Recipe)>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    #[error("the stretch ends before it begins")]
    Backwards,
    #[error("a block would be shorter than a minute: take a longer stretch or fewer folds")]
    TooShort,
    #[error("{0} folds: 2 to 50 can be told apart")]
    Folds(u32),
    #[error("{0} recipes: 1 to {MOST_RECIPES} are compared at once")]
    Recipes(usize),
}

#[derive(Debug)]
pub struct Backtest {
    plan: BacktestPlan,
    answers: Vec<Feedback>,
    lanes: Vec<Lane>,
    newest: Time,
    judged: Time,
    counted: Time,
}

#[derive(Debug)]
struct Lane {
    engine: Engine,
    alarms: Alarms,
    /// Of each block that is judged.
    weeks: Vec<f64>,
}

impl Backtest {
    /// Engines set as `base` is, but for each recipe, and for the time, which is the records' own.
    pub fn new(
        base: &EngineConfig,
        settings: &Arc<Settings>,
        plan: BacktestPlan,
        answers: Vec<Feedback>,
    ) -> Result<Backtest, BadPlan> {
        if plan.from >= plan.to {
            return Err(BadPlan::Backwards);
        }
        if !FOLDS.contains(&plan.folds) {
            return Err(BadPlan::Folds(plan.folds));
        }
        if plan.recipes.is_empty() || plan.recipes.len() > MOST_RECIPES {
            return Err(BadPlan::Recipes(plan.recipes.len()));
        }
        if plan.to.since(plan.from) / (plan.folds + 1) < ROUND {
            return Err(BadPlan::TooShort);
        }
        let replay = EngineConfig::replay();
        let recorded = EngineConfig {
            clock: replay.clock,
            lateness: replay.lateness,
            max_future: replay.max_future,
            ..base.clone()
        };
        let lanes = plan
            .recipes
            .iter()
            .map(|(_, recipe)| {
                let mut engine = Engine::new(recorded.with(recipe));
                engine.configure(settings);
                Lane {
                    engine,
                    alarms: Alarms::default(),
                    weeks: vec![0.0; plan.folds as usize],
                }
            })
            .collect();
        Ok(Backtest {
            newest: plan.from,
            judged: plan.from,
            counted: plan.from,
            lanes,
            answers,
            plan,
        })
    }

    /// Observations come in about the order of time; those outside the stretch are passed over.
    pub fn observe(&mut self, observation: &Observation) {
        let time = observation.time();
        if time < self.plan.from || time >= self.plan.to {
            return;
        }
        for lane in &mut self.lanes {
            lane.engine.observe(observation);
        }
        self.newest = self.newest.max(time);
        if self.newest.since(self.judged) >= TICK {
            self.judge();
        }
        if self.newest.since(self.counted) >= ROUND {
            self.round();
        }
    }

    fn judge(&mut self) {
        self.judged = self.newest;
        for lane in &mut self.lanes {
            let effects = lane.engine.tick(self.newest);
            lane.take(&effects);
        }
    }

    fn round(&mut self) {
        let (from, to) = (self.counted, self.newest);
        self.counted = to;
        let block = self.block(from);
        for lane in &mut self.lanes {
            if let Some(weeks) = block.and_then(|block| lane.weeks.get_mut(block)) {
                *weeks += api_weeks(lane.engine.judged_apis(), to.since(from));
            }
        }
    }

    /// Which judged block a moment lies in; `None` for the first, which is not.
    fn block(&self, at: Time) -> Option<usize> {
        (0..self.plan.folds as usize).find(|block| {
            let (from, to) = self.span(*block);
            at >= from && at < to
        })
    }

    fn span(&self, block: usize) -> (Time, Time) {
        let blocks = self.plan.folds + 1;
        let length = self.plan.to.since(self.plan.from);
        let edge = |at: usize| {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            if at >= blocks {
                self.plan.to
            } else {
                self.plan.from + length / blocks * at
            }
        };
        (edge(block + 1), edge(block + 2))
    }

    /// What came of it, in the order of the plan's recipes.
    pub fn finish(mut self) -> Vec<Backtested> {
        self.judge();
        self.round();
        for lane in &mut self.lanes {
            let effects = lane.engine.finish();
            lane.take(&effects);
        }
        let judged = (self.span(0).0, self.plan.to);
        let spans: Vec<(Time, Time)> = (0..self.plan.folds as usize)
            .map(|block| self.span(block))
            .collect();
        let answers = &self.answers;
        self.lanes
            .iter()
            .zip(&self.plan.recipes)
            .map(|(lane, (name, recipe))| {
                let folds: Vec<Fold> = spans
                    .iter()
                    .zip(&lane.weeks)
                    .map(|(span, weeks)| Fold {
                        from: span.0,
                        to: span.1,
                        tally: tally(lane.alarms.iter(), answers, *span, *weeks),
                    })
                    .collect();
                let (mean, error) = mean_and_error(&folds);
                Backtested {
                    name: name.clone(),
                    recipe: recipe.clone(),
                    all: tally(lane.alarms.iter(), answers, judged, lane.weeks.iter().sum()),
                    folds,
                    mean_false_alarms_per_api_week: mean,
                    standard_error: error,
                }
            })
            .collect()
    }
}

impl Lane {
    fn take(&mut self, effects: &[Effect]) {
        self.alarms.follow(effects, &self.engine, MOST_ALARMS);
    }
}

/// Of the blocks in which anything was judged.
fn mean_and_error(folds: &[Fold]) -> (Option<f64>, Option<f64>) {
    let rates: Vec<f64> = folds
        .iter()
        .filter_map(|fold| fold.tally.false_alarms_per_api_week())
        .collect();
    if rates.is_empty() {
        return (None, None);
    }
    let n = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / n;
    let squares: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
    let error = (rates.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt());
    (Some(mean), error)
}
