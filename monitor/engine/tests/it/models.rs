//! Models as things: on trial, promoted, taken back, restored; and what people say of anomalies.

use std::collections::BTreeSet;
use std::time::Duration;

use monitor_core::{AlertState, Answer, ApiState, ModelId, ModelState, Name, Recipe, Time};
use monitor_engine::{
    Backtest, BacktestPlan, BadPlan, Effect, Engine, EngineConfig, Models, TrialError,
};

use crate::world::{Random, START, Traffic, World, orders, second};

const MINUTE: i64 = 60;

fn recipe(false_alarms_per_api_week: f64) -> Recipe {
    Recipe {
        false_alarms_per_api_week,
        without: BTreeSet::new(),
    }
}

fn without_latency() -> Recipe {
    Recipe {
        without: BTreeSet::from([Name::from("latency")]),
        ..recipe(0.1)
    }
}

/// An engine with its models, and what was told.
struct Stage {
    engine: Engine,
    models: Models,
    random: Random,
    now: i64,
    told: Vec<Effect>,
}

impl Stage {
    fn new(seed: u64) -> Stage {
        Stage {
            engine: Engine::new(EngineConfig::default()),
            models: Models::new(EngineConfig::default()),
            random: Random::new(seed),
            now: START,
            told: Vec::new(),
        }
    }

    fn run(&mut self, seconds: i64, traffic: &[Traffic]) -> &mut Stage {
        for _ in 0..seconds {
            for observation in second(&mut self.random, self.now, traffic) {
                self.engine.observe(&observation);
                self.models.observe(&observation);
            }
            self.now += 1;
            let now = Time::from_secs(self.now);
            let effects = self.engine.tick(now);
            let handed_over = self.models.tick(&mut self.engine, &effects, now);
            self.told.extend(effects);
            self.told.extend(handed_over);
        }
        self
    }

    fn at(&self) -> Time {
        Time::from_secs(self.now)
    }

    fn opened(&self) -> usize {
        let opened = |effect: &&Effect| matches!(effect, Effect::AnomalyOpened(_));
        self.told.iter().filter(opened).count()
    }

    fn alerts(&self, state: AlertState) -> usize {
        let alert =
            |effect: &&Effect| matches!(effect, Effect::Alert(alert) if alert.state == state);
        self.told.iter().filter(alert).count()
    }
}

#[test]
fn a_model_on_trial_judges_the_same_and_tells_nobody() {
    let mut stage = Stage::new(1);
    let begin = |stage: &mut Stage, recipe| stage.models.begin(&stage.engine, recipe, false, false);
    assert_eq!(begin(&mut stage, recipe(0.1)), Err(TrialError::TooEarly));
    stage.run(5 * MINUTE, &[orders()]);
    let begun = begin(&mut stage, without_latency()).unwrap();
    assert_eq!((begun.id, begun.parent), (ModelId(2), Some(ModelId(1))));
    assert!(begun.observations > 0, "it begins with what was learned");
    stage.run(2 * MINUTE, &[orders().slower(5.0)]);
    assert_eq!(stage.opened(), 1, "told once, by the active one");
    let found = stage.models.comparison(&stage.engine).unwrap();
    assert_eq!(
        (found.active_tally.alarms, found.shadow_tally.alarms),
        (1, 0)
    );
    assert_eq!((found.only_active.len(), found.only_shadow.len()), (1, 0));
    assert!(!found.better);
    assert!(
        found.why.contains("nothing was marked as real"),
        "{}",
        found.why
    );
    let expected = 2.0 / 10_080.0;
    assert!((found.active_tally.api_weeks - expected).abs() < 0.2 * expected);
}

