//! What built-in objects say when their authors do not, following `SetDefaults_*` of
//! `k8s.io/kubernetes/pkg/apis/*/v1/defaults.go` where controllers, kubelets and kubectl look at it.

use serde_json::{Value, json};

use crate::object;
use crate::registry::Served;

/// Completes an object of a built-in kind; idempotent.
pub(super) fn complete(served: &Served, object: &mut Value) {
    if served.is_custom() {
        return;
    }
    match (
        served.resource.id.group.as_str(),
        served.resource.kind.as_str(),
    ) {
        ("", "Namespace") => namespace(object),
        ("", "Pod") => pod(object),
        ("", "ReplicationController") => {
            set(&mut object["spec"], "replicas", json!(1));
            template(&mut object["spec"]["template"]);
        }
        ("", "Service") => service(object),
        ("", "Secret") => {
            set(object, "type", json!("Opaque"));
            secret_data(object);
        }
        ("", "PersistentVolumeClaim") => {
            set(&mut object["spec"], "volumeMode", json!("Filesystem"));
            set(&mut object["status"], "phase", json!("Pending"));
        }
        ("", "PersistentVolume") => {
            set(&mut object["spec"], "volumeMode", json!("Filesystem"));
            set(
                &mut object["spec"],
                "persistentVolumeReclaimPolicy",
                json!("Retain"),
            );
            set(&mut object["status"], "phase", json!("Pending"));
        }
        ("apps", "Deployment") => deployment(object),
        ("apps", "ReplicaSet") => replica_set(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("batch", "Job") => job(&mut object["spec"]),
        ("batch", "CronJob") => cron_job(object),
        ("storage.k8s.io", "StorageClass") => {
            set(object, "reclaimPolicy", json!("Delete"));
            set(object, "volumeBindingMode", json!("Immediate"));
        }
        ("networking.k8s.io", "NetworkPolicy") => network_policy(object),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(object),
        _ => {}
    }
    untold_status(served, object);
}

/// What a status says before anybody has written it: in Go these fields are always written.
fn untold_status(served: &Served, object: &mut Value) {
    let status = match served.resource.kind.as_str() {
        "ReplicaSet" | "ReplicationController" => json!({ "replicas": 0 }),
        "StatefulSet" => json!({ "replicas": 0, "availableReplicas": 0 }),
        "DaemonSet" => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0,
            "numberReady": 0,
        }),
        "Deployment" | "Job" | "CronJob" => json!({}),
        _ => return,
    };
    set(object, "status", status);
}

/// Sets a field that is absent or null.
fn set(object: &mut Value, key: &str, value: Value) {
    if object.is_null() {
        *object = json!({});
    }
    if let Some(fields) = object.as_object_mut() {
        let field = fields.entry(key).or_insert(Value::Null);
        if field.is_null() {
            *field = value;
        }
    }
}

fn each(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.as_array_mut().into_iter().flatten()
}

fn existing<'a>(object: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    object
        .get_mut(key)
        .filter(|value| !value.is_null())
        .into_iter()
}

fn namespace(object: &mut Value) {
    let name = object::name(object).to_owned();
    set(&mut object["metadata"], "labels", json!({}));
    set(
        &mut object["metadata"]["labels"],
        "kubernetes.io/metadata.name",
        json!(name),
    );
    if !object::is_being_deleted(object) {
        set(&mut object["spec"], "finalizers", json!(["kubernetes"]));
        set(&mut object["status"], "phase", json!("Active"));
    }
}

fn pod(object: &mut Value) {
    pod_spec(&mut object["spec"]);
    set(&mut object["spec"], "enableServiceLinks", json!(true));
    set(&mut object["status"], "phase", json!("Pending"));
    if object::text(object, &["status", "qosClass"]).is_empty() {
        object["status"]["qosClass"] = json!(quality_of_service(&object["spec"]));
    }
}

fn template(template: &mut Value) {
    pod_spec(&mut template["spec"]);
}

