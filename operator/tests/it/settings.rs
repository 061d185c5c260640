//! What is asked of the monitor, and what becomes of it.

use crds::MonitoredApi;
use k8s_openapi::api::events::v1::Event;
use monitor_api::ApiState;
use serde_json::json;

use crate::monitor::view;
use crate::onboarding::{condition, holds};
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_annotations_reach_the_monitor() {
    let world = World::new().await;
    let operator = world.operator().await;
    let hints = json!({
        "crosswatch.dev/owner": "team-cart", "crosswatch.dev/log-format": "logfmt",
        "crosswatch.dev/slo-availability": "99.9%",
    });
    let cart = world.bare_deployment("cart", 1, hints).await;
    world.pod_of(&cart, "a", json!({})).await;
    let told = world.monitor.told(|it| !it.workloads.is_empty()).await;
    assert_eq!(told.workloads[0].owner.as_deref(), Some("team-cart"));
    assert_eq!(told.workloads[0].log_format.as_deref(), Some("logfmt"));
    assert_eq!(told.workloads[0].objectives[0].objective_ratio, 0.999);

    let patch = json!({ "spec": {
        "logFormat": { "name": "json" },
        "detection": { "falseAlarmsPerWeek": 0.5, "signals": [
            { "name": "latency", "detectionDirection": "above_expected", "minDevFromExpected": 0.05 },
        ] },
        "objectives": [{ "name": "fast", "latency": { "threshold": "300ms" } }],
    } });
    let _: MonitoredApi = world.merge("cart", patch).await;
    let told = world.monitor.told(|it| {
        let mut formats = it
            .workloads
            .iter()
            .filter_map(|it| it.log_format.as_deref());
        formats.any(|it| it == "json")
    });
    let settings = told.await.workloads.remove(0);
    assert_eq!(settings.owner.as_deref(), Some("team-cart"));
    assert_eq!(settings.false_alarms_per_week, Some(0.5));
    let latency = &settings.detection["latency"];
    assert_eq!(
        latency.detection_direction.as_deref(),
        Some("above_expected")
    );
    assert_eq!(settings.objectives.len(), 1);
    assert_eq!(settings.objectives[0].latency_threshold_seconds, Some(0.3));
    assert_eq!(settings.objectives[0].objective_ratio, 0.99);
    assert_eq!(settings.objectives[0].window_seconds, 28 * 86_400);
    let in_force = ("True".to_owned(), "InForce".to_owned());
    let _: MonitoredApi = world
        .until("cart", |api| {
            condition(api, "Ready").as_ref() == Some(&in_force)
        })
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_monitor_refuses_is_said_on_the_resource() {
    let world = World::new().await;
    let name = format!("{}/cart", world.namespace);
    world.monitor.refuse(
        "workloads",
        &name,
        "`morse` is no format; there are json and logfmt",
    );
    let operator = world.operator().await;
    let format = json!({ "crosswatch.dev/log-format": "morse" });
    let cart = world.bare_deployment("cart", 1, format).await;
    world.pod_of(&cart, "a", json!({})).await;
    let refused = ("False".to_owned(), "SettingsRefused".to_owned());
    let api: MonitoredApi = world
        .until("cart", |api| {
            condition(api, "Ready").as_ref() == Some(&refused)
        })
        .await;
    let binding = &api.status.unwrap().bindings[0];
    assert_eq!(binding.name, world.monitor.url());
    let said = &binding.conditions[0].message;
    assert_eq!(said, "`morse` is no format; there are json and logfmt");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_that_is_away_is_said_to_be_and_gets_everything_when_it_is_back() {
    let world = World::new().await;
    world.monitor.see(view(&world.namespace, "cart"));
    let operator = world.operator().await;
    let owner = json!({ "crosswatch.dev/owner": "team-cart" });
    let cart = world.bare_deployment("cart", 1, owner).await;
    world.pod_of(&cart, "a", json!({})).await;
    let _: MonitoredApi = world
        .until("cart", |api| {
            holds(api, "Ready") && holds(api, "LogsFlowing")
        })
        .await;

    world.monitor.away(true);
    let away = |api: &MonitoredApi| {
        condition(api, "Ready") == Some(("False".to_owned(), "MonitorUnreachable".to_owned()))
    };
    let api: MonitoredApi = world.until("cart", away).await;
    // What was known stays.
    assert!(holds(&api, "LogsFlowing"));
    assert_eq!(api.status.unwrap().state.as_deref(), Some("learning"));

    // Nobody asks without end meanwhile.
    let (asked, wrote) = (world.monitor.requests(), world.requests("operator-1"));
    // New workloads are discovered all the same.
    world.deployment("orders", 1).await;
    let _: MonitoredApi = world.until("orders", |api| holds(api, "Discovered")).await;

    let asked = world.monitor.requests() - asked;
    assert!(asked < 20, "{asked} requests to a monitor that is away");
    if let (Some(before), Some(now)) = (wrote, world.requests("operator-1")) {
        assert!(
            now - before < 40,
            "{} requests while the monitor is away",
            now - before
        );
    }

    // It comes back without anything that it was told.
    world.monitor.forget_configurations();
    let puts = world.monitor.puts();
    world.monitor.away(false);
    world
        .monitor
        .told(|it| it.workloads.iter().any(|it| it.service == "cart"))
        .await;
    let _: MonitoredApi = world.until("cart", |api| holds(api, "Ready")).await;
    let _: MonitoredApi = world.until("orders", |api| holds(api, "Ready")).await;
    assert_eq!(world.monitor.puts() - puts, 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_told_once_also_by_an_operator_that_starts_anew() {
    let world = World::new().await;
    let operator = world.operator().await;
    world.deployment("cart", 1).await;
    let mut seen = view(&world.namespace, "cart");
    seen.learned_ratio = 1.0;
    seen.state = ApiState::Ok;
    world.monitor.see(seen.clone());
    let of = |all: &[Event], reason: &str| {
        all.iter()
            .filter(|it| it.reason.as_deref() == Some(reason))
            .count()
    };
    eventually(world.api::<Event>(), |all: &[Event]| {
        of(all, "ApiDiscovered") == 1 && of(all, "BaselineReady") == 1
    })
    .await;
    operator.stop().await;

    let operator = world.operator().await;
    seen.state = ApiState::Anomalous;
    seen.reason = "a third of the calls fail".to_owned();
    world.monitor.see(seen);
    let all = eventually(world.api::<Event>(), |all: &[Event]| {
        of(all, "AnomalyDetected") == 1
    })
    .await;
    assert_eq!(
        (of(&all, "ApiDiscovered"), of(&all, "BaselineReady")),
        (1, 1)
    );
    let event = all
        .iter()
        .find(|it| it.reason.as_deref() == Some("AnomalyDetected"))
        .unwrap();
    assert_eq!(event.note.as_deref(), Some("a third of the calls fail"));
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    operator.stop().await;
}

/// It goes to and fro, so that the same Event is published a second time.
pub(crate) async fn told_twice(world: &World, service: &str) {
    // The same reason for another object would be another Event; the same incident's is not.
    let mut seen = view(&world.namespace, service);
    for number in ["1", "2"] {
        seen.incidents = vec![monitor_api::IncidentRef {
            id: number.to_owned(),
            root_cause: true,
            summary: "cart is slow".to_owned(),
            opened_at: "2026-11-21T18:00:00Z".to_owned(),
        }];
        world.monitor.see(seen.clone());
        let told = |all: &[Event]| {
            let mut told = all
                .iter()
                .filter(|it| it.reason.as_deref() == Some("RootCauseIdentified"));
            told.any(|it| number == "1" || it.series.is_some())
        };
        eventually(world.api::<Event>(), told).await;
    }
}