#[test]
fn promotion_hands_over_the_alerts_and_rolling_back_takes_them_again() {
    let mut stage = Stage::new(2);
    stage.run(5 * MINUTE, &[orders()]);
    stage
        .models
        .begin(&stage.engine, without_latency(), false, false)
        .unwrap();
    stage.run(2 * MINUTE, &[orders().slower(5.0)]);
    assert_eq!(stage.alerts(AlertState::Firing), 1);
    let at = stage.at();
    let wrong = stage
        .models
        .promote(&mut stage.engine, Some(ModelId(1)), false, at);
    assert_eq!(wrong.unwrap_err(), TrialError::NotOnTrial(ModelId(1)));
    let measured = stage.models.promote(&mut stage.engine, None, true, at);
    assert!(matches!(measured, Err(TrialError::NotBetter(_))));
    assert_eq!(
        stage.models.roll_back(&mut stage.engine, at).unwrap_err(),
        TrialError::NoPrevious
    );

    let (active, effects) = stage
        .models
        .promote(&mut stage.engine, None, false, at)
        .unwrap();
    assert_eq!((active.id, active.state), (ModelId(2), ModelState::Active));
    assert!(
        matches!(&effects[..], [Effect::Alert(alert)] if alert.state == AlertState::Resolved),
        "{effects:?}"
    );
    assert!(stage.engine.view().anomalies.is_empty());

    // Both go on with the same samples.
    stage.run(MINUTE, &[orders().slower(5.0)]);
    assert_eq!(stage.opened(), 1);
    let at = stage.at();
    let (active, effects) = stage.models.roll_back(&mut stage.engine, at).unwrap();
    assert_eq!(active.id, ModelId(1));
    assert!(
        matches!(&effects[..], [Effect::Alert(alert)] if alert.state == AlertState::Firing),
        "{effects:?}"
    );
    assert_eq!(stage.engine.view().anomalies.len(), 1);
    stage.models.end(ModelId(2)).unwrap();
    let states: Vec<ModelState> = stage
        .models
        .list(&stage.engine)
        .iter()
        .map(|model| model.state)
        .collect();
    assert_eq!(states, [ModelState::Active, ModelState::Retired]);
    assert_eq!(
        stage.models.end(ModelId(9)),
        Err(TrialError::Unknown(ModelId(9)))
    );
}

#[test]
fn a_model_that_learns_afresh_is_soon_ready_and_the_active_one_judges_meanwhile() {
    let mut stage = Stage::new(3);
    stage.run(5 * MINUTE, &[orders()]);
    let begun = stage
        .models
        .begin(&stage.engine, recipe(0.1), true, false)
        .unwrap();
    assert_eq!((begun.parent, begun.observations), (None, 0));
    stage.run(5 * MINUTE, &[orders()]);
    let at = stage.at();
    stage
        .models
        .promote(&mut stage.engine, None, false, at)
        .unwrap();
    assert_eq!(stage.engine.view().apis[0].state, ApiState::Ok);
    stage.run(MINUTE, &[orders().slower(5.0)]);
    assert_eq!(stage.opened(), 1);
}

/// Noise on `noisy` that nobody wants to hear of, and one trouble of `orders` that is real.
fn noise_and_trouble(stage: &mut Stage) {
    let noisy = orders().at("noisy", "/noisy");
    for round in 0..9 {
        let slow = if round == 4 { 5.0 } else { 1.0 };
        stage.run(
            MINUTE,
            &[
                orders().failing(if round == 4 { 0.6 } else { 0.002 }),
                noisy.clone().slower(4.0),
            ],
        );
        if slow > 1.0 {
            let of_orders =
                |id: &monitor_core::Anomaly| id.signal.subject.service().name.as_ref() == "orders";
            let view = stage.engine.view();
            let real: Vec<_> = view.anomalies.iter().filter(|a| of_orders(a)).collect();
            assert!(!real.is_empty());
            let at = stage.at();
            for anomaly in real {
                stage
                    .models
                    .answer(
                        &mut stage.engine,
                        anomaly.id,
                        Answer::Real,
                        "",
                        Duration::from_secs(60),
                        at,
                    )
                    .expect("it is known");
            }
        }
        stage.run(3 * MINUTE, &[orders(), noisy.clone()]);
    }
}