fn pod_spec(spec: &mut Value) {
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "schedulerName", json!("default-scheduler"));
    set(spec, "securityContext", json!({}));
    // Either name of the service account gives the other.
    let account = match (&spec["serviceAccountName"], &spec["serviceAccount"]) {
        (Value::String(name), _) | (_, Value::String(name)) => Some(name.clone()),
        _ => None,
    };
    if let Some(name) = account {
        spec["serviceAccountName"] = json!(name);
        spec["serviceAccount"] = json!(name);
    }
    for key in ["containers", "initContainers"] {
        for container in existing(spec, key).flat_map(each) {
            complete_container(container);
        }
    }
    for volume in existing(spec, "volumes").flat_map(each) {
        complete_volume(volume);
    }
}

fn complete_container(container: &mut Value) {
    let image = object::text(container, &["image"]);
    let tag = image
        .rsplit('/')
        .next()
        .and_then(|last| last.split_once(':'))
        .map(|(_, tag)| tag);
    let moves = !image.contains('@') && tag.is_none_or(|tag| tag == "latest");
    let policy = if moves { "Always" } else { "IfNotPresent" };
    set(container, "imagePullPolicy", json!(policy));
    set(
        container,
        "terminationMessagePath",
        json!("/dev/termination-log"),
    );
    set(container, "terminationMessagePolicy", json!("File"));
    set(container, "resources", json!({}));
    for port in existing(container, "ports").flat_map(each) {
        set(port, "protocol", json!("TCP"));
    }
    for variable in existing(container, "env").flat_map(each) {
        for source in existing(variable, "valueFrom") {
            for field in existing(source, "fieldRef") {
                set(field, "apiVersion", json!("v1"));
            }
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        for probe in existing(container, key) {
            complete_probe(probe);
        }
    }
    // A limit without a request is both.
    let limits = object::at(container, &["resources", "limits"]).clone();
    for (what, limit) in limits.as_object().into_iter().flatten() {
        set(&mut container["resources"], "requests", json!({}));
        set(&mut container["resources"]["requests"], what, limit.clone());
    }
}

fn complete_probe(probe: &mut Value) {
    set(probe, "timeoutSeconds", json!(1));
    set(probe, "periodSeconds", json!(10));
    set(probe, "successThreshold", json!(1));
    set(probe, "failureThreshold", json!(3));
    for get in existing(probe, "httpGet") {
        set(get, "path", json!("/"));
        set(get, "scheme", json!("HTTP"));
    }
}

fn complete_volume(volume: &mut Value) {
    const MODE: i32 = 0o644;
    let sources = volume.as_object().map_or(0, |fields| fields.len());
    if sources <= 1 {
        set(volume, "emptyDir", json!({}));
    }
    for key in ["configMap", "secret", "downwardAPI", "projected"] {
        for source in existing(volume, key) {
            set(source, "defaultMode", json!(MODE));
        }
    }
    for path in existing(volume, "hostPath") {
        set(path, "type", json!(""));
    }
}

/// Kubernetes' three classes of pods, by what they request and limit.
fn quality_of_service(spec: &Value) -> &'static str {
    let containers = || {
        object::list(spec, &["containers"])
            .iter()
            .chain(object::list(spec, &["initContainers"]))
    };
    let said = |container: &Value, which: &str| {
        ["cpu", "memory"]
            .iter()
            .filter(|what| !container["resources"][which][**what].is_null())
            .count()
    };
    if containers().all(|it| said(it, "requests") == 0 && said(it, "limits") == 0) {
        return "BestEffort";
    }
    let guaranteed = containers().all(|it| {
        said(it, "limits") == 2
            && ["cpu", "memory"]
                .iter()
                .all(|what| it["resources"]["requests"][*what] == it["resources"]["limits"][*what])
    });
    if guaranteed {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// What the admission plugin `DefaultTolerationSeconds` adds.
pub(super) fn tolerate_trouble(pod: &mut Value) {
    const SECONDS: i32 = 300;
    set(&mut pod["spec"], "tolerations", json!([]));
    let Some(tolerations) = pod["spec"]["tolerations"].as_array_mut() else {
        return;
    };
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let tolerated = tolerations.iter().any(|it| {
            let about = object::text(it, &["key"]);
            let effect = object::text(it, &["effect"]);
            (about == key || about.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        });
        if !tolerated {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": SECONDS,
            }));
        }
    }
}

