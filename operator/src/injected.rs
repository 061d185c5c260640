//! Faults that others' tools put in: resources of Chaos Mesh and Litmus, cut down to what is told of
//! them. Pure; [`find`] watches them, [`changes`] makes changes of them.
//!
//! The shapes are those of `api/v1alpha1/common_types.go` of Chaos Mesh 2.x and of
//! `litmuschaos/v1alpha1` of Litmus 2.x and 3.x. What does not have them is left out.

pub(crate) mod changes;
pub(crate) mod find;

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::key::Key;
use crate::table::Row;

/// Whose resources they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    ChaosMesh,
    Litmus,
}

impl Tool {
    pub const ALL: [Tool; 2] = [Tool::ChaosMesh, Tool::Litmus];

    pub fn group(self) -> &'static str {
        match self {
            Tool::ChaosMesh => "chaos-mesh.org",
            Tool::Litmus => "litmuschaos.io",
        }
    }

    /// Where a change comes from, as the monitor is told.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Tool::ChaosMesh => "chaos-mesh",
            Tool::Litmus => "litmus",
        }
    }

    /// Kinds that say what was done to whom. Those that only plan others (schedules, workflows) or
    /// are parts of others are not among them.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Tool::ChaosMesh => &[
                "AWSChaos",
                "AzureChaos",
                "BlockChaos",
                "DNSChaos",
                "GCPChaos",
                "HTTPChaos",
                "IOChaos",
                "JVMChaos",
                "KernelChaos",
                "NetworkChaos",
                "PhysicalMachineChaos",
                "PodChaos",
                "StressChaos",
                "TimeChaos",
            ],
            Tool::Litmus => &["ChaosEngine", "ChaosResult"],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub tool: Tool,
    pub name: &'static str,
}

/// What is kept of one such resource.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRecord {
    pub kind: Kind,
    pub key: Key,
    pub uid: String,
    /// `pod-kill`, `delay`
    pub action: Option<String>,
    /// Whom it is meant for.
    pub chosen: Vec<Chosen>,
    /// Of a `ChaosResult`: the `ChaosEngine` in its namespace that knows whom it is meant for.
    pub engine: Option<String>,
    pub occasions: Vec<Occasion>,
}

/// Pods with all of these labels in any of these namespaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    pub namespaces: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

/// Something that it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Occasion {
    /// Ends the sentence that begins with the resource: `was injected`.
    pub what: String,
    /// None where the resource does not say.
    pub at: Option<Timestamp>,
    /// To whom, where that is known.
    pub pod: Option<Key>,
    /// Tells those without a time apart.
    pub mark: String,
}

impl Row for FaultRecord {
    fn key(&self) -> Key {
        self.key.clone()
    }
}

impl FaultRecord {
    pub(crate) fn read(kind: Kind, object: &DynamicObject) -> FaultRecord {
        let part = |name: &str| object.data.get(name).cloned().unwrap_or_default();
        let key = Key::of(&object.metadata);
        let record = FaultRecord {
            kind,
            uid: object.metadata.uid.clone().unwrap_or_default(),
            action: None,
            chosen: Vec::new(),
            engine: None,
            occasions: Vec::new(),
            key,
        };
        let (spec, status) = (part("spec"), part("status"));
        match (kind.tool, kind.name) {
            (Tool::ChaosMesh, _) => chaos_mesh(record, or_empty(spec), or_empty(status)),
            (Tool::Litmus, "ChaosEngine") => engine(record, or_empty(spec), or_empty(status)),
            (Tool::Litmus, _) => result(record, or_empty(spec), or_empty(status)),
        }
    }
}

