//! The life of one pod on its node: from the first look at it until nothing of it is left.
//!
//! Each pod has a task. It makes the pod's place, starts the containers' tasks in their order,
//! writes the status from what they report, and ends them when the pod is to go.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    container::{self, Job, Place, Report},
    event::Tone,
    node::Node,
    place,
    status::{self, Container, Facts, Kind, is_initialised},
};
use crate::{
    client::DeleteOptions,
    object::{at, is_being_deleted, name, namespace, text, uid},
    status::Status,
};

/// For containers when the cluster stops, before they are killed.
const HURRIED: Duration = Duration::from_secs(2);

/// Attempts to write a status while others write the pod.
const ATTEMPTS: usize = 8;

/// Runs a pod until it is gone. `halt` ends its processes without a word to the API: the pod is
/// gone there already, or the cluster stops.
pub(super) async fn run(
    node: Arc<Node>,
    mut pod: watch::Receiver<Arc<Value>>,
    halt: CancellationToken,
) {
    let first = Arc::clone(&pod.borrow_and_update());
    let mut life = Life {
        containers: status::containers(&first),
        facts: Facts {
            host_ip: node.address.to_string(),
            pod_ip: String::new(),
            started_at: started_at(&first, node.now()),
            ended_by_kubelet: None,
            is_over: false,
        },
        address: None,
        node,
        pod,
        halt,
    };
    let is_terminal = matches!(text(&first, &["status", "phase"]), "Succeeded" | "Failed");
    if !is_terminal {
        life.live().await;
    }
    life.until_deleted().await;
    life.leave().await;
}

struct Life {
    node: Arc<Node>,
    pod: watch::Receiver<Arc<Value>>,
    halt: CancellationToken,
    containers: Vec<Container>,
    facts: Facts,
    /// Of its own, to be given back.
    address: Option<Ipv4Addr>,
}

/// The containers' tasks of a pod.
struct Tasks {
    tasks: JoinSet<usize>,
    is_begun: Vec<bool>,
    is_finished: Vec<bool>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    /// Sidecars end after the others.
    stop_main: watch::Sender<Option<Duration>>,
    stop_sidecars: watch::Sender<Option<Duration>>,
}

impl Life {
    fn newest(&self) -> Arc<Value> {
        Arc::clone(&self.pod.borrow())
    }

    async fn live(&mut self) {
        self.write_status();
        let Some(place) = self.find_place().await else {
            return;
        };
        let place = Arc::new(place);
        self.facts.pod_ip = place.address.to_string();
        let mut tasks = Tasks::new(self.containers.len());
        let mut deadline = std::pin::pin!(self.deadline());
        let mut refresh = tokio::time::interval(self.node.site.config.pace.refresh);
        let mut generation = 1;
        refresh.reset();
        loop {
            self.begin_what_can(&mut tasks, &place);
            self.end_what_must(&tasks);
            if tasks.tasks.is_empty() {
                break;
            }
            self.write_status();
            tokio::select! {
                Some(report) = tasks.reports.recv() => self.take(report),
                Some(finished) = tasks.tasks.join_next() => {
                    if let Ok(index) = finished {
                        tasks.is_finished[index] = true;
                    }
                }
                () = self.halt.cancelled(), if tasks.stop_sidecars.borrow().is_none() => {
                    tasks.stop_all(HURRIED);
                }
                Ok(()) = self.pod.changed() => self.look_at_deletion(&tasks),
                () = &mut deadline => {
                    let message = "Pod was active on the node longer than the specified deadline";
                    self.facts.ended_by_kubelet = Some(("DeadlineExceeded", message.to_owned()));
                    self.node.events.pod(&self.newest(), "", Tone::Normal, "DeadlineExceeded", message);
                    tasks.stop_all(self.grace());
                }
                _ = refresh.tick() => {
                    generation += 1;
                    place::refresh(&self.node, &self.newest(), &place, generation);
                }
            }
            while let Ok(report) = tasks.reports.try_recv() {
                self.take(report);
            }
        }
        self.facts.is_over = true;
        self.write_status();
    }

