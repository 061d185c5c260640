//! The status of a pod, from what its containers do.
//!
//! Pure. Phases and conditions follow `pkg/kubelet/kubelet_pods.go` and `status/generate.go`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::object::{at, list, name, text};

/// How one run of a container ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`.
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Timestamp,
    pub(super) container_id: String,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Waiting { reason: String, message: String },
    Running { since: Timestamp },
    Ended(Ended),
}

impl State {
    pub(super) fn waiting(reason: &str, message: impl Into<String>) -> State {
        State::Waiting {
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

/// A container of a pod, as its status tells it.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) last: Option<Ended>,
    /// Of the run that is or was; empty before the first.
    pub(super) id: String,
    pub(super) image_id: String,
    pub(super) restarts: u64,
    /// Its startup probe has succeeded, or it has none.
    pub(super) is_started: bool,
    pub(super) is_ready: bool,
}

/// What part a container plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Must end well before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    Main,
}

/// All containers of a pod, init containers first, before any has started.
pub(super) fn containers(pod: &Value) -> Vec<Container> {
    let init = list(pod, &["spec", "initContainers"]);
    let waits = if init.is_empty() {
        "ContainerCreating"
    } else {
        "PodInitializing"
    };
    let of = |kind: Kind| {
        move |container: &Value| Container {
            name: text(container, &["name"]).to_owned(),
            image: text(container, &["image"]).to_owned(),
            kind,
            state: State::waiting(waits, ""),
            last: None,
            id: String::new(),
            image_id: String::new(),
            restarts: 0,
            is_started: false,
            is_ready: false,
        }
    };
    let init = init.iter().map(|container| {
        if container["restartPolicy"] == "Always" {
            of(Kind::Sidecar)(container)
        } else {
            of(Kind::Init)(container)
        }
    });
    init.chain(
        list(pod, &["spec", "containers"])
            .iter()
            .map(of(Kind::Main)),
    )
    .collect()
}

/// What else a status tells.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) host_ip: String,
    /// Empty until it has one.
    pub(super) pod_ip: String,
    pub(super) started_at: Timestamp,
    /// Why the kubelet ended the pod, when it did: reason and message.
    pub(super) ended_by_kubelet: Option<(&'static str, String)>,
    /// The pod is being deleted and nothing of it runs any more.
    pub(super) is_over: bool,
}

/// The whole status of the pod; conditions of others and times of conditions that have not changed
/// are kept.
pub(super) fn of_pod(
    pod: &Value,
    containers: &[Container],
    facts: &Facts,
    now: Timestamp,
) -> Value {
    let phase = phase(pod, containers, facts);
    let mut status = Map::new();
    status.insert("phase".into(), phase.into());
    status.insert(
        "conditions".into(),
        conditions(pod, phase, containers, facts, now),
    );
    status.insert("hostIP".into(), facts.host_ip.clone().into());
    status.insert("hostIPs".into(), json!([{ "ip": facts.host_ip }]));
    if !facts.pod_ip.is_empty() {
        status.insert("podIP".into(), facts.pod_ip.clone().into());
        status.insert("podIPs".into(), json!([{ "ip": facts.pod_ip }]));
    }
    status.insert("startTime".into(), seconds(facts.started_at));
    status.insert("qosClass".into(), at(pod, &["status", "qosClass"]).clone());
    if let Some((reason, message)) = &facts.ended_by_kubelet {
        status.insert("reason".into(), (*reason).into());
        status.insert("message".into(), message.clone().into());
    }
    let statuses = |main: bool| -> Vec<Value> {
        let mut chosen: Vec<&Container> = containers
            .iter()
            .filter(|container| (container.kind == Kind::Main) == main)
            .collect();
        if main {
            // The kubelet sorts these by name, and leaves init containers in their order.
            chosen.sort_by(|a, b| a.name.cmp(&b.name));
        }
        chosen.into_iter().map(of_container).collect()
    };
    let init = statuses(false);
    if !init.is_empty() {
        status.insert("initContainerStatuses".into(), init.into());
    }
    status.insert("containerStatuses".into(), statuses(true).into());
    Value::Object(status)
}

/// Whether all that must be done before the main containers is done.
pub(super) fn is_initialised(containers: &[Container]) -> bool {
    containers.iter().all(|container| match container.kind {
        Kind::Init => {
            matches!(&container.state, State::Ended(ended) if ended.exit_code == 0)
        }
        Kind::Sidecar => container.is_started,
        Kind::Main => true,
    })
}

fn phase(pod: &Value, containers: &[Container], facts: &Facts) -> &'static str {
    if facts.ended_by_kubelet.is_some() {
        return "Failed";
    }
    let restarts = text(pod, &["spec", "restartPolicy"]);
    let failed = |container: &&Container| matches!(&container.state, State::Ended(ended) if ended.exit_code != 0);
    let init_failed = containers
        .iter()
        .filter(|container| container.kind == Kind::Init)
        .any(|container| failed(&container));
    if init_failed && restarts == "Never" {
        return "Failed";
    }
    let main: Vec<&Container> = containers
        .iter()
        .filter(|container| container.kind == Kind::Main)
        .collect();
    let never_ran = |container: &&&Container| {
        matches!(container.state, State::Waiting { .. }) && container.last.is_none()
    };
    if main.iter().any(|container| never_ran(&container)) {
        return "Pending";
    }
    // How a sidecar ends does not matter, but until it has the pod is not over.
    let all_ended = containers.iter().all(|container| match container.kind {
        Kind::Main => matches!(container.state, State::Ended(_)),
        Kind::Init | Kind::Sidecar => !matches!(container.state, State::Running { .. }),
    });
    let any_failed = main.iter().any(failed);
    match (all_ended, any_failed, restarts) {
        (true, false, "Never" | "OnFailure") => "Succeeded",
        (true, true, "Never") => "Failed",
        (true, false, _) if facts.is_over => "Succeeded",
        (true, true, _) if facts.is_over => "Failed",
        _ => "Running",
    }
}

