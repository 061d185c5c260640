//! Columns and cells of the built-in kinds.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::duration::{age, human, since};
use super::pods;
use crate::object::{list, name, text};
use crate::selector::LabelSelector;

pub(super) struct Head {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) priority: i32,
}

/// The columns of a kind.
pub(super) fn shape(kind: &str) -> Vec<Head> {
    // Columns after the bar are shown with `-o wide`.
    let written = match kind {
        "Pod" => "Name Ready Status Restarts Age | IP Node Nominated_Node Readiness_Gates",
        "Deployment" => "Name Ready Up-to-date Available Age | Containers Images Selector",
        "ReplicaSet" | "ReplicationController" => {
            "Name Desired Current Ready Age | Containers Images Selector"
        }
        "StatefulSet" => "Name Ready Age | Containers Images",
        "DaemonSet" => {
            "Name Desired Current Ready Up-to-date Available Node_Selector Age | Containers Images Selector"
        }
        "Job" => "Name Status Completions Duration Age | Containers Images Selector",
        "CronJob" => {
            "Name Schedule Timezone Suspend Active Last_Schedule Age | Containers Images Selector"
        }
        "Service" => "Name Type Cluster-IP External-IP Port(s) Age | Selector",
        "Endpoints" => "Name Endpoints Age",
        "EndpointSlice" => "Name AddressType Ports Endpoints Age",
        "Node" => {
            "Name Status Roles Age Version | Internal-IP External-IP OS-Image Kernel-Version Container-Runtime"
        }
        "Namespace" => "Name Status Age",
        "ConfigMap" => "Name Data Age",
        "Secret" => "Name Type Data Age",
        "Event" => "Last_Seen Type Reason Object Message | Subobject Source First_Seen Count Name",
        "Lease" => "Name Holder Age",
        "PersistentVolumeClaim" => {
            "Name Status Volume Capacity Access_Modes StorageClass Age | VolumeMode"
        }
        "PersistentVolume" => {
            "Name Capacity Access_Modes Reclaim_Policy Status Claim StorageClass Age | VolumeMode"
        }
        "PodDisruptionBudget" => "Name Min_Available Max_Unavailable Allowed_Disruptions Age",
        "Ingress" => "Name Class Hosts Address Ports Age",
        "NetworkPolicy" => "Name Pod-Selector Age",
        "StorageClass" => {
            "Name Provisioner ReclaimPolicy VolumeBindingMode AllowVolumeExpansion Age"
        }
        "PriorityClass" => "Name Value Global-Default Age",
        "CustomResourceDefinition" | "ClusterRole" | "Role" => "Name Created_At",
        "RoleBinding" | "ClusterRoleBinding" => "Name Role Age | Users Groups ServiceAccounts",
        "ControllerRevision" => "Name Controller Revision Age",
        _ => "Name Age",
    };
    let mut priority = 0;
    let mut heads = Vec::new();
    for word in written.split(' ') {
        if word == "|" {
            priority = 1;
            continue;
        }
        heads.push(Head {
            name: spaced(word),
            kind: kind_of(kind, word),
            priority,
        });
    }
    heads
}

/// Names of columns with spaces in them.
fn spaced(word: &'static str) -> &'static str {
    const SPACED: [(&str, &str); 16] = [
        ("Nominated_Node", "Nominated Node"),
        ("Readiness_Gates", "Readiness Gates"),
        ("Node_Selector", "Node Selector"),
        ("Last_Schedule", "Last Schedule"),
        ("Last_Seen", "Last Seen"),
        ("First_Seen", "First Seen"),
        ("Access_Modes", "Access Modes"),
        ("Reclaim_Policy", "Reclaim Policy"),
        ("Min_Available", "Min Available"),
        ("Max_Unavailable", "Max Unavailable"),
        ("Allowed_Disruptions", "Allowed Disruptions"),
        ("Created_At", "Created At"),
        ("OS-Image", "OS-Image"),
        ("Kernel-Version", "Kernel-Version"),
        ("Container-Runtime", "Container-Runtime"),
        ("Pod-Selector", "Pod-Selector"),
    ];
    SPACED
        .iter()
        .find(|(it, _)| *it == word)
        .map_or(word, |(_, spaced)| spaced)
}

fn kind_of(kind: &str, column: &str) -> &'static str {
    match (kind, column) {
        ("Deployment", "Up-to-date" | "Available")
        | ("ReplicaSet" | "ReplicationController" | "DaemonSet", "Desired" | "Current" | "Ready")
        | ("DaemonSet", "Up-to-date" | "Available")
        | ("CronJob", "Active")
        | ("PodDisruptionBudget", "Allowed_Disruptions")
        | ("PriorityClass", "Value")
        | ("ControllerRevision", "Revision") => "integer",
        _ => "string",
    }
}

