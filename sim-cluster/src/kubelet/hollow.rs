//! Pods without processes, for clusters of thousands of them.
//!
//! A hollow pod runs and is ready as soon as it is bound, and gone as soon as it is deleted. Its
//! containers say what the owner of the cluster writes for them.

use std::{io, sync::Arc};

use serde_json::Value;

use super::{
    container,
    cri::{LogWriter, Stream, pod_folder},
    node::{Node, Site},
    pod,
    status::{self, Ended, Facts, Kind, State},
};
use crate::{
    client::Cluster,
    object::{list, name, namespace, text, uid},
    status::Status,
};

/// Makes a pod run.
pub(super) fn run(node: &Node, found: &Arc<Value>) {
    if matches!(
        text(found, &["status", "phase"]),
        "Running" | "Succeeded" | "Failed"
    ) {
        return;
    }
    let address = if pod::of_host(found) {
        Some(node.address)
    } else {
        node.site.addresses.take()
    };
    let Some(address) = address else {
        let message = "all addresses of pods are taken";
        node.events.pod(
            found,
            "",
            super::event::Tone::Warning,
            "FailedMount",
            message,
        );
        return;
    };
    let now = node.now();
    let mut containers = status::containers(found);
    for container in &mut containers {
        container.id = container::id(found, container);
        container.image_id = format!("sim://{}", container.image);
        container.is_started = container.kind != Kind::Init;
        container.is_ready = true;
        container.state = match container.kind {
            Kind::Init => State::Ended(Ended {
                exit_code: 0,
                reason: "Completed",
                message: String::new(),
                started_at: now,
                finished_at: now,
                container_id: container.id.clone(),
            }),
            Kind::Sidecar | Kind::Main => State::Running { since: now },
        };
    }
    let facts = Facts {
        host_ip: node.address.to_string(),
        pod_ip: address.to_string(),
        started_at: pod::started_at(found, now),
        ended_by_kubelet: None,
        is_over: false,
    };
    let written = pod::write(node, found, |pod, now| {
        status::of_pod(pod, &containers, &facts, now)
    });
    if let Err(error) = written
        && error.code != 404
    {
        tracing::error!(pod = status::formatted(found), %error, "a hollow pod does not run");
    }
}

/// The address of a pod that is gone.
pub(super) fn leave(node: &Node, pod: &Value) {
    if let Ok(address) = text(pod, &["status", "podIP"]).parse() {
        node.site.addresses.give_back(address);
    }
    node.site.logs.forget(pod);
}

/// Speaks and ends for containers of hollow pods.
#[derive(Clone, Debug)]
pub struct HollowPods {
    pub(super) site: Arc<Site>,
}

/// Why a hollow container does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum HollowError {
    #[error("the pod cannot be used")]
    Api(#[source] Status),
    #[error("pod {pod} has no container {container} that runs")]
    NoContainer { pod: String, container: String },
    #[error("the log of pod {pod} cannot be written")]
    Log {
        pod: String,
        #[source]
        source: io::Error,
    },
}

impl HollowPods {
    /// Writes lines to a container's log, with the time that it is now. The file is opened for this
    /// call only: thousands of containers would not fit otherwise.
    ///
    /// # Errors
    /// When there is no such pod on a node, or its file cannot be written.
    pub fn write<'a>(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), HollowError> {
        let cluster = &self.site.cluster;
        let object = client(cluster)
            .get("pods", namespace, pod)
            .map_err(HollowError::Api)?;
        let restart = restarts(&object, container).ok_or_else(|| HollowError::NoContainer {
            pod: pod.to_owned(),
            container: container.to_owned(),
        })?;
        let folder = self.site.folder(&object).join(container);
        let logs = &self.site.logs;
        let known = logs
            .find(namespace, pod, container)
            .filter(|run| run.restart == restart && run.folder == folder);
        let run = known.unwrap_or_else(|| logs.begin(&object, container, &folder, restart));
        let now = cluster.now();
        let failed = |source: io::Error| HollowError::Log {
            pod: pod.to_owned(),
            source,
        };
        let rotation = self.site.config.rotation;
        let mut log =
            LogWriter::open(&run.folder, restart, rotation, run.progress).map_err(failed)?;
        for line in lines {
            log.line(now, Stream::Stdout, line.as_bytes(), true);
        }
        log.flush(now).map_err(failed)
    }

    /// Ends all containers of a pod for good, as those of a Job end.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn end(&self, namespace: &str, pod: &str, exit_code: i32) -> Result<(), HollowError> {
        let client = client(&self.site.cluster);
        let object = client
            .get("pods", namespace, pod)
            .map_err(HollowError::Api)?;
        let mut next = (*object).clone();
        let now = status::seconds(self.site.cluster.now());
        next["status"]["phase"] = if exit_code == 0 {
            "Succeeded"
        } else {
            "Failed"
        }
        .into();
        let statuses = next["status"]["containerStatuses"].as_array_mut();
        for status in statuses.into_iter().flatten() {
            let started = status["state"]["running"]["startedAt"].clone();
            status["ready"] = false.into();
            status["started"] = false.into();
            status["state"] = serde_json::json!({ "terminated": {
                "exitCode": exit_code, "startedAt": started, "finishedAt": now,
                "reason": if exit_code == 0 { "Completed" } else { "Error" },
                "containerID": status["containerID"],
            } });
        }
        client
            .update_status("pods", next)
            .map_err(HollowError::Api)?;
        Ok(())
    }
}

impl Site {
    /// Of a pod's logs, on the node where it is.
    pub(super) fn folder(&self, pod: &Value) -> std::path::PathBuf {
        let node = text(pod, &["spec", "nodeName"]);
        let pods = self
            .config
            .root
            .join("nodes")
            .join(node)
            .join("var/log/pods");
        pod_folder(&pods, namespace(pod), name(pod), uid(pod))
    }
}

fn client(cluster: &Cluster) -> crate::client::Client {
    cluster.client("system:hollow")
}

/// Of a container that runs.
fn restarts(pod: &Value, container: &str) -> Option<u64> {
    let statuses = list(pod, &["status", "containerStatuses"]);
    let found = statuses
        .iter()
        .find(|status| status["name"] == container && status["state"]["running"].is_object())?;
    found["restartCount"].as_u64()
}
