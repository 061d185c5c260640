//! A monitor that sees what the test tells it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use monitor_api::{
    ApiState, Change, ChangesOutcome, Configuration, ConfigurationOutcome, Incident, Listing,
    Refusal, WorkloadView, Workloads, WorkloadsQuery,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub(crate) struct FakeMonitor {
    address: SocketAddr,
    state: Arc<State_>,
}

struct State_ {
    known: Mutex<Known>,
    /// Counts what changed; long polls wait on it.
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    away: bool,
    views: BTreeMap<(String, String, String), (u64, WorkloadView)>,
    configurations: BTreeMap<String, Configuration>,
    refuse: Vec<Refusal>,
    changes: BTreeMap<String, Change>,
    incidents: Vec<Incident>,
    requests: u64,
    puts: u64,
}

impl FakeMonitor {
    pub(crate) async fn start(stop: CancellationToken) -> FakeMonitor {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State_ {
            known: Mutex::default(),
            version: watch::Sender::new(1),
        });
        let router = Router::new()
            .route("/api/v1/workloads", get(workloads))
            .route("/api/v1/configuration/{source}", put(configuration))
            .route("/api/v1/changes", post(changes))
            .route("/api/v1/incidents", get(incidents))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move {
            let serving = axum::serve(listener, router);
            serving
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
                .unwrap();
        });
        FakeMonitor { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known, u64) -> T) -> T {
        let mut known = self.state.known.lock().unwrap();
        let next = *self.state.version.borrow() + 1;
        let outcome = change(&mut known, next);
        drop(known);
        self.state.version.send_replace(next);
        outcome
    }

    /// It sees this workload so.
    pub(crate) fn see(&self, view: WorkloadView) {
        let key = (
            view.namespace.clone(),
            view.service.clone(),
            view.environment.clone(),
        );
        self.change(|known, version| known.views.insert(key, (version, view)));
    }

    pub(crate) fn incident(&self, incident: Incident) {
        self.change(|known, _| known.incidents.push(incident));
    }

    /// From now on it answers nothing, or everything again.
    pub(crate) fn away(&self, away: bool) {
        self.change(|known, _| known.away = away);
    }

    /// It has started anew without anything it was told.
    pub(crate) fn forget_configurations(&self) {
        self.change(|known, _| known.configurations.clear());
    }

    pub(crate) fn refuse(&self, part: &str, name: &str, reason: &str) {
        let refusal = Refusal {
            part: part.to_owned(),
            name: name.to_owned(),
            reason: reason.to_owned(),
            whole: true,
        };
        self.change(|known, _| known.refuse.push(refusal));
    }

    pub(crate) fn requests(&self) -> u64 {
        self.state.known.lock().unwrap().requests
    }

    pub(crate) fn puts(&self) -> u64 {
        self.state.known.lock().unwrap().puts
    }

    /// Waits until something that it knows is as wanted.
    async fn until<T>(&self, wanted: impl Fn(&Known) -> Option<T>) -> T {
        let mut version = self.state.version.subscribe();
        let waiting = async {
            loop {
                version.borrow_and_update();
                if let Some(found) = wanted(&self.state.known.lock().unwrap()) {
                    return found;
                }
                version.changed().await.unwrap();
            }
        };
        let found = tokio::time::timeout(crate::world::TOO_LONG, waiting).await;
        found.expect("the monitor was never told")
    }

    pub(crate) async fn told(&self, wanted: impl Fn(&Configuration) -> bool) -> Configuration {
        self.until(|known| known.configurations.values().find(|it| wanted(it)).cloned())
            .await
    }

    pub(crate) async fn told_change(&self, wanted: impl Fn(&Change) -> bool) -> Change {
        self.until(|known| known.changes.values().find(|it| wanted(it)).cloned())
            .await
    }

    /// All that it was told so far of a kind.
    pub(crate) fn changes_of(&self, kind: &str) -> Vec<Change> {
        let known = self.state.known.lock().unwrap();
        let changes = known.changes.values().filter(|it| it.kind == kind);
        changes.cloned().collect()
    }
}