    /// Address and volumes; none when the pod goes before it has them.
    async fn find_place(&mut self) -> Option<Place> {
        loop {
            let pod = self.newest();
            if is_being_deleted(&pod) || self.halt.is_cancelled() {
                return None;
            }
            let address = if of_host(&pod) {
                Some(self.node.address)
            } else {
                if self.address.is_none() {
                    self.address = self.node.site.addresses.take();
                }
                self.address
            };
            let made = match address {
                Some(address) => place::make(&self.node, &pod, address),
                None => Err("all addresses of pods are taken".to_owned()),
            };
            match made {
                Ok(place) => return Some(place),
                Err(message) => {
                    self.node
                        .events
                        .pod(&pod, "", Tone::Warning, "FailedMount", &message);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.node.site.config.pace.second) => {}
                _ = self.pod.changed() => {}
                () = self.halt.cancelled() => return None,
            }
        }
    }

    /// Init containers one after another, then the main ones.
    fn begin_what_can(&self, tasks: &mut Tasks, place: &Arc<Place>) {
        if tasks.stop_main.borrow().is_some() {
            return;
        }
        for index in next_to_begin(&self.containers, &tasks.is_begun) {
            let kind = self.containers[index].kind;
            let stop = if kind == Kind::Sidecar {
                &tasks.stop_sidecars
            } else {
                &tasks.stop_main
            };
            let job = Job {
                node: Arc::clone(&self.node),
                pod: self.pod.clone(),
                place: Arc::clone(place),
                container: self.containers[index].clone(),
                index,
                reports: tasks.reporter.clone(),
                stop: stop.subscribe(),
            };
            tasks.is_begun[index] = true;
            tasks.tasks.spawn(async move {
                container::run(job).await;
                index
            });
        }
    }

    /// Sidecars have nothing to serve when the others are over.
    fn end_what_must(&self, tasks: &Tasks) {
        let is_stopped = tasks.stop_main.borrow().is_some();
        let others_are_over = (0..self.containers.len())
            .filter(|index| self.containers[*index].kind != Kind::Sidecar)
            .all(|index| tasks.is_finished[index] || (!tasks.is_begun[index] && is_stopped));
        let init_failed = (0..self.containers.len()).any(|index| {
            self.containers[index].kind == Kind::Init
                && tasks.is_finished[index]
                && !is_initialised(&self.containers[index..=index])
        });
        if (others_are_over || init_failed) && tasks.stop_sidecars.borrow().is_none() {
            tasks.stop_sidecars.send_replace(Some(self.grace()));
        }
    }

    fn take(&mut self, (index, container): Report) {
        self.containers[index] = container;
    }

    fn look_at_deletion(&mut self, tasks: &Tasks) {
        let pod = Arc::clone(&self.pod.borrow_and_update());
        if is_being_deleted(&pod) {
            let grace = self.grace();
            tasks.stop_main.send_if_modified(|stop| {
                let is_sooner = stop.is_none_or(|before| grace < before);
                if is_sooner {
                    *stop = Some(grace);
                }
                is_sooner
            });
        }
    }

