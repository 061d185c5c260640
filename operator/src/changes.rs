//! Changes that people and machines make to the cluster, as the monitor wants to hear of them: what
//! an incident may have come from.
//!
//! Found by comparing a record with what it was. Each change has an id that follows from the objects
//! alone, so that telling of it twice is telling of it once. What happened before this operator
//! started is told only where the objects themselves say when.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use monitor_api::Change;

use crate::record::{ConfigMapRecord, Ended, NodeRecord, PodRecord, WorkloadRecord};

/// What ended longer ago than this when it is first seen is history.
pub(crate) const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// Who and where a change is about.
/// Names are empty where they are not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) environment: Option<String>,
}

impl About {
    fn change(&self, kind: &str, id: String, at: Timestamp, summary: String) -> Change {
        Change {
            id,
            at: at.to_string(),
            kind: kind.to_owned(),
            namespace: Some(self.namespace.clone()),
            service: Some(self.service.clone()),
            environment: self.environment.clone(),
            summary,
            source: "kubernetes".to_owned(),
            attributes: BTreeMap::new(),
        }
    }
}

/// Of a pod: restarts, kills for memory, evictions.
pub(crate) fn pod(
    old: Option<&PodRecord>,
    new: &PodRecord,
    about: &About,
    now: Timestamp,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let uid = &new.facts.uid;
    let name = &new.facts.name;
    for container in &new.containers {
        let before = old.and_then(|old| old.containers.iter().find(|it| it.name == container.name));
        let ended = container.ended.as_ref();
        let happened = match (before, ended) {
            (Some(before), _) => {
                container.restarts > before.restarts || newly_killed(before.ended.as_ref(), ended)
            }
            (None, Some(Ended { at: Some(at), .. })) => {
                container.restarts > 0 && now.duration_since(*at) < RECENT
            }
            (None, _) => false,
        };
        if !happened {
            continue;
        }
        let reason = ended.map_or("", |it| &it.reason);
        let at = ended.and_then(|it| it.at).unwrap_or(now);
        let (kind, what) = match reason {
            "OOMKilled" => ("oom_kill", "was killed: out of memory".to_owned()),
            "" => ("restart", "was restarted".to_owned()),
            reason => {
                let code = ended.map_or(0, |it| it.exit_code);
                ("restart", format!("ended ({reason}, exit code {code})"))
            }
        };
        let id = format!("{kind}:{uid}:{}:{}", container.name, at.as_second());
        let summary = format!("container {} of pod {name} {what}", container.name);
        changes.push(about.change(kind, id, at, summary));
    }
    if let Some((reason, at)) = &new.evicted {
        let known = old.is_some_and(|old| old.evicted.is_some());
        let recent = at.is_some_and(|at| now.duration_since(at) < RECENT);
        if !known && (old.is_some() || recent) {
            let summary = format!("pod {name} was evicted: {reason}");
            let at = at.unwrap_or(now);
            changes.push(about.change("eviction", format!("eviction:{uid}"), at, summary));
        }
    }
    changes
}

fn newly_killed(before: Option<&Ended>, now: Option<&Ended>) -> bool {
    let killed = |it: Option<&Ended>| it.is_some_and(|it| it.reason == "OOMKilled");
    killed(now) && before != now
}

/// Of a workload: rollouts and scaling.
pub(crate) fn workload(
    old: &WorkloadRecord,
    new: &WorkloadRecord,
    about: &About,
    now: Timestamp,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let uid = &new.facts.uid;
    if old.facts.uid != *uid {
        return changes;
    }
    let what = format!("{} {}", new.facts.kind.as_str(), new.facts.name);
    if new.revision != old.revision && new.revision.is_some() && old.revision.is_some() {
        let revision = new.revision.as_deref().unwrap_or_default();
        let summary = match (&old.image, &new.image) {
            (Some(old), Some(new)) if old != new => {
                format!("{what} went from {old} to {new}")
            }
            _ => format!("{what} was rolled out anew: revision {revision}"),
        };
        let id = format!("rollout:{uid}:{revision}");
        changes.push(about.change("rollout", id, now, summary));
    }
    if let (Some(from), Some(to)) = (old.replicas, new.replicas)
        && from != to
    {
        let summary = format!("{what} was scaled from {from} to {to}");
        let id = format!("scaling:{uid}:{}", new.generation);
        changes.push(about.change("scaling", id, now, summary));
    }
    changes
}

/// Of a ConfigMap that pods read.
pub(crate) fn config_map(
    old: &ConfigMapRecord,
    new: &ConfigMapRecord,
    about: &About,
    now: Timestamp,
) -> Option<Change> {
    if old.uid == new.uid && old.resource_version == new.resource_version {
        return None;
    }
    let summary = format!("ConfigMap {} changed", new.key);
    let id = format!(
        "configuration:{}:{}:{}",
        new.uid, new.resource_version, about.service
    );
    Some(about.change("configuration", id, now, summary))
}

/// Of a node: conditions and cordons. They concern an environment, not a service.
pub(crate) fn node(
    old: &NodeRecord,
    new: &NodeRecord,
    environment: Option<&str>,
    now: Timestamp,
) -> Vec<Change> {
    let name = &new.facts.name;
    let change = |id: String, at: Timestamp, summary: String| Change {
        id,
        at: at.to_string(),
        kind: "node".to_owned(),
        environment: environment.map(str::to_owned),
        summary,
        source: "kubernetes".to_owned(),
        attributes: [("k8s.node.name".to_owned(), name.clone())].into(),
        ..Change::default()
    };
    let mut changes = Vec::new();
    for condition in &new.conditions {
        let before = old.conditions.iter().find(|it| it.type_ == condition.type_);
        if before.is_none_or(|before| before.status == condition.status) {
            continue;
        }
        let at = condition.since.unwrap_or(now);
        let id = format!(
            "node:{}:{}:{}",
            new.facts.uid,
            condition.type_,
            at.as_second()
        );
        let summary = format!(
            "node {name}: {} is {} ({})",
            condition.type_, condition.status, condition.reason
        );
        changes.push(change(id, at, summary));
    }
    if old.cordoned != new.cordoned {
        let what = if new.cordoned {
            "cordoned"
        } else {
            "uncordoned"
        };
        let id = format!("node:{}:{what}:{}", new.facts.uid, now.as_second());
        changes.push(change(id, now, format!("node {name} was {what}")));
    }
    changes
}
