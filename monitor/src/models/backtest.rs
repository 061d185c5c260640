//! Reads a stretch of stored records in the order of their time, and lets recipes judge it.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{Feedback, LogSearch, SearchError, SearchRequest, Settings, Time};
use monitor_engine::{Backtest, BacktestPlan, EngineConfig};
use monitor_ingest::recall;
use monitor_serve::{BacktestAnswer, BacktestRequest, ModelsError};

/// A stretch with more records takes minutes and is refused.
const MOST_RECORDS: u64 = 5_000_000;
/// Records read at a time; all of one step are held in memory.
const MOST_AT_ONCE: u64 = 200_000;
/// The index counts at most so many steps.
const MOST_STEPS: u32 = 10_000;
const SHORTEST_STEP: Duration = Duration::from_secs(1);

/// Runs the recipes over the stretch. Blocks; O(records), some microseconds for each and recipe.
pub(super) fn run(
    search: &dyn LogSearch,
    config: &EngineConfig,
    settings: &Arc<Settings>,
    request: BacktestRequest,
    answers: Vec<Feedback>,
) -> Result<BacktestAnswer, ModelsError> {
    let (from, to) = (request.from, request.to);
    let plan = BacktestPlan {
        from,
        to,
        folds: request.folds,
        recipes: request.recipes,
    };
    let mut backtest = Backtest::new(config, settings, plan, answers)
        .map_err(|error| ModelsError::Wrong(error.to_string()))?;
    let step = (to.since(from) / (MOST_STEPS - 1)).max(SHORTEST_STEP);
    let stretch = SearchRequest {
        from: Some(from),
        to: Some(to),
        limit: 0,
        newest_first: false,
        ..SearchRequest::default()
    };
    let steps = search.histogram(&stretch, step).map_err(failed)?;
    let records: u64 = steps.iter().map(|step| step.count).sum();
    if records > MOST_RECORDS {
        return Err(ModelsError::Wrong(format!(
            "the stretch has {records} records; {MOST_RECORDS} are the most: take a shorter one"
        )));
    }
    let mut read = 0;
    let mut begun: Option<(Time, u64)> = None;
    let mut gather = |from: Time, to: Time, count: u64| -> Result<(), ModelsError> {
        let page = search
            .search(&SearchRequest {
                from: Some(from),
                to: Some(to),
                // A few may have come since they were counted.
                limit: usize::try_from(count.saturating_add(1_000)).unwrap_or(usize::MAX),
                newest_first: false,
                ..SearchRequest::default()
            })
            .map_err(failed)?;
        read += page.hits.len() as u64;
        for hit in &page.hits {
            for observation in recall::observations(hit) {
                backtest.observe(&observation);
            }
        }
        Ok(())
    };
    for step in &steps {
        if step.count > MOST_AT_ONCE {
            return Err(ModelsError::Wrong(format!(
                "{} records lie at {}: more than {MOST_AT_ONCE} at once cannot be read",
                step.count, step.start
            )));
        }
        begun = match begun {
            Some((start, count)) if count + step.count > MOST_AT_ONCE => {
                gather(start, step.start, count)?;
                Some((step.start, step.count))
            }
            Some((start, count)) => Some((start, count + step.count)),
            None => Some((step.start.max(from), step.count)),
        };
    }
    if let Some((start, count)) = begun {
        gather(start, to, count)?;
    }
    Ok(BacktestAnswer {
        records: read,
        results: backtest.finish(),
    })
}

fn failed(error: SearchError) -> ModelsError {
    let error = anyhow::Error::new(error);
    tracing::error!(
        error = format!("{error:#}"),
        "the log index could not answer a backtest"
    );
    ModelsError::Failed("the log index could not answer")
}