fn conditions(
    pod: &Value,
    phase: &str,
    containers: &[Container],
    facts: &Facts,
    now: Timestamp,
) -> Value {
    let names = |left: &dyn Fn(&Container) -> bool| {
        let names: Vec<&str> = containers
            .iter()
            .filter(|container| left(container))
            .map(|container| container.name.as_str())
            .collect();
        names.join(" ")
    };
    let unready = names(&|container| container.kind != Kind::Init && !container.is_ready);
    let incomplete = names(&|container| {
        container.kind != Kind::Main && !is_initialised(std::slice::from_ref(container))
    });
    let over = match phase {
        "Succeeded" => Some("PodCompleted"),
        "Failed" => Some("PodFailed"),
        _ => None,
    };
    let initialised = if incomplete.is_empty() || phase == "Succeeded" {
        Condition::met("Initialized")
    } else {
        Condition {
            kind: "Initialized",
            unmet: Some((
                "ContainersNotInitialized",
                format!("containers with incomplete status: [{incomplete}]"),
            )),
        }
    };
    let unmet_ready = match over {
        Some(reason) => Some((reason, String::new())),
        None if unready.is_empty() => None,
        None => Some((
            "ContainersNotReady",
            format!("containers with unready status: [{unready}]"),
        )),
    };
    let open_gates: Vec<&str> = list(pod, &["spec", "readinessGates"])
        .iter()
        .map(|gate| text(gate, &["conditionType"]))
        .filter(|kind| {
            crate::object::condition(pod, kind).is_none_or(|found| found["status"] != "True")
        })
        .collect();
    let pod_ready = match &unmet_ready {
        None if !open_gates.is_empty() => Some((
            "ReadinessGatesNotReady",
            format!(
                "the status of pod readiness gate \"{}\" is not \"True\", but False",
                open_gates.join("\", \"")
            ),
        )),
        unmet => unmet.clone(),
    };
    let own = [
        Condition {
            kind: "PodReadyToStartContainers",
            unmet: (facts.pod_ip.is_empty() || over.is_some()).then(Default::default),
        },
        initialised,
        Condition {
            kind: "Ready",
            unmet: pod_ready,
        },
        Condition {
            kind: "ContainersReady",
            unmet: unmet_ready,
        },
        Condition::met("PodScheduled"),
    ];
    let others = list(pod, &["status", "conditions"])
        .iter()
        .filter(|condition| !own.iter().any(|mine| condition["type"] == mine.kind))
        .cloned();
    own.iter()
        .map(|condition| condition.written(pod, now))
        .chain(others)
        .collect()
}