/// A workload that is well; the tests change what matters to them.
pub(crate) fn view(namespace: &str, service: &str) -> WorkloadView {
    let now = "2026-11-21T18:00:00.123Z".to_owned();
    WorkloadView {
        namespace: namespace.to_owned(),
        service: service.to_owned(),
        environment: "unknown".to_owned(),
        changed: now.clone(),
        state: ApiState::Learning,
        reason: "too little has been seen".to_owned(),
        score: 0.0,
        first_log: Some(now.clone()),
        last_log: None,
        last_seen: now,
        logs_total: 10,
        log_format: Some("json".to_owned()),
        unrecognised_ratio: 0.0,
        learned_ratio: 0.0,
        apis: 2,
        calls_per_second: 12.5,
        error_ratio: 0.004,
        latency_p99_seconds: Some(0.1823),
        routes: Vec::new(),
        incidents: Vec::new(),
        probes: Vec::new(),
    }
}

async fn workloads(
    State(state): State<Arc<State_>>,
    Query(query): Query<WorkloadsQuery>,
) -> Result<Json<Workloads>, StatusCode> {
    let after: Option<u64> = query.after.and_then(|after| after.parse().ok());
    let mut version = state.version.subscribe();
    let until = Duration::from_secs(query.wait_seconds.unwrap_or(0));
    let deadline = tokio::time::Instant::now() + until;
    state.known.lock().unwrap().requests += 1;
    loop {
        let now = *version.borrow_and_update();
        {
            let known = state.known.lock().unwrap();
            if known.away {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            let newer = |at: u64| after.is_none_or(|after| at > after);
            let items: Vec<WorkloadView> = known
                .views
                .values()
                .filter(|(at, _)| newer(*at))
                .map(|(_, view)| view.clone())
                .collect();
            let over = tokio::time::Instant::now() >= deadline;
            if after.is_none() || !items.is_empty() || over {
                let revisions = known.configurations.iter();
                return Ok(Json(Workloads {
                    cursor: now.to_string(),
                    configurations: revisions
                        .map(|(source, it)| (source.clone(), it.revision.clone()))
                        .collect(),
                    items,
                    complete: after.is_none(),
                }));
            }
        }
        tokio::select! {
            _ = version.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

async fn configuration(
    State(state): State<Arc<State_>>,
    Path(source): Path<String>,
    Json(wish): Json<Configuration>,
) -> Result<Json<ConfigurationOutcome>, StatusCode> {
    let mut known = state.known.lock().unwrap();
    known.requests += 1;
    if known.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    known.puts += 1;
    let outcome = ConfigurationOutcome {
        revision: wish.revision.clone(),
        accepted: wish.workloads.len() as u64,
        refused: known.refuse.clone(),
    };
    known.configurations.insert(source, wish);
    drop(known);
    state.version.send_modify(|version| *version += 1);
    Ok(Json(outcome))
}

async fn changes(
    State(state): State<Arc<State_>>,
    Json(changes): Json<Vec<Change>>,
) -> Result<Json<ChangesOutcome>, StatusCode> {
    let mut known = state.known.lock().unwrap();
    known.requests += 1;
    if known.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut outcome = ChangesOutcome::default();
    for change in changes {
        match known.changes.insert(change.id.clone(), change) {
            None => outcome.accepted += 1,
            Some(_) => outcome.duplicates += 1,
        }
    }
    drop(known);
    state.version.send_modify(|version| *version += 1);
    Ok(Json(outcome))
}

async fn incidents(
    State(state): State<Arc<State_>>,
) -> Result<Json<Listing<Incident>>, StatusCode> {
    let known = state.known.lock().unwrap();
    if known.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let items = known.incidents.clone();
    let total = items.len() as u64;
    Ok(Json(Listing {
        at: None,
        items,
        total,
    }))
}
