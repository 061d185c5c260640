//! The life of one container: started, probed, ended, started again.
//!
//! Each container has a task, which tells its pod's task what it does. It ends when the container
//! will not be started again, or when it is told to stop.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use super::{
    back_off::BackOff,
    cri::{self, LogWriter},
    event::Tone,
    launch,
    node::Node,
    place,
    probe::{Probe, Tally},
    process::{Exit, Launch, Process},
    quantity,
    status::{self, Ended, Kind, State},
};
use crate::{
    client::Clock,
    object::{at, list, name, text, uid},
};

/// Where a pod is: its address and folders.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: Ipv4Addr,
    pub(super) folder: PathBuf,
    /// Of the pod's logs.
    pub(super) logs: PathBuf,
    /// By volume.
    pub(super) volumes: std::collections::BTreeMap<String, PathBuf>,
    /// Token, authority and namespace; none when the pod wants no token.
    pub(super) service_account: Option<PathBuf>,
    /// For `KUBECONFIG`; as above.
    pub(super) kubeconfig: Option<PathBuf>,
}

/// What a container's task needs.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) node: Arc<Node>,
    /// As it is now: its image may change.
    pub(super) pod: watch::Receiver<Arc<Value>>,
    pub(super) place: Arc<Place>,
    pub(super) container: status::Container,
    pub(super) index: usize,
    pub(super) reports: mpsc::Sender<Report>,
    /// Set when it must end, to how long it may take.
    pub(super) stop: watch::Receiver<Option<Duration>>,
}

/// A container of a pod, by its place among them, as it is now.
pub(super) type Report = (usize, status::Container);

/// Why a run is over, or did not begin.
enum Outcome {
    Ended(Ended, Duration),
    /// Reason, message, and the event's reason.
    NotStarted(&'static str, String),
    Stopped,
}

/// Runs the container until it is over for good.
pub(super) async fn run(mut job: Job) {
    let first = job.node.site.config.pace.back_off;
    let mut back_off = BackOff::new(first);
    let mut image_back_off = BackOff::new(first);
    loop {
        let wait = match job.attempt().await {
            Outcome::Stopped => return job.conclude().await,
            Outcome::NotStarted(reason, message) => {
                let wait = image_back_off.after(Duration::ZERO).max(first);
                job.container.state = State::waiting(reason, message);
                wait
            }
            Outcome::Ended(ended, ran) => {
                job.container.is_ready = false;
                job.container.is_started = false;
                job.container.state = State::Ended(ended.clone());
                if job.stop.borrow().is_some() || !job.restarts(&ended) {
                    return job.conclude().await;
                }
                let wait = back_off.after(ran);
                if !wait.is_zero() {
                    job.report().await;
                    job.tell_back_off(wait);
                }
                job.container.last = Some(ended);
                wait
            }
        };
        if wait.is_zero() {
            continue;
        }
        job.report().await;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stopped(&mut job.stop) => return job.conclude().await,
        }
    }
}

/// Until the container must end.
async fn stopped(stop: &mut watch::Receiver<Option<Duration>>) {
    // The pod's task holds the sender for as long as its containers run; without it, it is over.
    drop(stop.wait_for(Option::is_some).await);
}

impl Job {
    async fn report(&self) {
        // Nobody listens when the pod's task is gone, and then nobody needs to know.
        drop(
            self.reports
                .send((self.index, self.container.clone()))
                .await,
        );
    }

    /// Tells the last state. A container that waits for its next run is as it was after the last.
    async fn conclude(mut self) {
        if matches!(self.container.state, State::Waiting { .. })
            && let Some(last) = self.container.last.take()
        {
            self.container.state = State::Ended(last);
        }
        self.report().await;
    }

    fn spec(&self) -> Value {
        let pod = self.pod.borrow();
        let lists = [["spec", "containers"], ["spec", "initContainers"]];
        lists
            .iter()
            .flat_map(|path| list(&pod, path))
            .find(|spec| spec["name"] == self.container.name.as_str())
            .cloned()
            .unwrap_or_default()
    }

    fn restarts(&self, ended: &Ended) -> bool {
        let pod = self.pod.borrow();
        let policy = text(&pod, &["spec", "restartPolicy"]);
        match self.container.kind {
            Kind::Sidecar => true,
            Kind::Init => policy != "Never" && ended.exit_code != 0,
            Kind::Main => match policy {
                "Never" => false,
                "OnFailure" => ended.exit_code != 0,
                _ => true,
            },
        }
    }