struct Condition {
    kind: &'static str,
    /// Reason and message, when it is not so.
    unmet: Option<(&'static str, String)>,
}

impl Condition {
    fn met(kind: &'static str) -> Condition {
        Condition { kind, unmet: None }
    }

    fn written(&self, pod: &Value, now: Timestamp) -> Value {
        let status = if self.unmet.is_none() {
            "True"
        } else {
            "False"
        };
        let before = crate::object::condition(pod, self.kind);
        let since = before
            .filter(|before| before["status"] == status)
            .map_or_else(
                || seconds(now),
                |before| before["lastTransitionTime"].clone(),
            );
        let mut written = json!({
            "type": self.kind, "status": status,
            "lastProbeTime": null, "lastTransitionTime": since,
        });
        if let Some((reason, message)) = &self.unmet
            && !reason.is_empty()
        {
            written["reason"] = (*reason).into();
            if !message.is_empty() {
                written["message"] = message.clone().into();
            }
        }
        written
    }
}

fn of_container(container: &Container) -> Value {
    let mut status = json!({
        "name": container.name,
        "image": container.image,
        "imageID": container.image_id,
        "ready": container.is_ready,
        "started": container.is_started,
        "restartCount": container.restarts,
        "state": of_state(&container.state),
        "lastState": container.last.as_ref().map_or_else(|| json!({}), of_ended),
    });
    if !container.id.is_empty() {
        status["containerID"] = container.id.clone().into();
    }
    status
}

fn of_state(state: &State) -> Value {
    match state {
        State::Waiting { reason, message } if message.is_empty() => {
            json!({ "waiting": { "reason": reason } })
        }
        State::Waiting { reason, message } => {
            json!({ "waiting": { "reason": reason, "message": message } })
        }
        State::Running { since } => json!({ "running": { "startedAt": seconds(*since) } }),
        State::Ended(ended) => of_ended(ended),
    }
}

fn of_ended(ended: &Ended) -> Value {
    let mut terminated = json!({
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        "startedAt": seconds(ended.started_at),
        "finishedAt": seconds(ended.finished_at),
        "containerID": ended.container_id,
    });
    if !ended.message.is_empty() {
        terminated["message"] = ended.message.clone().into();
    }
    json!({ "terminated": terminated })
}

/// Times in objects have no fraction.
pub(super) fn seconds(time: Timestamp) -> Value {
    format!("{time:.0}").into()
}

/// How the kubelet writes a pod in messages: `web-1_shop(uid)`.
pub(super) fn formatted(pod: &Value) -> String {
    format!(
        "{}_{}({})",
        name(pod),
        crate::object::namespace(pod),
        crate::object::uid(pod)
    )
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn at_second(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_284_000 + second).unwrap()
    }

    fn ended(exit_code: i32) -> State {
        State::Ended(Ended {
            exit_code,
            reason: if exit_code == 0 { "Completed" } else { "Error" },
            message: String::new(),
            started_at: at_second(0),
            finished_at: at_second(1),
            container_id: "sim://1".to_owned(),
        })
    }

    fn running() -> State {
        State::Running {
            since: at_second(0),
        }
    }

    /// A pod of an init container, a sidecar and two main containers, as phase and conditions.
    fn check(restart_policy: &str, states: [State; 4], expected: &Expect) {
        let pod = json!({ "spec": {
            "restartPolicy": restart_policy,
            "initContainers": [{ "name": "init" }, { "name": "side", "restartPolicy": "Always" }],
            "containers": [{ "name": "web" }, { "name": "app" }],
        } });
        let mut all = containers(&pod);
        for (container, state) in all.iter_mut().zip(states) {
            container.is_started = matches!(state, State::Running { .. });
            container.is_ready = container.is_started;
            container.state = state;
        }
        let facts = Facts {
            host_ip: "127.20.0.2".to_owned(),
            pod_ip: "127.20.64.1".to_owned(),
            started_at: at_second(0),
            ended_by_kubelet: None,
            is_over: false,
        };
        let status = of_pod(&pod, &all, &facts, at_second(2));
        let mut said = format!("{}\n", text(&status, &["phase"]));
        for condition in list(&status, &["conditions"]) {
            let field = |name: &str| text(condition, &[name]);
            let line = ["type", "status", "reason", "message"].map(field).join(" ");
            said += &format!("{}\n", line.trim_end());
        }
        expected.assert_eq(&said);
    }

