//! Models, feedback and backtests, through the typed client and every thread of the monitor.

use std::time::Duration;

use monitor::config::Values;
use monitor_api::{
    AnomaliesQuery, Answer, ApiState, ApisQuery, Candidate, Client, ClientError, FeedbackQuery,
    LearnedQuery, ModelState, NewBacktest, NewFeedback, NewTrial, Point, Promotion, Recipe, Series,
};
use monitor_core::{Time, View};

use crate::support::Site;

const START: Time = Time::from_secs(1_772_359_200);
const USUAL: Duration = Duration::from_millis(40);
const SLOW: Duration = Duration::from_millis(400);

fn client(site: &Site) -> Client {
    Client::new(&format!("http://{}", site.running.http), None).unwrap()
}

fn recipe(without: &str) -> Recipe {
    Recipe {
        false_alarms_per_api_week: None,
        without: Some(vec![without.to_owned()]),
    }
}

fn is_anomalous(view: &View) -> bool {
    view.anomalies.iter().any(|anomaly| anomaly.end.is_none())
}

fn status(error: ClientError) -> u16 {
    match error {
        ClientError::Problem(problem) => problem.status,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_people_say_changes_what_is_told() {
    let site = Site::start(START, Values::default()).await;
    let client = client(&site);
    let at = site.calls(START, 120, 20, USUAL).await;
    site.calls(at, 60, 20, SLOW).await;
    site.until("an anomaly", is_anomalous).await;
    let anomalies = client.anomalies(&AnomaliesQuery::default()).await.unwrap();
    let id = anomalies.items[0].id.clone();
    let said = |answer| NewFeedback {
        answer,
        note: "a rehearsal".to_owned(),
        for_seconds: None,
    };
    let given = client
        .answer_anomaly(&id, &said(Answer::Expected))
        .await
        .unwrap();
    assert_eq!((given.anomaly, given.note.as_str()), (id, "a rehearsal"));
    site.until("that it is withdrawn", |view| !is_anomalous(view))
        .await;
    let apis = client.apis(&ApisQuery::default()).await.unwrap();
    assert_eq!(
        apis.items[0].state,
        ApiState::Ok,
        "{}",
        apis.items[0].reason
    );
    let all = client.feedback(&FeedbackQuery::default()).await.unwrap();
    assert_eq!(all.total, 1);
    let unknown = client
        .answer_anomaly("00000000000000aa", &said(Answer::Real))
        .await;
    assert_eq!(status(unknown.unwrap_err()), 404);
    let unknown = client
        .answer_alert("00000000000000aa", &said(Answer::Real))
        .await;
    assert_eq!(status(unknown.unwrap_err()), 404);
}

#[tokio::test]
async fn a_model_is_tried_promoted_taken_back_and_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let values = || Values {
        data_dir: Some(folder.path().join("data")),
        ..Values::default()
    };
    let site = Site::start(START, values()).await;
    let asked = client(&site);
    let nothing_yet = asked.begin_trial(&NewTrial::default()).await.unwrap_err();
    assert_eq!(status(nothing_yet), 409);
    let at = site.calls(START, 120, 20, USUAL).await;
    // One that is still busy with calls asks to come back later.
    let late = Duration::from_secs(10);
    site.until("the calls, judged", |view| view.at + late >= at)
        .await;
    let wanted = NewTrial {
        recipe: recipe("latency"),
        ..NewTrial::default()
    };
    let begun = asked.begin_trial(&wanted).await.unwrap();
    assert_eq!((begun.id.as_str(), begun.state), ("m2", ModelState::Shadow));
    let measured = Promotion { if_better: true };
    let refused = asked.promote("m2", &measured).await.unwrap_err();
    assert_eq!(status(refused), 409);
    let by_hand = Promotion::default();
    let active = asked.promote("m2", &by_hand).await.unwrap();
    assert_eq!(active.state, ModelState::Active);
    assert_eq!(active.recipe.without, Some(vec!["latency".to_owned()]));
    site.calls(at, 5, 20, USUAL).await;
    site.running.stop().await.unwrap();

    let site = Site::start(at + Duration::from_secs(10), values()).await;
    let asked = client(&site);
    let models = asked.models().await.unwrap().items;
    let ids: Vec<(&str, ModelState)> = models
        .iter()
        .map(|model| (model.id.as_str(), model.state))
        .collect();
    assert_eq!(
        ids,
        [("m2", ModelState::Active), ("m1", ModelState::Shadow)]
    );
    let back = asked.roll_back().await.unwrap();
    assert_eq!((back.id.as_str(), back.state), ("m1", ModelState::Active));
    let shown = asked.model("m2").await.unwrap();
    assert_eq!(shown.model.state, ModelState::Shadow);
    assert_eq!(shown.comparison.unwrap().active, "m1");
    let learned = asked.learned(&LearnedQuery::default()).await.unwrap();
    assert!(
        learned.items[0]
            .signals
            .iter()
            .any(|signal| signal.measure == "latency" && signal.version == 1),
        "{learned:?}"
    );
    asked.end_trial("m2").await.unwrap();
    assert_eq!(status(asked.end_trial("m2").await.unwrap_err()), 409);
}

#[tokio::test]
async fn stored_records_tell_how_a_recipe_would_have_done() {
    let site = Site::start(START, Values::default()).await;
    let client = client(&site);
    let at = site.calls(START, 400, 10, USUAL).await;
    let at = site.calls(at, 60, 10, SLOW).await;
    site.until("an anomaly", is_anomalous).await;
    let id = client.anomalies(&AnomaliesQuery::default()).await.unwrap();
    let real = NewFeedback {
        answer: Answer::Real,
        note: String::new(),
        for_seconds: None,
    };
    client.answer_anomaly(&id.items[0].id, &real).await.unwrap();
    let end = site.calls(at, 140, 10, USUAL).await;
    site.finds("", 6_000).await;
    let wanted = NewBacktest {
        from: START.to_string(),
        to: Some(end.to_string()),
        folds: Some(3),
        candidates: vec![Candidate {
            name: "deaf".to_owned(),
            recipe: recipe("latency"),
        }],
    };
    let result = client.backtest(&wanted).await.unwrap();
    assert_eq!(result.records, 6_000);
    let found: Vec<(&str, u64, u64)> = result
        .results
        .iter()
        .map(|one| (one.name.as_str(), one.all.found, one.all.real))
        .collect();
    assert_eq!(found, [("active", 1, 1), ("deaf", 0, 1)]);
    assert_eq!(result.results[0].folds.len(), 3);
    let wrong = NewBacktest {
        folds: Some(100),
        ..wanted
    };
    assert_eq!(status(client.backtest(&wrong).await.unwrap_err()), 400);
}

#[tokio::test]
async fn a_submitted_series_is_judged() {
    let site = Site::start(START, Values::default()).await;
    let client = client(&site);
    let point = |at: u64, value: f64| Point {
        time: (START + Duration::from_secs(300 * at)).to_string(),
        value,
    };
    let wave = |at: u64| 10.0 + (at as f64 / 7.0).sin() + ((at * 7_919) % 13) as f64 / 13.0;
    let mut points: Vec<Point> = (0..2_000).map(|at| point(at, wave(at))).collect();
    points[1_900].value = 60.0;
    let series = [
        Series {
            id: "spike".to_owned(),
            points,
        },
        Series {
            id: "backwards".to_owned(),
            points: vec![point(2, 1.0), point(1, 1.0)],
        },
    ];
    let scores = client.score(&series).await.unwrap().series;
    let opinions = &scores[0].opinions;
    assert_eq!(opinions.len(), 2_000);
    let strangest = (1_000..2_000).max_by(|a, b| {
        let surprise = |at: &usize| opinions[*at].surprise;
        surprise(a).total_cmp(&surprise(b))
    });
    assert_eq!(strangest, Some(1_900));
    assert!(opinions[1_900].alarm > 0.0);
    assert_eq!(
        scores[1].error.as_deref(),
        Some("point 1 is not later than the one before it")
    );
}
