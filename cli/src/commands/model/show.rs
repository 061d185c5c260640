//! Models for people.

use monitor_api::{Alarm, BacktestResult, Learned, Model, ModelDetail, ModelState, Recipe, Tally};
use owo_colors::OwoColorize;

/// Alarms shown of each of two models.
const SHOWN: usize = 5;

pub(super) fn line(model: &Model) {
    let state = match model.state {
        ModelState::Active => "active ".green().to_string(),
        ModelState::Shadow => "shadow ".yellow().to_string(),
        ModelState::Retired => "retired".dimmed().to_string(),
    };
    let parent = model.parent.as_deref().unwrap_or("-");
    anstream::println!(
        "{:4} {state} from {parent:4} {} Apis, {} services, {} observations; {}",
        model.id.bold(),
        model.apis,
        model.services,
        model.observations,
        recipe(&model.recipe),
    );
}

pub(super) fn detail(detail: &ModelDetail) {
    let model = &detail.model;
    line(model);
    if let (Some(from), Some(to)) = (&model.learned_from, &model.learned_to) {
        anstream::println!("learned from {from} to {to}");
    }
    for sentence in &model.history {
        anstream::println!("  {sentence}");
    }
    let Some(found) = &detail.comparison else {
        return;
    };
    anstream::println!("\nsince {}, on the same samples", found.since);
    header();
    tally(&format!("{} (active)", found.active), &found.active_tally);
    tally(&format!("{} (on trial)", found.shadow), &found.shadow_tally);
    anstream::println!("{}", found.why);
    for (name, alarms) in [
        (&found.active, &found.only_active),
        (&found.shadow, &found.only_shadow),
    ] {
        alarms.iter().take(SHOWN).for_each(|one| alarm(name, one));
    }
}

fn alarm(model: &str, alarm: &Alarm) {
    anstream::println!(
        "  only {model}: {} {} {} (score {:.1})",
        alarm.detected.dimmed(),
        alarm.id,
        alarm.signal,
        alarm.score
    );
}

pub(super) fn learned(learned: &Learned) {
    anstream::println!("{}", learned.subject.name.bold());
    for signal in &learned.signals {
        let typical = match signal.typical {
            Some(typical) => format!("{typical:.4}"),
            None => "learning".to_owned(),
        };
        anstream::println!(
            "  {:20} {:20} v{} ({}, {}) from {} observations; typical {typical}",
            signal.measure,
            signal.detector.dimmed(),
            signal.version,
            signal.because,
            signal.created,
            signal.observations,
        );
    }
}

pub(super) fn backtest(result: &BacktestResult) {
    anstream::println!("{} records", result.records);
    header();
    for one in &result.results {
        tally(&one.name, &one.all);
        if let (Some(mean), Some(error)) = (one.mean_false_alarms_per_api_week, one.standard_error)
        {
            let folds = one.folds.len();
            anstream::println!("{:24} {mean:.3} ± {error:.3} over {folds} blocks", "");
        }
    }
}

fn header() {
    anstream::println!(
        "{}",
        format!(
            "{:24} {:>9} {:>7} {:>9} {:>14} {:>7} {:>8}",
            "", "Api-weeks", "alarms", "false", "per Api-week", "found", "delay"
        )
        .dimmed()
    );
}

fn tally(name: &str, tally: &Tally) {
    let number = |value: Option<f64>, digits: usize, unit: &str| match value {
        Some(value) => format!("{value:.digits$}{unit}"),
        None => "-".to_owned(),
    };
    anstream::println!(
        "{name:24} {:>9.3} {:>7} {:>9} {:>14} {:>7} {:>8}",
        tally.api_weeks,
        tally.alarms,
        tally.unwanted + tally.unanswered,
        number(tally.false_alarms_per_api_week, 3, ""),
        format!("{} of {}", tally.found, tally.real),
        number(tally.median_delay_seconds, 0, " s"),
    );
}

fn recipe(recipe: &Recipe) -> String {
    let rate = recipe.false_alarms_per_api_week.unwrap_or_default();
    let mut text = format!("{rate} false alarms a week");
    for measure in recipe.without.iter().flatten() {
        text.push_str(", without ");
        text.push_str(measure);
    }
    text
}