    fn tell(&self, tone: Tone, reason: &str, message: &str) {
        let field = match self.container.kind {
            Kind::Main => "containers",
            Kind::Init | Kind::Sidecar => "initContainers",
        };
        let path = format!("spec.{field}{{{}}}", self.container.name);
        let pod = Arc::clone(&self.pod.borrow());
        self.node.events.pod(&pod, &path, tone, reason, message);
    }

    fn tell_back_off(&mut self, wait: Duration) {
        let pod = Arc::clone(&self.pod.borrow());
        let about = format!(
            "restarting failed container={} pod={}",
            self.container.name,
            status::formatted(&pod)
        );
        let message = format!("back-off {wait:?} {about}");
        self.container.state = State::waiting("CrashLoopBackOff", message);
        self.tell(Tone::Warning, "BackOff", &format!("Back-off {about}"));
    }

    /// One run, from its start to its end.
    async fn attempt(&mut self) -> Outcome {
        if self.stop.borrow().is_some() {
            return Outcome::Stopped;
        }
        let spec = self.spec();
        let image = text(&spec, &["image"]).to_owned();
        self.container.image.clone_from(&image);
        let Some(program) = self.node.site.config.images.resolve(&image) else {
            return self.image_is_unknown(&image);
        };
        self.container.image_id = format!("sim://{}", program.path.display());
        let pod = Arc::clone(&self.pod.borrow_and_update());
        let launch = match launch::prepare(&self.node, &pod, &spec, program, &self.place) {
            Ok(launch) => launch,
            Err(message) => {
                self.tell(Tone::Warning, "Failed", &format!("Error: {message}"));
                return Outcome::NotStarted("CreateContainerConfigError", message);
            }
        };
        let pulled = format!("Container image \"{image}\" already present on machine");
        self.tell(Tone::Normal, "Pulled", &pulled);
        if !self.container.id.is_empty() {
            self.container.restarts += 1;
        }
        self.container.id = id(&pod, &self.container);
        let named = &self.container.name;
        self.tell(
            Tone::Normal,
            "Created",
            &format!("Created container: {named}"),
        );
        let started_at = self.node.now();
        match self.start(&pod, &launch) {
            Ok(process) => {
                self.tell(
                    Tone::Normal,
                    "Started",
                    &format!("Started container {named}"),
                );
                self.container.state = State::Running { since: started_at };
                self.live(process, &spec, &launch).await
            }
            Err(message) => {
                self.tell(Tone::Warning, "Failed", &format!("Error: {message}"));
                let ended = Ended {
                    exit_code: 128,
                    reason: "StartError",
                    message,
                    started_at,
                    finished_at: started_at,
                    container_id: self.container.id.clone(),
                };
                Outcome::Ended(ended, Duration::ZERO)
            }
        }
    }

    fn image_is_unknown(&self, image: &str) -> Outcome {
        let message = format!(
            "no program stands for image \"{image}\" in this simulated cluster: add one with \
             --image {image}=COMMAND"
        );
        let was_tried = matches!(
            &self.container.state,
            State::Waiting { reason, .. } if reason == "ErrImagePull" || reason == "ImagePullBackOff"
        );
        if was_tried {
            let message = format!("Back-off pulling image \"{image}\": {message}");
            self.tell(
                Tone::Normal,
                "BackOff",
                &format!("Back-off pulling image \"{image}\""),
            );
            Outcome::NotStarted("ImagePullBackOff", message)
        } else {
            let failed = format!("Failed to pull image \"{image}\": {message}");
            self.tell(Tone::Warning, "Failed", &failed);
            Outcome::NotStarted("ErrImagePull", message)
        }
    }

    fn start(&self, pod: &Value, launch: &Launch) -> Result<Process, String> {
        let site = &self.node.site;
        let guardian = site
            .guardian
            .as_ref()
            .ok_or("this cluster runs no processes")?;
        let folder = self.place.logs.join(&self.container.name);
        let restart = self.container.restarts;
        let run = site.logs.begin(pod, &self.container.name, &folder, restart);
        // Kubelets keep the log of one run that is over.
        if let Some(forgotten) = restart.checked_sub(2) {
            cri::remove(&folder, forgotten)
                .map_err(|error| format!("cannot remove an old log: {error}"))?;
        }
        let log = LogWriter::open(&folder, restart, site.config.rotation, run.progress)
            .map_err(|error| format!("cannot write the log in {}: {error}", folder.display()))?;
        let path = folder.join(format!("{restart}.log"));
        place::link_log(
            &self.node,
            pod,
            &self.container.name,
            &self.container.id,
            &path,
        )
        .map_err(|error| format!("cannot link the log {}: {error}", path.display()))?;
        let cluster = site.cluster.clone();
        let clock: Clock = Arc::new(move || cluster.now());
        Process::start(launch, log.completing(), &clock, guardian)
    }

