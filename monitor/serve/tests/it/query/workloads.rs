//! `GET /workloads`: everything, then only what changed, as soon as it has.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use monitor_api::Workloads;
use monitor_core::{ApiState, ServiceKey, Time, View};
use monitor_serve::workloads::{Book, Revisions};

use super::fixture::{Site, noon};
use super::parcels::view;
use super::{get, get_from, router, send, usual};

/// One line for each workload.
fn show(workloads: &Workloads) -> String {
    let lines: Vec<String> = workloads
        .items
        .iter()
        .map(|item| {
            let routes: Vec<&str> = item.routes.iter().map(|route| &*route.route).collect();
            format!(
                "{}/{} @ {}: {:?}, {} Apis {routes:?}, logs {} since {}, {} incidents",
                item.namespace,
                item.service,
                item.environment,
                item.state,
                item.apis,
                item.log_format.as_deref().unwrap_or("in no format"),
                item.first_log.as_deref().unwrap_or("never"),
                item.incidents.len(),
            )
        })
        .collect();
    lines.join("\n") + "\n"
}

/// What is published while the views of a monitor follow one another, a second apart.
struct Story {
    site: Site,
    book: Book,
    view: View,
    now: Time,
}

impl Story {
    fn new() -> Story {
        let mut story = Story {
            site: usual(),
            book: Book::new(noon()),
            view: view(noon()),
            now: noon(),
        };
        story.goes_on(|_| {});
        story
    }

    fn goes_on(&mut self, change: impl FnOnce(&mut View)) {
        self.configured(&Revisions::new(), change);
    }

    fn configured(&mut self, revisions: &Revisions, change: impl FnOnce(&mut View)) {
        change(&mut self.view);
        self.now = self.now + Duration::from_secs(1);
        let published = self.book.take(&self.view, revisions, self.now);
        self.site.workloads.send_replace(Arc::new(published));
    }

    async fn ask(&self, query: &str) -> Workloads {
        let answer = get_from(&self.site, &format!("/api/v1/workloads{query}")).await;
        serde_json::from_str(&answer.body).unwrap()
    }

    async fn after(&self, seen: &Workloads) -> Workloads {
        self.ask(&format!("?after={}", seen.cursor)).await
    }
}

