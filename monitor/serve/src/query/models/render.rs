//! Models, tallies and backtests in the words of the wire.

use monitor_api as wire;
use monitor_core::{
    Alarm, Backtested, Comparison, LearnedSignal, Model, ModelState, Recipe, Tally, Time,
};

use super::{expected, known, seconds};
use crate::query::words::{finite, or_zero};

/// Alarms shown of each of two models.
const MOST_ALARMS: usize = 100;

pub(super) fn model(model: &Model) -> wire::Model {
    let time = |time: Option<Time>| time.map(|time| time.to_string());
    wire::Model {
        id: model.id.to_string(),
        state: match model.state {
            ModelState::Active => wire::ModelState::Active,
            ModelState::Shadow => wire::ModelState::Shadow,
            ModelState::Retired => wire::ModelState::Retired,
        },
        recipe: recipe(&model.recipe),
        parent: model.parent.map(|parent| parent.to_string()),
        created: time(model.created),
        since: time(model.since),
        learned_from: time(model.learned_from),
        learned_to: time(model.learned_to),
        observations: model.observations,
        apis: model.apis,
        services: model.services,
        automatic: model.automatic,
        history: model.history.clone(),
    }
}

fn recipe(recipe: &Recipe) -> wire::Recipe {
    wire::Recipe {
        false_alarms_per_api_week: Some(recipe.false_alarms_per_api_week),
        without: Some(recipe.without.iter().map(ToString::to_string).collect()),
    }
}

pub(super) fn comparison(found: &Comparison) -> wire::Comparison {
    let alarms = |alarms: &[Alarm]| alarms.iter().take(MOST_ALARMS).map(alarm).collect();
    wire::Comparison {
        active: found.active.to_string(),
        shadow: found.shadow.to_string(),
        since: found.since.to_string(),
        until: found.until.to_string(),
        active_tally: tally(&found.active_tally),
        shadow_tally: tally(&found.shadow_tally),
        p: or_zero(found.p),
        better: found.better,
        why: found.why.clone(),
        only_active: alarms(&found.only_active),
        only_shadow: alarms(&found.only_shadow),
        forgotten: found.forgotten,
    }
}

fn tally(tally: &Tally) -> wire::Tally {
    wire::Tally {
        api_weeks: or_zero(tally.api_weeks),
        alarms: tally.alarms,
        unwanted: tally.unwanted,
        unanswered: tally.unanswered,
        false_alarms_per_api_week: known(tally.false_alarms_per_api_week()),
        real: tally.real,
        found: tally.found,
        median_delay_seconds: tally.median_delay.map(seconds),
        scores: tally
            .scores
            .iter()
            .map(|range| wire::ScoreRange {
                from: or_zero(range.from),
                to: finite(range.to),
                alarms: range.alarms,
                real: range.real,
                unwanted: range.unwanted,
            })
            .collect(),
    }
}

fn alarm(alarm: &Alarm) -> wire::Alarm {
    wire::Alarm {
        id: alarm.id.to_string(),
        signal: alarm.signal.to_string(),
        detector: alarm.detector.to_string(),
        start: alarm.start.to_string(),
        detected: alarm.detected.to_string(),
        end: alarm.end.map(|end| end.to_string()),
        score: or_zero(alarm.score),
    }
}

pub(super) fn signal(signal: &LearnedSignal) -> wire::LearnedSignal {
    wire::LearnedSignal {
        measure: signal.measure.to_string(),
        detector: signal.detector.to_string(),
        version: signal.version,
        parent: signal.version.checked_sub(1).filter(|parent| *parent > 0),
        because: signal.because.to_owned(),
        created: signal.created.to_string(),
        learned_from: signal.learned_from.to_string(),
        learned_to: signal.learned_to.to_string(),
        observations: signal.observations,
        learning: signal.learning,
        typical: known(signal.typical),
        expected: expected(signal),
    }
}

pub(super) fn backtested(result: &Backtested) -> wire::Backtested {
    wire::Backtested {
        name: result.name.clone(),
        recipe: recipe(&result.recipe),
        all: tally(&result.all),
        mean_false_alarms_per_api_week: known(result.mean_false_alarms_per_api_week),
        standard_error: known(result.standard_error),
        folds: result
            .folds
            .iter()
            .map(|fold| wire::BacktestFold {
                from: fold.from.to_string(),
                to: fold.to.to_string(),
                tally: tally(&fold.tally),
            })
            .collect(),
    }
}
