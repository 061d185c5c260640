//! Answers `pods/log`: which run of which container, or why none.
//!
//! The refusals are those of `pkg/registry/core/pod/strategy.go` and of the kubelet, which people
//! know from `kubectl logs`.

use std::sync::{Arc, Weak};

use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use serde_json::Value;

use super::{
    log_reader::{LogReader, Wanted},
    node::Site,
};
use crate::{
    http::{LogOptions, LogStream, Logs},
    object::{at, list, name, namespace, text},
    status::Status,
};

/// The logs of a cluster's pods, for as long as its kubelets run.
#[derive(Debug)]
pub(super) struct PodLogs {
    /// The cluster has this, and the kubelets have the cluster.
    site: Weak<Site>,
}

impl PodLogs {
    pub(super) fn of(site: &Arc<Site>) -> PodLogs {
        PodLogs {
            site: Arc::downgrade(site),
        }
    }
}

impl Logs for PodLogs {
    fn open(&self, pod: &Arc<Value>, options: &LogOptions) -> Result<LogStream, Status> {
        let site = self
            .site
            .upgrade()
            .ok_or_else(|| Status::internal("the kubelets have stopped"))?;
        let since_seconds = options.since_seconds.map(|seconds| {
            let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            site.cluster
                .now()
                .saturating_sub(span)
                .unwrap_or(jiff::Timestamp::MIN)
        });
        let wanted = Wanted {
            follow: options.follow,
            timestamps: options.timestamps,
            since: options.since_time.or(since_seconds),
            tail: options
                .tail_lines
                .map(|lines| usize::try_from(lines).unwrap_or(usize::MAX)),
            limit_bytes: options.limit_bytes,
        };
        let reader = open(
            &site,
            pod,
            options.container.as_deref(),
            options.previous,
            &wanted,
        )?;
        let named = name(pod).to_owned();
        let pieces = stream::unfold(reader, move |reader| {
            let named = named.clone();
            async move {
                let mut reader = reader?;
                match reader.next().await? {
                    Ok(bytes) => Some((bytes, Some(reader))),
                    Err(error) => {
                        tracing::warn!(pod = named, %error, "a log breaks off");
                        None
                    }
                }
            }
        });
        Ok(pieces.boxed())
    }
}

/// Opens a log. None when there can be none yet: the pod is on no node.
///
/// # Errors
/// 400 when the container is not said, unknown, or has not started.
pub(super) fn open(
    site: &Site,
    pod: &Arc<Value>,
    container: Option<&str>,
    previous: bool,
    wanted: &Wanted,
) -> Result<Option<LogReader>, Status> {
    let container = chosen(pod, container)?;
    if text(pod, &["spec", "nodeName"]).is_empty() {
        return Ok(None);
    }
    let is_waiting = may_be_read(pod, container, previous)?;
    let found = site.logs.find(namespace(pod), name(pod), container);
    let run = match found {
        Some(run) => run,
        None if site.config.is_hollow => {
            site.logs
                .begin(pod, container, &site.folder(pod).join(container), 0)
        }
        None => return Err(no_run(pod, container, previous)),
    };
    let restart = if previous && !is_waiting {
        run.restart
            .checked_sub(1)
            .ok_or_else(|| no_run(pod, container, previous))?
    } else {
        run.restart
    };
    LogReader::open(&run, restart, wanted)
        .map(Some)
        .map_err(|error| Status::internal(format!("the log cannot be read: {error}")))
}

/// The container that is meant.
fn chosen<'a>(pod: &'a Value, container: Option<&'a str>) -> Result<&'a str, Status> {
    let names = |field: &str| -> Vec<&'a str> {
        let containers = list(pod, &["spec", field]).iter();
        containers
            .map(|container| text(container, &["name"]))
            .collect()
    };
    let (main, init) = (names("containers"), names("initContainers"));
    let pod = name(pod);
    match container {
        None => match main.as_slice() {
            [only] if init.is_empty() => Ok(*only),
            _ => {
                let choice = format!("[{}]", main.join(" "));
                let init = match init.as_slice() {
                    [] => String::new(),
                    init => format!(" or one of the init containers: [{}]", init.join(" ")),
                };
                Err(Status::bad_request(format!(
                    "a container name must be specified for pod {pod}, choose one of: {choice}{init}"
                )))
            }
        },
        Some(container) if main.contains(&container) || init.contains(&container) => Ok(container),
        Some(container) => Err(Status::bad_request(format!(
            "container {container} is not valid for pod {pod}"
        ))),
    }
}