#[test]
fn one_that_is_measurably_better_takes_over_by_itself() {
    let mut stage = Stage::new(4);
    let both = [orders(), orders().at("noisy", "/noisy")];
    stage.run(10 * MINUTE, &both);
    stage
        .models
        .begin(&stage.engine, without_latency(), false, true)
        .unwrap();
    noise_and_trouble(&mut stage);
    let models = stage.models.list(&stage.engine);
    assert_eq!(models[0].id, ModelId(2), "{:#?}", models);
    let history = models[0].history.join("\n");
    assert!(history.contains("promoted by measure"), "{history}");
}

#[test]
fn a_restart_goes_on_with_both_models() {
    let mut stage = Stage::new(5);
    stage.run(5 * MINUTE, &[orders()]);
    stage
        .models
        .begin(&stage.engine, recipe(2.0), false, true)
        .unwrap();
    stage.run(MINUTE, &[orders().slower(2.0)]);
    let bytes = stage.models.snapshot();
    let restored = Models::restore(EngineConfig::default(), &bytes).unwrap();
    assert_eq!(restored.snapshot(), bytes);
    let engine = Engine::restore(restored.config(), &stage.engine.snapshot()).unwrap();
    let mut other = Stage {
        engine,
        models: restored,
        random: stage.random.clone(),
        now: stage.now,
        told: Vec::new(),
    };
    stage.told.clear();
    for stage in [&mut stage, &mut other] {
        stage.run(2 * MINUTE, &[orders().slower(5.0)]);
    }
    assert_eq!(stage.told, other.told);
    assert_eq!(stage.models.snapshot(), other.models.snapshot());
    assert!(Models::restore(EngineConfig::default(), &bytes[..bytes.len() - 2]).is_err());
}

#[test]
fn an_anomaly_that_was_expected_is_none_the_next_day() {
    let mut world = World::new(6);
    let slow = [orders().slower(4.0)];
    world.run(10 * MINUTE, &[orders()]).run(MINUTE, &slow);
    let first = world.opened()[0].clone();
    let at = Time::from_secs(world.now);
    let lasting = Duration::from_secs(60);
    let engine = &mut world.engine;
    let given = engine
        .answer(first.id, Answer::Expected, "month's end", lasting, at)
        .unwrap();
    assert_eq!(given.note, "month's end");
    world.run(2 * MINUTE, &slow);
    assert_eq!(world.api(&slow[0]).state, ApiState::Ok);
    assert_eq!(world.alerts(AlertState::Firing).len(), 1);
    world.run(5 * MINUTE, &[orders()]);
    assert_eq!(world.alerts(AlertState::Resolved).len(), 1);
    assert_eq!(world.opened().len(), 1);

    world.blind(86_400 - 18 * MINUTE);
    world.run(2 * MINUTE, &[orders()]).run(2 * MINUTE, &slow);
    assert_eq!(
        world.opened().len(),
        1,
        "the same at the same time of the day"
    );
    assert_eq!(world.engine.feedback()[0].held_back, 1);
    world.run(2 * MINUTE, &[orders().slower(20.0)]);
    assert_eq!(world.opened().len(), 2, "but not any more than that");
    assert!(
        world
            .engine
            .answer(first.id, Answer::Real, "", lasting, at)
            .is_some()
    );
}

#[test]
fn of_a_real_trouble_nothing_is_learned_however_long_it_lasts() {
    let shifted = |real: bool| {
        let mut world = World::with(
            EngineConfig {
                shift_after: Duration::from_secs(300),
                ..EngineConfig::default()
            },
            7,
        );
        let slow = [orders().slower(4.0)];
        world.run(10 * MINUTE, &[orders()]).run(MINUTE, &slow);
        if real {
            let id = world.opened()[0].id;
            let at = Time::from_secs(world.now);
            world
                .engine
                .answer(id, Answer::Real, "", Duration::from_secs(60), at)
                .unwrap();
        }
        world.run(20 * MINUTE, &slow);
        world.api(&slow[0]).state == ApiState::Ok
    };
    assert!(shifted(false), "what lasts becomes normal");
    assert!(!shifted(true));
}

