//! Whether a workload gets a `MonitoredApi`, what it is called, and why.
//!
//! Nobody is asked to write one: a workload with a pod that is to be watched gets one. It belongs to
//! the workload, so that it goes with it even when no operator runs. What a person wrote for the
//! same pods comes first; what a person took over by removing the label
//! `crosswatch.dev/managed: auto` is left alone.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crds::{MANAGED_AUTO, MANAGED_LABEL, MonitoredApi};
use operator_meta::decision::{Mode, decide};
use operator_meta::facts::OwnerFacts;
use serde_json::{Value, json};

use crate::key::{Key, WorkloadKey};
use crate::record::PodRecord;
use crate::world::World;

/// Longest name of an object.
const LONGEST_NAME: usize = 253;

/// What is to be done about a workload.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    Nothing(Why),
    /// Make it, or bring what is ours of it back.
    Apply(Desired),
    Delete {
        key: Key,
        uid: String,
        resource_version: String,
        why: Why,
    },
}

/// Why nothing is made, or what was made is taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is there and as it should be.
    Kept(Key),
    /// A person's own is about the same pods.
    Covered(Key),
    /// What decided, in a sentence.
    Excluded(String),
    /// No pod is there to decide by.
    NoPods,
    /// All of its pods have run to their end.
    Finished,
    /// The workload itself has not been seen yet.
    OwnerUnknown,
    /// It is being deleted; when it is gone this is looked at again.
    Leaving(Key),
    /// All names are taken by others.
    NoName,
}

/// A resource as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    pub key: Key,
    pub workload: WorkloadKey,
    pub owner: OwnerFacts,
    /// None when it is to be made.
    pub resource_version: Option<String>,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Kept(key) => write!(f, "{key} is as it should be"),
            Why::Covered(key) => write!(f, "{key} is about the same pods"),
            Why::Excluded(why) => f.write_str(why),
            Why::NoPods => f.write_str("it has no pods"),
            Why::Finished => f.write_str("its pods have finished"),
            Why::OwnerUnknown => f.write_str("the workload itself is not known yet"),
            Why::Leaving(key) => write!(f, "{key} is being deleted"),
            Why::NoName => f.write_str("all names for it are taken"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Nothing(why) => write!(f, "nothing: {why}"),
            Plan::Apply(desired) if desired.resource_version.is_none() => {
                write!(f, "create {}", desired.key)
            }
            Plan::Apply(desired) => write!(f, "update {}", desired.key),
            Plan::Delete { key, why, .. } => write!(f, "delete {key}: {why}"),
        }
    }
}

/// `claims` are names that are being given to other workloads right now.
pub(crate) fn plan(
    world: &World,
    claims: &BTreeMap<Key, WorkloadKey>,
    workload: &WorkloadKey,
    mode: Mode,
) -> Plan {
    let pods: Vec<&PodRecord> = world
        .members(workload)
        .filter(|pod| World::workload_of(pod) == *workload)
        .collect();
    let (automatic, by_hand): (Vec<_>, Vec<_>) =
        world.naming(workload).partition(|api| is_automatic(api));
    let unwanted = |why: Why| match automatic.iter().find(|api| !is_leaving(api)) {
        Some(api) => delete(api, why),
        None => Plan::Nothing(why),
    };

    let selecting = pods.iter().flat_map(|pod| world.selecting(pod));
    let own = by_hand.into_iter().chain(selecting);
    if let Some(cover) = own.filter(|api| !is_leaving(api)).map(key_of).min() {
        return unwanted(Why::Covered(cover));
    }
    if pods.is_empty() {
        return Plan::Nothing(Why::NoPods);
    }
    let decisions = pods.iter().map(|pod| decide(&world.subject(pod), mode));
    let decisions: Vec<_> = decisions.collect();
    if !decisions.iter().any(|decision| decision.onboards()) {
        let watched = decisions.iter().any(|decision| decision.watched);
        return match decisions.first() {
            Some(decision) if !watched => unwanted(Why::Excluded(decision.reason.clone())),
            _ => Plan::Nothing(Why::Finished),
        };
    }
    let Some(owner) = owner(world, workload, &pods) else {
        return Plan::Nothing(Why::OwnerUnknown);
    };

    // More than one can only come from two operators at once: the oldest stays.
    let mut automatic = automatic;
    automatic.sort_by_key(|api| (api.metadata.creation_timestamp.clone(), key_of(api)));
    if let Some(api) = automatic.first() {
        if is_leaving(api) {
            return Plan::Nothing(Why::Leaving(key_of(api)));
        }
        if !is_ours(api, &owner) {
            return Plan::Apply(Desired {
                key: key_of(api),
                workload: workload.clone(),
                owner,
                resource_version: api.metadata.resource_version.clone(),
            });
        }
        let more = automatic.get(1..).unwrap_or_default();
        return match more.iter().find(|api| !is_leaving(api)) {
            Some(second) => delete(second, Why::Covered(key_of(api))),
            None => Plan::Nothing(Why::Kept(key_of(api))),
        };
    }
    let free = |key: &Key| {
        let claimed = claims.get(key).is_some_and(|by| by != workload);
        !claimed && world.monitored.get(key).is_none()
    };
    match names(workload).into_iter().find(free) {
        Some(key) => Plan::Apply(Desired {
            key,
            workload: workload.clone(),
            owner,
            resource_version: None,
        }),
        None => Plan::Nothing(Why::NoName),
    }
}