/// Whether the container waits for its next run; a refusal when it has had none.
fn may_be_read(pod: &Value, container: &str, previous: bool) -> Result<bool, Status> {
    let fields = ["containerStatuses", "initContainerStatuses"];
    let status = fields
        .iter()
        .flat_map(|field| list(pod, &["status", field]))
        .find(|status| status["name"] == container);
    let pod_name = name(pod);
    let waits = |why: &str| {
        Status::bad_request(format!(
            "container \"{container}\" in pod \"{pod_name}\" is waiting to start: {why}"
        ))
    };
    let Some(status) = status else {
        return Err(waits("ContainerCreating"));
    };
    let has_ended = at(status, &["lastState", "terminated"]).is_object();
    if previous && !has_ended {
        return Err(no_run(pod, container, previous));
    }
    let waiting = at(status, &["state", "waiting"]);
    if waiting.is_object() && !has_ended {
        return Err(waits(match text(waiting, &["reason"]) {
            "ErrImagePull" => "image can't be pulled",
            "ImagePullBackOff" => "trying and failing to pull image",
            reason => reason,
        }));
    }
    Ok(waiting.is_object())
}

fn no_run(pod: &Value, container: &str, previous: bool) -> Status {
    let pod = name(pod);
    let previous = if previous { "previous terminated " } else { "" };
    Status::bad_request(format!(
        "{previous}container \"{container}\" in pod \"{pod}\" not found"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_must_be_said_when_there_are_several() {
        let pod = |containers: &[&str], init: &[&str]| {
            let all = |names: &[&str]| -> Vec<Value> {
                names.iter().map(|name| json!({ "name": name })).collect()
            };
            json!({ "metadata": { "name": "x" }, "spec": {
                "containers": all(containers), "initContainers": all(init),
            } })
        };
        let said = |pod: &Value, container: Option<&str>| match chosen(pod, container) {
            Ok(container) => container.to_owned(),
            Err(error) => error.message,
        };
        assert_eq!(said(&pod(&["a"], &[]), None), "a");
        assert_eq!(
            said(&pod(&["a", "b"], &[]), None),
            "a container name must be specified for pod x, choose one of: [a b]"
        );
        assert_eq!(
            said(&pod(&["a"], &["i"]), None),
            "a container name must be specified for pod x, choose one of: [a] or one of the init containers: [i]"
        );
        assert_eq!(said(&pod(&["a"], &["i"]), Some("i")), "i");
        assert_eq!(
            said(&pod(&["a"], &[]), Some("z")),
            "container z is not valid for pod x"
        );
    }

    #[test]
    fn a_container_that_never_ran_has_no_log() {
        let check = |status: Value, previous: bool| {
            let mut status = status;
            status["name"] = "a".into();
            let pod =
                json!({ "metadata": { "name": "x" }, "status": { "containerStatuses": [status] } });
            match may_be_read(&pod, "a", previous) {
                Ok(is_waiting) => format!("waiting: {is_waiting}"),
                Err(error) => error.message,
            }
        };
        let waiting = |reason: &str| json!({ "state": { "waiting": { "reason": reason } } });
        assert_eq!(
            check(waiting("ContainerCreating"), false),
            "container \"a\" in pod \"x\" is waiting to start: ContainerCreating"
        );
        assert_eq!(
            check(waiting("ImagePullBackOff"), false),
            "container \"a\" in pod \"x\" is waiting to start: trying and failing to pull image"
        );
        assert_eq!(
            check(json!({ "state": { "running": {} } }), true),
            "previous terminated container \"a\" in pod \"x\" not found"
        );
        let mut crashed = waiting("CrashLoopBackOff");
        crashed["lastState"] = json!({ "terminated": {} });
        assert_eq!(check(crashed, false), "waiting: true");
    }
}
