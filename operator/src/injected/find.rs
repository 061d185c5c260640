//! Finds out which of the tools' kinds there are, and watches those that may be watched.
//!
//! Discovery needs no permission of its own; where a tool is absent or nobody has allowed its
//! resources to be read, nothing is asked but every few minutes whether that is still so.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::discovery;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{FaultRecord, Kind, Tool};
use crate::keeper::Input;
use crate::key::Key;
use crate::metrics::Metrics;
use crate::perform::chain;
use crate::table::{Scope, Seen};
use crate::world::ClusterEvent;

/// Objects in one answer of a first list.
const PAGE: u32 = 250;

#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) metrics: Metrics,
    pub(crate) scopes: Vec<Scope>,
    /// How often it is looked for what is not watched.
    pub(crate) every: Duration,
}

pub(crate) async fn run(client: Client, finding: Finding, stop: CancellationToken) {
    let mut watches: JoinSet<(Kind, Scope)> = JoinSet::new();
    let mut watched: BTreeSet<(Kind, Scope)> = BTreeSet::new();
    loop {
        let found = tokio::select! {
            () = stop.cancelled() => break,
            found = find(&client) => found,
        };
        for (kind, resource) in found {
            for scope in &finding.scopes {
                if watched.insert((kind, scope.clone())) {
                    let (finding, stop) = (finding.clone(), stop.clone());
                    let api = within(client.clone(), scope, &resource);
                    let (kind, scope) = (kind, scope.clone());
                    watches.spawn(async move {
                        watch(api, kind, &scope, &finding, &stop).await;
                        (kind, scope)
                    });
                }
            }
        }
        let next = Instant::now() + finding.every;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(next) => break,
                Some(ended) = watches.join_next(), if !watches.is_empty() => {
                    if let Ok(ended) = ended {
                        watched.remove(&ended);
                    }
                }
            }
        }
        if stop.is_cancelled() {
            break;
        }
    }
    while watches.join_next().await.is_some() {}
}

/// Those kinds that the API server has, in the version that it prefers.
async fn find(client: &Client) -> Vec<(Kind, ApiResource)> {
    let mut found = Vec::new();
    for tool in Tool::ALL {
        let group = match discovery::group(client, tool.group()).await {
            Ok(group) => group,
            Err(error) => {
                // Absent, most of the time.
                tracing::debug!(
                    group = tool.group(),
                    why = chain(&error),
                    "not to be watched"
                );
                continue;
            }
        };
        for name in tool.kinds() {
            if let Some((resource, _)) = group.recommended_kind(name) {
                found.push((Kind { tool, name }, resource));
            }
        }
    }
    found
}

fn within(client: Client, scope: &Scope, resource: &ApiResource) -> Api<DynamicObject> {
    match scope {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// Until it is stopped, or the API server says that there is nothing to watch, or not for us.
async fn watch(
    api: Api<DynamicObject>,
    kind: Kind,
    scope: &Scope,
    finding: &Finding,
    stop: &CancellationToken,
) {
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = watcher(api, config).default_backoff().boxed();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
        };
        let read = |object: &DynamicObject| FaultRecord::read(kind, object);
        let seen = match event {
            None => return,
            Some(Err(error)) => {
                if is_final(&error) {
                    tracing::debug!(kind = kind.name, why = chain(&error), "not to be watched");
                    return;
                }
                finding.metrics.watch_failed();
                continue;
            }
            Some(Ok(Event::Init)) => Seen::Begin(scope.clone()),
            Some(Ok(Event::InitApply(object))) => Seen::Initial(read(&object)),
            Some(Ok(Event::InitDone)) => Seen::End(scope.clone()),
            Some(Ok(Event::Apply(object))) => Seen::Applied(read(&object)),
            Some(Ok(Event::Delete(object))) => Seen::Gone(Key::new(
                object.namespace().unwrap_or_default(),
                object.name_any(),
            )),
        };
        let event = Input::Cluster(ClusterEvent::Fault(kind, seen));
        if finding.inputs.send(event).await.is_err() {
            return;
        }
    }
}

/// Forbidden, or gone with its definition: asking on would not help.
fn is_final(error: &watcher::Error) -> bool {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status,
        watcher::Error::WatchError(status) => status,
        _ => return false,
    };
    matches!(status.code, 401 | 403 | 404)
}