/// One that makes no sense is as good as none: others are told of all the same.
fn or_empty<T: DeserializeOwned + Default>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MeshSpec {
    action: Option<String>,
    selector: MeshSelector,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MeshSelector {
    namespaces: Vec<String>,
    label_selectors: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MeshStatus {
    experiment: MeshExperiment,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MeshExperiment {
    container_records: Vec<MeshRecord>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MeshRecord {
    /// `NAMESPACE/POD`, or with `/CONTAINER`; something else where no pod is meant.
    id: String,
    events: Vec<MeshEvent>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MeshEvent {
    #[serde(rename = "type")]
    type_: String,
    operation: String,
    timestamp: Option<Timestamp>,
}

fn chaos_mesh(mut record: FaultRecord, spec: MeshSpec, status: MeshStatus) -> FaultRecord {
    record.action = spec.action.filter(|it| !it.is_empty());
    let MeshSelector {
        mut namespaces,
        label_selectors: labels,
    } = spec.selector;
    if namespaces.is_empty() {
        namespaces.push(record.key.namespace.clone());
    }
    if !labels.is_empty() {
        record.chosen.push(Chosen { namespaces, labels });
    }
    for target in status.experiment.container_records {
        let mut parts = target.id.split('/');
        let pod = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(namespace), Some(pod), _, None) => Some(Key::new(namespace, pod)),
            _ => None,
        };
        for event in target.events {
            // What failed did nothing to anybody.
            let what = match (&*event.type_, &*event.operation) {
                ("Succeeded", "Apply") => "was injected",
                ("Succeeded", "Recover") => "was undone",
                _ => continue,
            };
            record.occasions.push(Occasion {
                what: what.to_owned(),
                at: event.timestamp,
                pod: pod.clone(),
                mark: String::new(),
            });
        }
    }
    record
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EngineSpec {
    appinfo: AppInfo,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AppInfo {
    appns: String,
    /// `app=cart`, or several of them with commas.
    applabel: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EngineStatus {
    experiments: Vec<EngineExperiment>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EngineExperiment {
    name: String,
    status: String,
    last_update_time: Option<Timestamp>,
}

fn engine(mut record: FaultRecord, spec: EngineSpec, status: EngineStatus) -> FaultRecord {
    let AppInfo { appns, applabel } = spec.appinfo;
    let pairs = applabel.split(',').map(|it| it.trim().split_once('='));
    let pairs = pairs.map(|it| it.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let namespace = match appns.is_empty() {
        true => record.key.namespace.clone(),
        false => appns,
    };
    // One label that is not understood would choose too much.
    if let Some(labels) = pairs.collect() {
        record.chosen.push(Chosen {
            namespaces: vec![namespace],
            labels,
        });
    }
    for experiment in status.experiments {
        let EngineExperiment { name, status, .. } = &experiment;
        let what = match &**status {
            "Running" => format!("began {name}"),
            "Completed" => format!("has done {name}"),
            "Forcefully Aborted" => format!("gave up {name}: aborted"),
            _ => continue,
        };
        record.occasions.push(Occasion {
            what,
            at: experiment.last_update_time,
            pod: None,
            mark: name.clone(),
        });
    }
    record
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResultSpec {
    engine: Option<String>,
    experiment: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResultStatus {
    experiment_status: ResultVerdict,
    history: ResultHistory,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResultVerdict {
    verdict: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResultHistory {
    passed_runs: u64,
    failed_runs: u64,
    stopped_runs: u64,
}

fn result(mut record: FaultRecord, spec: ResultSpec, status: ResultStatus) -> FaultRecord {
    record.action = spec.experiment;
    record.engine = spec.engine;
    let verdict = status.experiment_status.verdict;
    if !verdict.is_empty() && verdict != "Awaited" {
        let ResultHistory {
            passed_runs,
            failed_runs,
            stopped_runs,
        } = status.history;
        record.occasions.push(Occasion {
            what: format!("has the verdict {verdict}"),
            at: None,
            pod: None,
            // The same verdict again is another run's.
            mark: format!("{verdict}:{passed_runs}:{failed_runs}:{stopped_runs}"),
        });
    }
    record
}