/// The cells of an object, one for each column of its kind.
pub(super) fn cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let named = json!(name(object));
    let old = json!(age(object, now));
    let spec = &object["spec"];
    let status = &object["status"];
    let count = |value: &Value| json!(value.as_i64().unwrap_or(0));
    let template = &spec["template"]["spec"];
    match text(object, &["kind"]) {
        "Pod" => {
            let [ready, word, restarts] = pods::summary(object, now);
            let mut cells = vec![named, ready, word, restarts, old];
            cells.push(or_none(text(status, &["podIP"])));
            cells.push(or_none(text(spec, &["nodeName"])));
            cells.push(or_none(text(status, &["nominatedNodeName"])));
            cells.push(or_none(""));
            cells
        }
        "Deployment" => {
            let ready = ratio(&status["readyReplicas"], &spec["replicas"]);
            let [names, images] = containers(template);
            let (updated, available) = (
                count(&status["updatedReplicas"]),
                count(&status["availableReplicas"]),
            );
            vec![
                named,
                ready,
                updated,
                available,
                old,
                names,
                images,
                selector(spec),
            ]
        }
        "ReplicaSet" | "ReplicationController" => {
            let [names, images] = containers(template);
            vec![
                named,
                count(&spec["replicas"]),
                count(&status["replicas"]),
                count(&status["readyReplicas"]),
                old,
                names,
                images,
                selector(spec),
            ]
        }
        "StatefulSet" => {
            let ready = ratio(&status["readyReplicas"], &spec["replicas"]);
            let [names, images] = containers(template);
            vec![named, ready, old, names, images]
        }
        "DaemonSet" => {
            let [names, images] = containers(template);
            let mut cells = vec![named];
            for key in [
                "desiredNumberScheduled",
                "currentNumberScheduled",
                "numberReady",
                "updatedNumberScheduled",
                "numberAvailable",
            ] {
                cells.push(count(&status[key]));
            }
            cells.push(or_none(
                &LabelSelector::from_map(&template["nodeSelector"]).to_string(),
            ));
            cells.extend([old, names, images, selector(spec)]);
            cells
        }
        "Job" => {
            let [names, images] = containers(template);
            let done = status["succeeded"].as_i64().unwrap_or(0);
            let wanted = spec["completions"].as_i64().unwrap_or(1);
            let completions = json!(format!("{done}/{wanted}"));
            vec![
                named,
                json!(job_word(object)),
                completions,
                job_duration(status, now),
                old,
                names,
                images,
                selector(spec),
            ]
        }
        "CronJob" => {
            let [names, images] = containers(&spec["jobTemplate"]["spec"]["template"]["spec"]);
            let last = match text(status, &["lastScheduleTime"]) {
                "" => "<none>".to_owned(),
                time => since(time, now),
            };
            let zone = or_none(text(spec, &["timeZone"]));
            let suspended = if spec["suspend"] == true {
                "True"
            } else {
                "False"
            };
            vec![
                named,
                spec["schedule"].clone(),
                zone,
                json!(suspended),
                json!(list(status, &["active"]).len()),
                json!(last),
                old,
                names,
                images,
                or_none(""),
            ]
        }
        "Service" => service(object, named, old),
        "Endpoints" => vec![named, json!(addresses(object)), old],
        "EndpointSlice" => {
            let found: Vec<&str> = list(object, &["endpoints"])
                .iter()
                .flat_map(|endpoint| list(endpoint, &["addresses"]))
                .filter_map(Value::as_str)
                .collect();
            let ports: Vec<String> = list(object, &["ports"])
                .iter()
                .map(|port| port["port"].to_string())
                .collect();
            let kind = object["addressType"].clone();
            vec![
                named,
                kind,
                unset(&some_of(&ports)),
                unset(&some_of(&found)),
                old,
            ]
        }
        "Node" => node(object, named, old),
        "Namespace" => vec![named, status["phase"].clone(), old],
        "ConfigMap" => vec![named, json!(data(object).to_string()), old],
        "Secret" => vec![
            named,
            object["type"].clone(),
            json!(data(object).to_string()),
            old,
        ],
        "Event" => event(object, now),
        "Lease" => vec![named, json!(text(spec, &["holderIdentity"])), old],
        "PersistentVolumeClaim" => {
            let size = json!(text(status, &["capacity", "storage"]));
            vec![
                named,
                status["phase"].clone(),
                json!(text(spec, &["volumeName"])),
                size,
                modes(&status["accessModes"]),
                json!(text(spec, &["storageClassName"])),
                old,
                spec["volumeMode"].clone(),
            ]
        }
        "PersistentVolume" => {
            let claim = match text(spec, &["claimRef", "name"]) {
                "" => String::new(),
                name => format!("{}/{name}", text(spec, &["claimRef", "namespace"])),
            };
            vec![
                named,
                json!(text(spec, &["capacity", "storage"])),
                modes(&spec["accessModes"]),
                spec["persistentVolumeReclaimPolicy"].clone(),
                status["phase"].clone(),
                json!(claim),
                json!(text(spec, &["storageClassName"])),
                old,
                spec["volumeMode"].clone(),
            ]
        }
        "PodDisruptionBudget" => {
            let bound = |value: &Value| match value {
                Value::Null => json!("N/A"),
                Value::String(share) => json!(share),
                number => json!(number.to_string()),
            };
            vec![
                named,
                bound(&spec["minAvailable"]),
                bound(&spec["maxUnavailable"]),
                count(&status["disruptionsAllowed"]),
                old,
            ]
        }
        "Ingress" => ingress(object, named, old),
        "NetworkPolicy" => {
            let selector = LabelSelector::from_object(&spec["podSelector"])
                .ok()
                .flatten();
            vec![
                named,
                or_none(&selector.unwrap_or_default().to_string()),
                old,
            ]
        }
        "StorageClass" => {
            let expands = object["allowVolumeExpansion"] == true;
            vec![
                named,
                object["provisioner"].clone(),
                object["reclaimPolicy"].clone(),
                object["volumeBindingMode"].clone(),
                json!(expands.to_string()),
                old,
            ]
        }
        "PriorityClass" => {
            let global = object["globalDefault"] == true;
            vec![
                named,
                object["value"].clone(),
                json!(global.to_string()),
                old,
            ]
        }
        "CustomResourceDefinition" | "ClusterRole" | "Role" => {
            vec![named, object["metadata"]["creationTimestamp"].clone()]
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let role = text(object, &["roleRef", "name"]);
            let kind = text(object, &["roleRef", "kind"]);
            let of = |kind: &str| {
                let names: Vec<&str> = list(object, &["subjects"])
                    .iter()
                    .filter(|subject| subject["kind"] == kind)
                    .map(|subject| text(subject, &["name"]))
                    .collect();
                json!(names.join(", "))
            };
            vec![
                named,
                json!(format!("{kind}/{role}")),
                old,
                of("User"),
                of("Group"),
                of("ServiceAccount"),
            ]
        }
        "ControllerRevision" => {
            let owner = crate::object::controller(object).map_or_else(
                || "<none>".to_owned(),
                |it| {
                    format!(
                        "{}/{}",
                        text(it, &["kind"]).to_lowercase(),
                        text(it, &["name"])
                    )
                },
            );
            vec![named, json!(owner), object["revision"].clone(), old]
        }
        _ => vec![named, old],
    }
}

fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { "<none>" } else { text })
}

fn unset(text: &str) -> Value {
    json!(if text.is_empty() { "<unset>" } else { text })
}

fn ratio(part: &Value, whole: &Value) -> Value {
    json!(format!(
        "{}/{}",
        part.as_i64().unwrap_or(0),
        whole.as_i64().unwrap_or(0)
    ))
}

fn containers(spec: &Value) -> [Value; 2] {
    let joined = |key: &str| {
        let found: Vec<&str> = list(spec, &["containers"])
            .iter()
            .map(|container| text(container, &[key]))
            .collect();
        json!(found.join(","))
    };
    [joined("name"), joined("image")]
}

fn selector(spec: &Value) -> Value {
    let selector = &spec["selector"];
    let parsed = if selector["matchLabels"].is_null() && selector["matchExpressions"].is_null() {
        Some(LabelSelector::from_map(selector))
    } else {
        LabelSelector::from_object(selector).ok().flatten()
    };
    or_none(&parsed.unwrap_or_default().to_string())
}

fn data(object: &Value) -> usize {
    ["data", "binaryData"]
        .iter()
        .filter_map(|key| object[*key].as_object())
        .map(|it| it.len())
        .sum()
}

fn modes(modes: &Value) -> Value {
    let short = |mode: &Value| match mode.as_str() {
        Some("ReadWriteOnce") => "RWO",
        Some("ReadOnlyMany") => "ROX",
        Some("ReadWriteMany") => "RWX",
        Some("ReadWriteOncePod") => "RWOP",
        _ => "?",
    };
    let modes: Vec<&str> = modes.as_array().into_iter().flatten().map(short).collect();
    json!(modes.join(","))
}