/// The workload's own name where it is free; then with its kind, then with what nobody else has.
fn names(workload: &WorkloadKey) -> Vec<Key> {
    let kind = workload.kind.to_lowercase();
    let mut hasher = DefaultHasher::new();
    workload.hash(&mut hasher);
    let mark = format!("{kind}-{:08x}", hasher.finish() as u32);
    let fitting = |suffix: &str| {
        let mut end = workload.name.len().min(LONGEST_NAME - suffix.len() - 1);
        while !workload.name.is_char_boundary(end) {
            end -= 1;
        }
        let stem = workload.name[..end].trim_end_matches(['.', '-']);
        Key::new(&workload.namespace, format!("{stem}-{suffix}"))
    };
    vec![workload.key(), fitting(&kind), fitting(&mark)]
}

/// What the resource is to be deleted with.
fn owner(world: &World, workload: &WorkloadKey, pods: &[&PodRecord]) -> Option<OwnerFacts> {
    if let Some(record) = world.workload(workload) {
        return Some(OwnerFacts {
            api_version: record.facts.kind.api_version().to_owned(),
            kind: workload.kind.clone(),
            name: workload.name.clone(),
            uid: record.facts.uid.clone(),
        });
    }
    if workload.kind == "Pod" {
        let pod = pods.first()?;
        return Some(OwnerFacts {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: workload.name.clone(),
            uid: pod.facts.uid.clone(),
        });
    }
    // What controls the pods directly is known from them, whatever it is.
    let controllers = pods.iter().filter_map(|pod| pod.facts.controller.as_ref());
    let mut direct = controllers.filter(|it| it.kind == workload.kind && it.name == workload.name);
    direct.next().cloned()
}

pub(crate) fn is_automatic(api: &MonitoredApi) -> bool {
    let labels = api.metadata.labels.as_ref();
    labels.and_then(|it| it.get(MANAGED_LABEL)).map(|it| &**it) == Some(MANAGED_AUTO)
}

fn is_leaving(api: &MonitoredApi) -> bool {
    api.metadata.deletion_timestamp.is_some()
}

fn is_ours(api: &MonitoredApi, owner: &OwnerFacts) -> bool {
    let owners = api.metadata.owner_references.as_ref();
    owners.is_some_and(|all| all.iter().any(|it| it.uid == owner.uid))
}

fn delete(api: &MonitoredApi, why: Why) -> Plan {
    Plan::Delete {
        key: key_of(api),
        uid: api.metadata.uid.clone().unwrap_or_default(),
        resource_version: api.metadata.resource_version.clone().unwrap_or_default(),
        why,
    }
}

fn key_of(api: &MonitoredApi) -> Key {
    Key::of(&api.metadata)
}

impl Desired {
    /// The body of the server-side apply: all that is ours, and nothing else.
    pub(crate) fn body(&self) -> Value {
        let kind = self.workload.known_kind();
        let api_version = match kind {
            Some(_) => Value::Null,
            None => json!(self.owner.api_version),
        };
        let mut reference = json!({ "kind": self.workload.kind, "name": self.workload.name });
        if !api_version.is_null() {
            reference["apiVersion"] = api_version;
        }
        let mut metadata = json!({
            "name": self.key.name,
            "namespace": self.key.namespace,
            "labels": {
                MANAGED_LABEL: MANAGED_AUTO,
                "app.kubernetes.io/managed-by": "crosswatch",
                "app.kubernetes.io/part-of": "crosswatch",
            },
            "ownerReferences": [{
                "apiVersion": self.owner.api_version,
                "kind": self.owner.kind,
                "name": self.owner.name,
                "uid": self.owner.uid,
            }],
        });
        // A person may have changed it since: then this is refused, and looked at again.
        if let Some(version) = &self.resource_version {
            metadata["resourceVersion"] = json!(version);
        }
        json!({
            "apiVersion": format!("{}/v1alpha1", crds::GROUP),
            "kind": "MonitoredApi",
            "metadata": metadata,
            "spec": { "workloadRef": reference },
        })
    }
}