fn service(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "type", json!("ClusterIP"));
    set(spec, "sessionAffinity", json!("None"));
    if spec["type"] != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
        set(spec, "ipFamilies", json!(["IPv4"]));
        set(spec, "ipFamilyPolicy", json!("SingleStack"));
    }
    if matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer")) {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    for port in existing(spec, "ports").flat_map(each) {
        set(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        set(port, "targetPort", number);
    }
    set(&mut object["status"], "loadBalancer", json!({}));
}

/// `stringData` is written, never read.
fn secret_data(object: &mut Value) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let Some(texts) = object
        .as_object_mut()
        .and_then(|fields| fields.remove("stringData"))
    else {
        return;
    };
    for (key, text) in texts.as_object().into_iter().flatten() {
        set(object, "data", json!({}));
        object["data"][key] = json!(STANDARD.encode(text.as_str().unwrap_or("")));
    }
}

fn deployment(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "progressDeadlineSeconds", json!(600));
    set(spec, "strategy", json!({}));
    set(&mut spec["strategy"], "type", json!("RollingUpdate"));
    if spec["strategy"]["type"] == "RollingUpdate" {
        set(
            &mut spec["strategy"]["rollingUpdate"],
            "maxSurge",
            json!("25%"),
        );
        set(
            &mut spec["strategy"]["rollingUpdate"],
            "maxUnavailable",
            json!("25%"),
        );
    }
    template(&mut spec["template"]);
}

fn replica_set(object: &mut Value) {
    set(&mut object["spec"], "replicas", json!(1));
    template(&mut object["spec"]["template"]);
}

fn stateful_set(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "podManagementPolicy", json!("OrderedReady"));
    set(&mut spec["updateStrategy"], "type", json!("RollingUpdate"));
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        set(
            &mut spec["updateStrategy"]["rollingUpdate"],
            "partition",
            json!(0),
        );
    }
    let retain = json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
    set(spec, "persistentVolumeClaimRetentionPolicy", retain);
    template(&mut spec["template"]);
    for claim in existing(spec, "volumeClaimTemplates").flat_map(each) {
        set(claim, "apiVersion", json!("v1"));
        set(claim, "kind", json!("PersistentVolumeClaim"));
        set(&mut claim["spec"], "volumeMode", json!("Filesystem"));
        set(&mut claim["status"], "phase", json!("Pending"));
    }
}

fn daemon_set(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "revisionHistoryLimit", json!(10));
    set(&mut spec["updateStrategy"], "type", json!("RollingUpdate"));
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        set(
            &mut spec["updateStrategy"]["rollingUpdate"],
            "maxSurge",
            json!(0),
        );
        set(
            &mut spec["updateStrategy"]["rollingUpdate"],
            "maxUnavailable",
            json!(1),
        );
    }
    template(&mut spec["template"]);
}

fn job(spec: &mut Value) {
    let unsaid = spec["parallelism"].is_null() && spec["completions"].is_null();
    if unsaid {
        set(spec, "completions", json!(1));
    }
    set(spec, "parallelism", json!(1));
    set(spec, "backoffLimit", json!(6));
    set(spec, "completionMode", json!("NonIndexed"));
    set(spec, "suspend", json!(false));
    set(spec, "podReplacementPolicy", json!("TerminatingOrFailed"));
    template(&mut spec["template"]);
}

fn cron_job(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "concurrencyPolicy", json!("Allow"));
    set(spec, "suspend", json!(false));
    set(spec, "successfulJobsHistoryLimit", json!(3));
    set(spec, "failedJobsHistoryLimit", json!(1));
    template(&mut spec["jobTemplate"]["spec"]["template"]);
}

fn network_policy(object: &mut Value) {
    let egress = !object::at(object, &["spec", "egress"]).is_null();
    let types = if egress {
        json!(["Ingress", "Egress"])
    } else {
        json!(["Ingress"])
    };
    set(&mut object["spec"], "policyTypes", types);
}

fn binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    set(&mut object["roleRef"], "apiGroup", json!(GROUP));
    for subject in existing(object, "subjects").flat_map(each) {
        let group = if subject["kind"] == "ServiceAccount" {
            ""
        } else {
            GROUP
        };
        if !group.is_empty() {
            set(subject, "apiGroup", json!(group));
        }
    }
}