#[test]
fn what_was_learned_has_versions() {
    let mut world = World::with(
        EngineConfig {
            shift_after: Duration::from_secs(300),
            ..EngineConfig::default()
        },
        8,
    );
    world.run(5 * MINUTE, &[orders()]);
    let version = |world: &World| {
        let learned = world.engine.learned(|_| true);
        let signals = &learned[0].signals;
        let latency = signals.iter().find(|signal| &*signal.measure == "latency");
        let latency = latency.unwrap().clone();
        (latency.version, latency.because, latency.observations > 100)
    };
    assert_eq!(version(&world), (1, "made", true));
    world.run(20 * MINUTE, &[orders().slower(4.0)]);
    assert_eq!(version(&world), (2, "shifted", true));
    assert!(world.engine.learned(|_| false).is_empty());
}

fn plan(minutes: i64, folds: u32, recipes: &[(&str, Recipe)]) -> BacktestPlan {
    BacktestPlan {
        from: Time::from_secs(START),
        to: Time::from_secs(START + minutes * MINUTE),
        folds,
        recipes: recipes
            .iter()
            .map(|(name, recipe)| ((*name).to_owned(), recipe.clone()))
            .collect(),
    }
}

#[test]
fn a_backtest_counts_block_by_block_what_each_recipe_would_have_said() {
    let mut random = Random::new(9);
    let mut world = World::new(9);
    let mut recorded = Vec::new();
    for at in 0..40 * MINUTE {
        // Slow in the third block of four, which is the second that is judged.
        let slow = (22 * MINUTE..25 * MINUTE).contains(&at);
        let traffic = [orders().slower(if slow { 5.0 } else { 1.0 })];
        recorded.extend(second(&mut random, START + at, &traffic));
    }
    for observation in &recorded {
        world.engine.observe(observation);
        world.engine.tick(observation.time());
    }
    let id = world.engine.view().anomalies.last().unwrap().id;
    let at = Time::from_secs(START + 40 * MINUTE);
    world
        .engine
        .answer(id, Answer::Real, "", Duration::from_secs(60), at)
        .unwrap();
    let run = || {
        let recipes = [("usual", recipe(0.1)), ("deaf", without_latency())];
        let mut backtest = Backtest::new(
            &EngineConfig::default(),
            &std::sync::Arc::default(),
            plan(40, 3, &recipes),
            world.engine.feedback(),
        )
        .unwrap();
        for observation in &recorded {
            backtest.observe(observation);
        }
        backtest.finish()
    };
    let results = run();
    let [usual, deaf] = &results[..] else {
        panic!("{results:?}");
    };
    let found: Vec<u64> = usual.folds.iter().map(|fold| fold.tally.found).collect();
    assert_eq!(found, [0, 1, 0]);
    assert_eq!((usual.all.found, usual.all.real), (1, 1));
    assert_eq!((deaf.all.found, deaf.all.alarms), (0, 0));
    let weeks = 30.0 / 10_080.0;
    assert!((usual.all.api_weeks - weeks).abs() < 0.1 * weeks);
    assert!(usual.all.median_delay.unwrap() < Duration::from_secs(60));
    assert_eq!(usual.folds[2].to, Time::from_secs(START + 40 * MINUTE));
    assert_eq!(results, run(), "the same again");
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let refused = |plan| {
        let settings = std::sync::Arc::default();
        Backtest::new(&EngineConfig::default(), &settings, plan, Vec::new()).unwrap_err()
    };
    let one = [("a", recipe(0.1))];
    assert_eq!(refused(plan(0, 3, &one)), BadPlan::Backwards);
    assert_eq!(refused(plan(3, 3, &one)), BadPlan::TooShort);
    assert_eq!(refused(plan(60, 1, &one)), BadPlan::Folds(1));
    assert_eq!(refused(plan(60, 3, &[])), BadPlan::Recipes(0));
}