    #[test]
    fn a_pod_that_starts_waits_for_its_init_containers() {
        let waiting = || State::waiting("PodInitializing", "");
        check(
            "Always",
            [running(), waiting(), waiting(), waiting()],
            &expect![[r#"
                Pending
                PodReadyToStartContainers True
                Initialized False ContainersNotInitialized containers with incomplete status: [init side]
                Ready False ContainersNotReady containers with unready status: [side web app]
                ContainersReady False ContainersNotReady containers with unready status: [side web app]
                PodScheduled True
            "#]],
        );
    }

    #[test]
    fn a_pod_is_ready_when_all_its_containers_are() {
        check(
            "Always",
            [ended(0), running(), running(), running()],
            &expect![[r#"
                Running
                PodReadyToStartContainers True
                Initialized True
                Ready True
                ContainersReady True
                PodScheduled True
            "#]],
        );
        check(
            "Always",
            [ended(0), running(), running(), ended(1)],
            &expect![[r#"
                Running
                PodReadyToStartContainers True
                Initialized True
                Ready False ContainersNotReady containers with unready status: [app]
                ContainersReady False ContainersNotReady containers with unready status: [app]
                PodScheduled True
            "#]],
        );
    }

    #[test]
    fn a_pod_that_does_not_restart_succeeds_or_fails() {
        check(
            "Never",
            [ended(0), ended(0), ended(0), ended(0)],
            &expect![[r#"
                Succeeded
                PodReadyToStartContainers False
                Initialized True
                Ready False PodCompleted
                ContainersReady False PodCompleted
                PodScheduled True
            "#]],
        );
        check(
            "Never",
            [ended(0), ended(0), ended(0), ended(1)],
            &expect![[r#"
                Failed
                PodReadyToStartContainers False
                Initialized False ContainersNotInitialized containers with incomplete status: [side]
                Ready False PodFailed
                ContainersReady False PodFailed
                PodScheduled True
            "#]],
        );
        let waiting = || State::waiting("PodInitializing", "");
        check(
            "Never",
            [ended(1), waiting(), waiting(), waiting()],
            &expect![[r#"
                Failed
                PodReadyToStartContainers False
                Initialized False ContainersNotInitialized containers with incomplete status: [init side]
                Ready False PodFailed
                ContainersReady False PodFailed
                PodScheduled True
            "#]],
        );
    }

    #[test]
    fn the_time_of_a_condition_is_that_of_its_last_change() {
        let mut pod = json!({ "spec": { "containers": [{ "name": "web" }] } });
        let mut all = containers(&pod);
        let facts = Facts {
            host_ip: String::new(),
            pod_ip: "127.20.64.1".to_owned(),
            started_at: at_second(0),
            ended_by_kubelet: None,
            is_over: false,
        };
        pod["status"] = of_pod(&pod, &all, &facts, at_second(1));
        all[0].state = running();
        all[0].is_started = true;
        all[0].is_ready = true;
        pod["status"]["conditions"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "type": "Mine" }));
        pod["status"] = of_pod(&pod, &all, &facts, at_second(9));
        let since = |kind: &str| {
            let condition = crate::object::condition(&pod, kind).unwrap();
            condition["lastTransitionTime"].as_str().map(str::to_owned)
        };
        assert_eq!(since("Ready"), Some("2026-11-21T18:00:09Z".to_owned()));
        assert_eq!(
            since("Initialized"),
            Some("2026-11-21T18:00:01Z".to_owned())
        );
        assert_eq!(since("Mine"), None);
    }
}