    /// How long containers may take to end.
    fn grace(&self) -> Duration {
        let pod = self.pod.borrow();
        let given = at(&pod, &["metadata", "deletionGracePeriodSeconds"]).as_u64();
        let own = at(&pod, &["spec", "terminationGracePeriodSeconds"]).as_u64();
        let seconds = given.or(own).unwrap_or(30);
        let second = self.node.site.config.pace.second;
        second.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// When `activeDeadlineSeconds` are over; never without them.
    fn deadline(&self) -> impl Future<Output = ()> + use<> {
        let seconds = at(&self.newest(), &["spec", "activeDeadlineSeconds"]).as_u64();
        let second = self.node.site.config.pace.second;
        async move {
            match seconds.and_then(|seconds| u32::try_from(seconds).ok()) {
                Some(seconds) => tokio::time::sleep(second.saturating_mul(seconds)).await,
                None => std::future::pending().await,
            }
        }
    }

    fn write_status(&self) {
        if self.halt.is_cancelled() {
            return;
        }
        let pod = self.newest();
        let written = write(&self.node, &pod, |pod, now| {
            status::of_pod(pod, &self.containers, &self.facts, now)
        });
        if let Err(error) = written
            && error.code != 404
        {
            tracing::error!(pod = status::formatted(&pod), %error, "the status of a pod is not written");
        }
    }

    async fn until_deleted(&mut self) {
        let deleted = self.pod.wait_for(|pod| is_being_deleted(pod));
        tokio::select! {
            // Without a sender the pod is gone.
            _ = deleted => {}
            () = self.halt.cancelled() => {}
        }
    }

    /// Takes what is left of the pod away, and the pod itself.
    async fn leave(self) {
        let pod = self.newest();
        if !self.halt.is_cancelled() {
            delete(&self.node, &pod);
        }
        if let Some(address) = self.address {
            self.node.site.addresses.give_back(address);
        }
        self.node.site.logs.forget(&pod);
        place::remove(&self.node, &pod).await;
    }
}

impl Tasks {
    fn new(containers: usize) -> Tasks {
        // A container reports when its state changes, and waits when nobody reads.
        let (reporter, reports) = mpsc::channel(16);
        Tasks {
            tasks: JoinSet::new(),
            is_begun: vec![false; containers],
            is_finished: vec![false; containers],
            reports,
            reporter,
            stop_main: watch::Sender::default(),
            stop_sidecars: watch::Sender::default(),
        }
    }

    fn stop_all(&self, grace: Duration) {
        self.stop_main.send_replace(Some(grace));
        self.stop_sidecars.send_replace(Some(grace));
    }
}

/// When the kubelet first saw the pod, which an earlier task of it may have written.
pub(super) fn started_at(pod: &Value, now: Timestamp) -> Timestamp {
    let written = text(pod, &["status", "startTime"]).parse();
    written.unwrap_or(now)
}

/// Whether the pod has the address of its node.
pub(super) fn of_host(pod: &Value) -> bool {
    at(pod, &["spec", "hostNetwork"]) == &Value::Bool(true)
}

/// Containers that may begin now.
fn next_to_begin(containers: &[Container], is_begun: &[bool]) -> Vec<usize> {
    let mut next = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let before_are_done = is_initialised(&containers[..index]);
        let may_begin = match container.kind {
            Kind::Init | Kind::Sidecar => before_are_done,
            Kind::Main => is_initialised(containers),
        };
        if may_begin && !is_begun[index] {
            next.push(index);
        }
        if container.kind != Kind::Main && !is_initialised(&containers[index..=index]) {
            break;
        }
    }
    next
}

/// Writes a pod's status unless it says so already; the pod is read again when somebody else has
/// written it.
pub(super) fn write(
    node: &Node,
    pod: &Arc<Value>,
    of: impl Fn(&Value, Timestamp) -> Value,
) -> Result<(), Status> {
    let mut outcome = Ok(());
    for _ in 0..ATTEMPTS {
        let current = node.client.get("pods", namespace(pod), name(pod))?;
        if uid(&current) != uid(pod) {
            return Ok(());
        }
        let status = of(&current, node.now());
        if current["status"] == status {
            return Ok(());
        }
        let mut next = (*current).clone();
        next["status"] = status;
        match node.client.update_status("pods", next) {
            Ok(_) => return Ok(()),
            Err(error) if error.code == 409 => outcome = Err(error),
            Err(error) => return Err(error),
        }
    }
    outcome
}

/// Nothing of the pod runs any more: the API may forget it.
pub(super) fn delete(node: &Node, pod: &Value) {
    let options = DeleteOptions {
        grace_period_seconds: Some(0),
        uid: Some(uid(pod).to_owned()),
        ..DeleteOptions::default()
    };
    let deleted = node
        .client
        .delete("pods", namespace(pod), name(pod), &options);
    if let Err(error) = deleted
        && error.code != 404
        && error.code != 409
    {
        tracing::error!(pod = status::formatted(pod), %error, "a pod that has ended is not deleted");
    }
}