    /// While the process runs.
    async fn live(&mut self, mut process: Process, spec: &Value, launch: &Launch) -> Outcome {
        let begun = Instant::now();
        let started_at = match self.container.state {
            State::Running { since } => since,
            _ => self.node.now(),
        };
        let image = text(spec, &["image"]).to_owned();
        let memory_limit = quantity::parse(text(spec, &["resources", "limits", "memory"]));
        let mut look_at_memory = tokio::time::interval(self.node.site.config.pace.second);
        let mut probes = Probes::start(self, spec, launch);
        self.container.is_started = probes.is_started();
        self.container.is_ready = probes.is_started() && !probes.asks("readinessProbe");
        self.report().await;
        let mut is_out_of_memory = false;
        let exit = loop {
            tokio::select! {
                exit = process.ended() => break exit,
                () = stopped(&mut self.stop) => {
                    let named = &self.container.name;
                    self.tell(Tone::Normal, "Killing", &format!("Stopping container {named}"));
                    break self.end(&mut process, spec, launch).await;
                }
                Some((kind, result)) = probes.results.recv() => {
                    if let Some(why) = self.probed(&mut probes, kind, &result).await {
                        self.tell(Tone::Normal, "Killing", &why);
                        break self.end(&mut process, spec, launch).await;
                    }
                }
                Ok(()) = self.pod.changed() => {
                    let is_other = text(&self.spec(), &["image"]) != image;
                    if is_other && self.container.kind == Kind::Main {
                        let named = &self.container.name;
                        let why = format!("Container {named} definition changed, will be restarted");
                        self.tell(Tone::Normal, "Killing", &why);
                        break self.end(&mut process, spec, launch).await;
                    }
                }
                _ = look_at_memory.tick(), if memory_limit.is_some() => {
                    let used = process.memory_bytes().unwrap_or(0);
                    #[expect(clippy::cast_precision_loss, reason = "a limit is not exact to the byte")]
                    let is_over = memory_limit.is_some_and(|limit| used as f64 > limit);
                    if is_over {
                        is_out_of_memory = true;
                        process.kill();
                    }
                }
            }
        };
        drop(probes);
        process.clean_up().await;
        let code = exit.map_or(255, |exit| exit.code);
        let ended = Ended {
            exit_code: code,
            reason: match code {
                _ if is_out_of_memory => "OOMKilled",
                0 => "Completed",
                _ => "Error",
            },
            message: launch::termination_message(spec, &self.place, &self.container.name),
            started_at,
            finished_at: self.node.now(),
            container_id: self.container.id.clone(),
        };
        Outcome::Ended(ended, begun.elapsed())
    }

    /// What a probe's result changes; why the container must be restarted, when it must.
    async fn probed(
        &mut self,
        probes: &mut Probes,
        kind: &'static str,
        result: &Result<(), String>,
    ) -> Option<String> {
        let name = kind.trim_end_matches("Probe");
        if let Err(why) = result {
            let mut title = name.to_owned();
            title[..1].make_ascii_uppercase();
            self.tell(
                Tone::Warning,
                "Unhealthy",
                &format!("{title} probe failed: {why}"),
            );
        }
        let verdict = probes.count(kind, result.is_ok())?;
        match (kind, verdict) {
            ("readinessProbe", is_ready) if is_ready != self.container.is_ready => {
                self.container.is_ready = is_ready;
                self.report().await;
            }
            ("startupProbe", true) if !self.container.is_started => {
                probes.started.send_replace(true);
                self.container.is_started = true;
                self.container.is_ready = !probes.asks("readinessProbe");
                self.report().await;
            }
            ("startupProbe" | "livenessProbe", false) => {
                let container = &self.container.name;
                return Some(format!(
                    "Container {container} failed {name} probe, will be restarted"
                ));
            }
            _ => {}
        }
        None
    }