/// The first three, and how many more.
fn some_of<T: AsRef<str>>(all: &[T]) -> String {
    const SHOWN: usize = 3;
    let first: Vec<&str> = all.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let mut text = first.join(",");
    if all.len() > SHOWN {
        text.push_str(&format!(" + {} more...", all.len() - SHOWN));
    }
    text
}

fn addresses(endpoints: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(endpoints, &["subsets"]) {
        for port in list(subset, &["ports"]) {
            for address in list(subset, &["addresses"]) {
                all.push(format!("{}:{}", text(address, &["ip"]), port["port"]));
            }
        }
    }
    if all.is_empty() {
        "<none>".to_owned()
    } else {
        some_of(&all)
    }
}

fn job_word(job: &Value) -> &'static str {
    let is = |kind: &str| {
        crate::object::condition(job, kind).is_some_and(|condition| condition["status"] == "True")
    };
    if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if crate::object::is_being_deleted(job) {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn job_duration(status: &Value, now: Timestamp) -> Value {
    let start = text(status, &["startTime"]);
    let Ok(started) = start.parse::<Timestamp>() else {
        return json!("");
    };
    let ended = text(status, &["completionTime"]).parse().unwrap_or(now);
    json!(human(ended.as_second() - started.as_second()))
}

fn service(object: &Value, named: Value, old: Value) -> Vec<Value> {
    let spec = &object["spec"];
    let kind = text(spec, &["type"]);
    let mut external: Vec<&str> = list(spec, &["externalIPs"])
        .iter()
        .filter_map(Value::as_str)
        .collect();
    external.extend(
        list(object, &["status", "loadBalancer", "ingress"])
            .iter()
            .map(|it| {
                if text(it, &["ip"]).is_empty() {
                    text(it, &["hostname"])
                } else {
                    text(it, &["ip"])
                }
            }),
    );
    let external = match kind {
        "ExternalName" => text(spec, &["externalName"]).to_owned(),
        "LoadBalancer" if external.is_empty() => "<pending>".to_owned(),
        _ if external.is_empty() => "<none>".to_owned(),
        _ => external.join(","),
    };
    let ports: Vec<String> = list(spec, &["ports"])
        .iter()
        .map(|port| {
            let node = port["nodePort"].as_u64().filter(|it| *it != 0);
            let node = node.map_or_else(String::new, |it| format!(":{it}"));
            format!("{}{node}/{}", port["port"], text(port, &["protocol"]))
        })
        .collect();
    vec![
        named,
        json!(kind),
        or_none(text(spec, &["clusterIP"])),
        json!(external),
        or_none(&ports.join(",")),
        old,
        selector(spec),
    ]
}

fn node(object: &Value, named: Value, old: Value) -> Vec<Value> {
    let ready = crate::object::condition(object, "Ready");
    let mut words = vec![match ready.map(|condition| &condition["status"]) {
        Some(status) if status == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }];
    if object["spec"]["unschedulable"] == true {
        words.push("SchedulingDisabled");
    }
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
    {
        if let Some(role) = key.strip_prefix("node-role.kubernetes.io/") {
            roles.push(role);
        } else if key == "kubernetes.io/role" {
            roles.extend(value.as_str());
        }
    }
    let address = |kind: &str| {
        let found = list(object, &["status", "addresses"])
            .iter()
            .find(|it| it["type"] == kind);
        or_none(found.map_or("", |it| text(it, &["address"])))
    };
    let info = |key: &str| {
        let said = text(object, &["status", "nodeInfo", key]);
        json!(if said.is_empty() { "<unknown>" } else { said })
    };
    vec![
        named,
        json!(words.join(",")),
        or_none(&roles.join(",")),
        old,
        info("kubeletVersion"),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

/// Events of either group: fields have other names in the newer one.
fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let either = |first: &str, second: &str| {
        if object[first].is_null() {
            &object[second]
        } else {
            &object[first]
        }
    };
    let about = either("involvedObject", "regarding");
    let first = either("firstTimestamp", "deprecatedFirstTimestamp").as_str();
    let last = either("lastTimestamp", "deprecatedLastTimestamp").as_str();
    let at = object["eventTime"].as_str();
    let series = &object["series"];
    let seen = |time: Option<&str>| match time.or(at) {
        Some(time) => since(time, now),
        None => "<unknown>".to_owned(),
    };
    let count = series["count"]
        .as_i64()
        .or(either("count", "deprecatedCount").as_i64());
    let what = format!(
        "{}/{}",
        text(about, &["kind"]).to_lowercase(),
        text(about, &["name"])
    );
    let source = either("source", "deprecatedSource");
    let mut by = text(source, &["component"]).to_owned();
    if by.is_empty() {
        either("reportingComponent", "reportingController")
            .as_str()
            .unwrap_or("")
            .clone_into(&mut by);
    }
    let host = text(source, &["host"]);
    if !host.is_empty() {
        by = format!("{by}, {host}");
    }
    let message = either("message", "note").as_str().unwrap_or("").trim();
    vec![
        json!(seen(series["lastObservedTime"].as_str().or(last))),
        object["type"].clone(),
        object["reason"].clone(),
        json!(what),
        json!(message),
        json!(text(about, &["fieldPath"])),
        json!(by),
        json!(seen(first)),
        json!(count.unwrap_or(1).to_string()),
        json!(name(object)),
    ]
}

fn ingress(object: &Value, named: Value, old: Value) -> Vec<Value> {
    let spec = &object["spec"];
    let hosts: Vec<&str> = list(spec, &["rules"])
        .iter()
        .map(|rule| text(rule, &["host"]))
        .map(|host| if host.is_empty() { "*" } else { host })
        .collect();
    let hosts = if hosts.is_empty() {
        "*".to_owned()
    } else {
        some_of(&hosts)
    };
    let at: Vec<&str> = list(object, &["status", "loadBalancer", "ingress"])
        .iter()
        .map(|it| text(it, &["ip"]))
        .collect();
    let ports = if list(spec, &["tls"]).is_empty() {
        "80"
    } else {
        "80, 443"
    };
    vec![
        named,
        or_none(text(spec, &["ingressClassName"])),
        json!(hosts),
        json!(at.join(",")),
        json!(ports),
        old,
    ]
}