#[tokio::test]
async fn each_workload_is_told_with_its_worst_routes() {
    let story = Story::new();
    let all = story.ask("").await;
    assert!(all.complete);
    expect![[r#"
        post/depots @ dc-north: Silent, 1 Apis ["arrivals"], logs in no format since never, 0 incidents
        post/gateway @ aws-eu-central-1: Ok, 3 Apis ["~other", "/parcels/{id}", "/parcels"], logs json since 2026-11-21T10:59:58Z, 0 incidents
        post/labels @ dc-north: Anomalous, 1 Apis ["/labels"], logs logfmt since 2026-11-21T10:59:58Z, 1 incidents
        post/notify @ gcp-europe-west4: Learning, 1 Apis ["post.Notify/Send"], logs in no format since never, 0 incidents
        post/tariffs @ aws-eu-central-1: Anomalous, 1 Apis ["/quotes/{id}"], logs in no format since never, 1 incidents
    "#]].assert_eq(&show(&all));
    let one = story.ask("?namespace=post&service=labels").await;
    assert_eq!(one.items.len(), 1);
    assert_eq!(story.ask("?namespace=other").await.items.len(), 0);
}

#[tokio::test]
async fn numbers_that_move_change_nothing() {
    let mut story = Story::new();
    let all = story.ask("").await;
    story.goes_on(|view| {
        for api in &mut view.apis {
            api.rate += 1.5;
            api.p99 = Some(0.123);
            api.calls_total += 90;
            api.last_seen = noon();
        }
        for logs in &mut view.logs {
            logs.records += 1_000;
            logs.last = noon();
        }
    });
    let delta = story.after(&all).await;
    assert_eq!((delta.items.len(), delta.complete), (0, false));
    assert_eq!(delta.cursor, all.cursor);
    let again = story.ask("").await;
    assert_ne!(
        again.items[0].calls_per_second,
        all.items[0].calls_per_second
    );
    let moments = |all: &Workloads| -> Vec<String> {
        all.items.iter().map(|item| item.changed.clone()).collect()
    };
    assert_eq!(moments(&again), moments(&all));
}

#[tokio::test]
async fn only_who_changed_is_told_again() {
    let mut story = Story::new();
    let all = story.ask("").await;
    story.goes_on(|view| {
        let api = view
            .apis
            .iter_mut()
            .find(|api| &*api.key.service.name == "notify");
        api.unwrap().state = ApiState::Ok;
    });
    let delta = story.after(&all).await;
    assert_eq!(show(&delta).lines().count(), 1);
    assert_eq!(delta.items[0].service, "notify");
    assert_eq!(delta.items[0].changed, story.now.to_string());
    assert!(story.after(&delta).await.items.is_empty());
}

#[tokio::test]
async fn a_first_log_wakes_who_waits() {
    let mut story = Story::new();
    let all = story.ask("").await;
    let uri = format!("/api/v1/workloads?after={}&wait_seconds=30", all.cursor);
    let request = axum::http::Request::get(uri).body(axum::body::Body::empty());
    let mut waiting = Box::pin(send(router(&story.site), request.unwrap()));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    story.goes_on(|view| {
        let mut logs = view.logs[0].clone();
        logs.service = ServiceKey::new("post", "stamps");
        logs.records = 1;
        view.logs.push(logs);
    });
    let answer: Workloads = serde_json::from_str(&waiting.await.body).unwrap();
    expect![[r#"
        post/stamps @ aws-eu-central-1: Learning, 0 Apis [], logs json since 2026-11-21T10:59:58Z, 0 incidents
    "#]].assert_eq(&show(&answer));
}

#[tokio::test(start_paused = true)]
async fn waiting_in_vain_ends_with_nothing() {
    let story = Story::new();
    let all = story.ask("").await;
    let asked = tokio::time::Instant::now();
    let query = format!("?after={}&wait_seconds=20", all.cursor);
    let answer = story.ask(&query).await;
    assert_eq!(asked.elapsed().as_secs(), 20);
    assert_eq!((answer.items.len(), answer.cursor), (0, all.cursor));
}

#[tokio::test]
async fn another_configuration_wakes_who_waits_too() {
    let mut story = Story::new();
    let all = story.ask("").await;
    let revisions = Revisions::from([("cluster".to_owned(), "17".to_owned())]);
    story.configured(&revisions, |_| {});
    let query = format!("?after={}&wait_seconds=30", all.cursor);
    let answer = story.ask(&query).await;
    assert_eq!((answer.items.len(), answer.configurations), (0, revisions));
}

#[tokio::test]
async fn what_is_forgotten_makes_everything_be_told_again() {
    let mut story = Story::new();
    let all = story.ask("").await;
    story.goes_on(|view| view.apis.retain(|api| &*api.key.service.name != "notify"));
    let fresh = story.after(&all).await;
    assert!(fresh.complete);
    assert_eq!(fresh.items.len(), all.items.len() - 1);
}

#[tokio::test]
async fn cursors_of_others_are_asked_everything() {
    let story = Story::new();
    let all = story.ask("").await;
    for cursor in [
        "",
        "0-0",
        "-",
        "18a-99999999999999999999",
        "%00-%ff",
        &"9".repeat(4_000),
    ] {
        let answer = story.ask(&format!("?after={cursor}&wait_seconds=30")).await;
        assert_eq!(
            (answer.complete, answer.items.len()),
            (true, all.items.len()),
            "{cursor}"
        );
    }
    let answer = get("/api/v1/workloads?wait_seconds=31").await;
    assert_eq!(answer.json()["parameter"], "wait_seconds");
}

#[tokio::test]
async fn those_who_wait_are_counted() {
    let story = Story::new();
    let all = story.ask("").await;
    let router = router(&story.site);
    let uri = format!("/api/v1/workloads?after={}&wait_seconds=30", all.cursor);
    let ask = || {
        let request = axum::http::Request::get(&uri).body(axum::body::Body::empty());
        send(router.clone(), request.unwrap())
    };
    let mut waiting: Vec<_> = (0..64).map(|_| Box::pin(ask())).collect();
    for one in &mut waiting {
        assert!(futures::poll!(one).is_pending());
    }
    assert_eq!(ask().await.status.as_u16(), 429);
    waiting.pop();
    assert!(futures::poll!(Box::pin(ask())).is_pending());
}