    /// Ends the process: its hook, SIGTERM, and SIGKILL when its time is over.
    async fn end(
        &mut self,
        process: &mut Process,
        spec: &Value,
        launch: &Launch,
    ) -> std::io::Result<Exit> {
        let begun = Instant::now();
        let second = self.node.site.config.pace.second;
        let own = {
            let pod = self.pod.borrow();
            let seconds = at(&pod, &["spec", "terminationGracePeriodSeconds"]).as_u64();
            second.saturating_mul(u32::try_from(seconds.unwrap_or(30)).unwrap_or(u32::MAX))
        };
        let grace = self.stop.borrow().unwrap_or(own);
        if !grace.is_zero() {
            if let Some(hook) = launch::pre_stop(spec, launch, second) {
                tokio::select! {
                    exit = process.ended() => return exit,
                    result = self.run_hook(hook, grace) => if let Err(why) = result {
                        self.tell(Tone::Warning, "FailedPreStopHook", &format!("PreStopHook failed: {why}"));
                    },
                }
            }
            process.terminate();
        }
        loop {
            // It can be shortened while the container ends.
            let grace = self.stop.borrow_and_update().unwrap_or(own);
            tokio::select! {
                exit = process.ended() => return exit,
                () = tokio::time::sleep_until(begun + grace) => break,
                changed = self.stop.changed() => if changed.is_err() { break },
            }
        }
        process.kill();
        process.ended().await
    }

    async fn run_hook(&self, hook: launch::Hook, grace: Duration) -> Result<(), String> {
        match (hook, &self.node.site.guardian) {
            (launch::Hook::Sleep(time), _) => {
                tokio::time::sleep(time.min(grace)).await;
                Ok(())
            }
            (launch::Hook::Exec(command), Some(guardian)) => command.run(grace, guardian).await,
            (launch::Hook::Exec(_), None) => Ok(()),
        }
    }
}

/// Runtimes name containers by 64 hexadecimal digits; here they follow from what they are of.
pub(super) fn id(pod: &Value, container: &status::Container) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let digits: String = (0..4_u8)
        .map(|part| {
            let mut hasher = DefaultHasher::new();
            (
                part,
                uid(pod),
                name(pod),
                &container.name,
                container.restarts,
            )
                .hash(&mut hasher);
            format!("{:016x}", hasher.finish())
        })
        .collect();
    format!("sim://{digits}")
}

/// The probes of one run, each asking in a task of its own.
struct Probes {
    tallies: Vec<(&'static str, Probe, Tally)>,
    started: watch::Sender<bool>,
    results: mpsc::Receiver<(&'static str, Result<(), String>)>,
    _tasks: JoinSet<()>,
}

impl Probes {
    fn start(job: &Job, spec: &Value, launch: &Launch) -> Probes {
        // One result of each probe, and none is asked again before its last was heard.
        let (sender, results) = mpsc::channel(3);
        let second = job.node.site.config.pace.second;
        let address = job.place.address.into();
        let tallies: Vec<(&'static str, Probe, Tally)> =
            ["startupProbe", "readinessProbe", "livenessProbe"]
                .into_iter()
                .filter_map(|kind| {
                    let probe = Probe::of(spec, kind, address, second)?;
                    Some((kind, probe, Tally::default()))
                })
                .collect();
        let needs_startup = tallies.iter().any(|(kind, ..)| *kind == "startupProbe");
        let started = watch::Sender::new(!needs_startup);
        let mut tasks = JoinSet::new();
        for (kind, probe, _) in &tallies {
            let Some(guardian) = job.node.site.guardian.clone() else {
                break;
            };
            let (kind, probe, launch) = (*kind, probe.clone(), launch.clone());
            let (sender, mut started) = (sender.clone(), started.subscribe());
            tasks.spawn(async move {
                if kind != "startupProbe" && started.wait_for(|started| *started).await.is_err() {
                    return;
                }
                tokio::time::sleep(probe.initial_delay).await;
                let mut every = tokio::time::interval(probe.period);
                every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    every.tick().await;
                    if kind == "startupProbe" && *started.borrow() {
                        return;
                    }
                    let result = probe.attempt(&launch, &guardian).await;
                    if sender.send((kind, result)).await.is_err() {
                        return;
                    }
                }
            });
        }
        Probes {
            tallies,
            started,
            results,
            _tasks: tasks,
        }
    }

    fn asks(&self, kind: &str) -> bool {
        self.tallies.iter().any(|(known, ..)| *known == kind)
    }

    fn is_started(&self) -> bool {
        *self.started.borrow()
    }

    fn count(&mut self, kind: &str, succeeded: bool) -> Option<bool> {
        let (_, probe, tally) = self.tallies.iter_mut().find(|(known, ..)| *known == kind)?;
        tally.count(probe, succeeded)
    }
}
