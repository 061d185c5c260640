//! A cluster whose pods run nowhere: a hollow kubelet says of each what a real one would, at once.
//!
//! Time is tokio's, paused: whatever waits is over as soon as nobody has anything else to do.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sim_cluster::client::{Client, Cluster, ClusterConfig, DeleteOptions, EventKind};
use sim_cluster::controllers::{self, Part, Settings, Tally};
use sim_cluster::{ListOptions, object};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a test waits for anything; in paused time, so that a wait in vain ends at once.
const PATIENCE: Duration = Duration::from_secs(3_600);

pub(crate) struct Hollow {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    stop: CancellationToken,
    controllers: JoinHandle<Tally>,
    kubelet: JoinHandle<()>,
}

/// What becomes of a pod that has a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Ready,
    Running,
    Succeeds,
    Fails,
    /// Nobody looks after it.
    Forgotten,
}

impl Hollow {
    /// All controllers, and pods that become ready; on three nodes.
    pub(crate) fn start() -> Hollow {
        Hollow::with(&[], |_| Fate::Ready)
    }

    pub(crate) fn with(without: &[Part], fate: fn(&Value) -> Fate) -> Hollow {
        let beginning = tokio::time::Instant::now();
        let start: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
        let clock =
            Arc::new(move || start + SignedDuration::try_from(beginning.elapsed()).unwrap());
        let cluster = Cluster::new(ClusterConfig::new(clock, 7));
        let client = cluster.client("system:admin");
        for name in ["a", "b", "c"] {
            client.create("nodes", node(name)).unwrap();
        }
        let stop = CancellationToken::new();
        let settings = Settings {
            parts: Part::without(without),
            root_certificate: "certificate".to_owned(),
        };
        Hollow {
            controllers: tokio::spawn(controllers::run(cluster.clone(), settings, stop.clone())),
            kubelet: tokio::spawn(kubelet(
                cluster.client("system:node:hollow"),
                fate,
                stop.clone(),
            )),
            cluster,
            client,
            stop,
        }
    }

    /// Ends everything, and gives what the controllers wrote.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.cancel();
        self.kubelet.await.unwrap();
        self.controllers.await.unwrap()
    }

    /// Waits until the objects of a resource are as wanted.
    #[track_caller]
    pub(crate) fn until<'a>(
        &'a self,
        resource: &'a str,
        what: &'a str,
        holds: impl Fn(&[Arc<Value>]) -> bool + 'a,
    ) -> impl Future<Output = Vec<Arc<Value>>> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let listed = || {
                self.client
                    .list(resource, None, &ListOptions::all())
                    .unwrap()
            };
            let mut listing = listed();
            let wait = async {
                loop {
                    if holds(&listing.items) {
                        return;
                    }
                    let mut watch = self.client.watch(resource, None, listing.resource_version);
                    watch.next().await.ok();
                    listing = listed();
                }
            };
            let found = tokio::time::timeout(PATIENCE, wait).await;
            if found.is_err() {
                let all = serde_json::to_string_pretty(&listed().items).unwrap();
                panic!("{caller}: {resource} never were: {what}. They are: {all}");
            }
            listing.items
        }
    }

    /// Lets so much time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Until nobody has anything to do.
    pub(crate) async fn rest(&self) {
        self.pass(Duration::from_millis(500)).await;
    }

    pub(crate) fn all(&self, resource: &str) -> Vec<Arc<Value>> {
        self.client
            .list(resource, None, &ListOptions::all())
            .unwrap()
            .items
    }

    pub(crate) fn names(&self, resource: &str) -> Vec<String> {
        self.all(resource)
            .iter()
            .map(|object| object::name(object).to_owned())
            .collect()
    }

    /// Changes an object of the namespace `default`.
    pub(crate) fn edit(
        &self,
        resource: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Arc<Value> {
        let mut object = (*self.get(resource, name)).clone();
        change(&mut object);
        self.client.update(resource, object).unwrap()
    }

    pub(crate) fn get(&self, resource: &str, name: &str) -> Arc<Value> {
        self.client.get(resource, "default", name).unwrap()
    }

    /// Reasons and messages of Events, in the order they were recorded.
    pub(crate) fn said(&self, reason: &str) -> Vec<String> {
        let mut events = self.all("events");
        events.sort_by_key(|event| object::resource_version(event));
        events
            .iter()
            .filter(|event| event["reason"] == reason)
            .map(|event| object::text(event, &["message"]).to_owned())
            .collect()
    }
}

pub(crate) fn node(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "status": {
            "allocatable": { "cpu": "64", "memory": "256Gi", "pods": "2000" },
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}

async fn kubelet(client: Client, fate: fn(&Value) -> Fate, stop: CancellationToken) {
    loop {
        let listing = client.list("pods", None, &ListOptions::all()).unwrap();
        let mut watch = client.watch("pods", None, listing.resource_version);
        for pod in listing.items {
            look_after(&client, &pod, fate);
        }
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = watch.next() => event,
            };
            match event {
                Ok(event) if event.kind == EventKind::Deleted => {}
                Ok(event) => look_after(&client, &event.object, fate),
                // Too far behind: begin again.
                Err(_) => break,
            }
        }
    }
}

fn look_after(client: &Client, seen: &Value, fate: fn(&Value) -> Fate) {
    let (namespace, name) = (object::namespace(seen), object::name(seen));
    let Ok(pod) = client.get("pods", namespace, name) else {
        return;
    };
    if object::text(&pod, &["spec", "nodeName"]).is_empty() || fate(&pod) == Fate::Forgotten {
        return;
    }
    if object::is_being_deleted(&pod) {
        let now = DeleteOptions {
            grace_period_seconds: Some(0),
            ..DeleteOptions::default()
        };
        client.delete("pods", namespace, name, &now).ok();
        return;
    }
    if object::text(&pod, &["status", "phase"]) != "Pending" {
        return;
    }
    let at = client
        .cluster()
        .now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let (phase, ready) = match fate(&pod) {
        Fate::Ready => ("Running", "True"),
        Fate::Running | Fate::Forgotten => ("Running", "False"),
        Fate::Succeeds => ("Succeeded", "False"),
        Fate::Fails => ("Failed", "False"),
    };
    let number = object::resource_version(&pod);
    let mut pod = (*pod).clone();
    pod["status"]["phase"] = json!(phase);
    pod["status"]["podIP"] = json!(format!(
        "127.16.{}.{}",
        64 + number / 250 % 190,
        1 + number % 250
    ));
    let mut conditions = object::list(&pod, &["status", "conditions"]).to_vec();
    conditions.push(json!({ "type": "Ready", "status": ready, "lastTransitionTime": at }));
    pod["status"]["conditions"] = json!(conditions);
    client.update_status("pods", pod).ok();
}
