//! Answers the follower: whose a log is, and whether it is to be read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::Time;
use operator_meta::decision::{Mode, decide};
use operator_meta::facts::{PodFacts, Subject};
use operator_meta::identity::{IdentityOptions, identity};
use operator_meta::owner::guess_workload;
use tokio::sync::watch;

use super::{PodContext, Snapshot};
use crate::follow::{Attribution, PodFolder, Pods};
use crate::otlp::Origin;

/// Answers kept; each container of the node has one for each restart.
const MAX_CACHED: usize = 20_000;
/// Says in a record that its resource is not all there is: `path` when nothing but the file's path
/// was known, `partial` when something around the pod was not.
const METADATA_ATTRIBUTE: &str = "crosswatch.metadata";

#[derive(Clone, Copy, Debug)]
pub struct PodsOptions {
    pub mode: Mode,
    pub identity: IdentityOptions,
    /// How long a new log waits for its pod's metadata before it is sent without.
    pub wait: Duration,
}

/// Pods as the cluster describes them.
#[derive(Debug)]
pub struct KnownPods {
    /// `None` without a cluster: paths say everything that can be known.
    snapshots: Option<watch::Receiver<Arc<Snapshot>>>,
    options: PodsOptions,
    node: Option<String>,
    answers: HashMap<AnswerKey, Answer>,
}

/// A pod's folder, a container of it, and how often that was restarted.
type AnswerKey = (PodFolder, String, u32);

#[derive(Debug)]
struct Answer {
    /// What it follows from.
    context: Option<Arc<PodContext>>,
    attribution: Attribution,
}

impl KnownPods {
    pub fn new(
        snapshots: Option<watch::Receiver<Arc<Snapshot>>>,
        node: Option<String>,
        options: PodsOptions,
    ) -> KnownPods {
        KnownPods {
            snapshots,
            options,
            node,
            answers: HashMap::new(),
        }
    }

    fn answer(
        &self,
        pod: &PodFolder,
        container: &str,
        restart: u32,
        context: Option<&PodContext>,
        snapshot: Option<&Snapshot>,
    ) -> Attribution {
        let guessed;
        let known = context.map(PodContext::subject);
        let subject = match known {
            Some(subject) => subject,
            None => {
                guessed = PodFacts {
                    namespace: pod.namespace.clone(),
                    name: pod.pod.clone(),
                    uid: pod.uid.clone(),
                    node: self.node.clone(),
                    ..PodFacts::default()
                };
                let empty = NO_CLUSTER.get_or_init(Default::default);
                Subject {
                    pod: &guessed,
                    workload: None,
                    namespace: None,
                    node: snapshot.and_then(|it| it.node.as_deref()),
                    cluster: snapshot.map_or(empty, |it| &it.cluster),
                }
            }
        };
        let decision = decide(&subject, self.options.mode);
        // Without metadata the namespace's name is all there is to decide by; a pod that opts in
        // would be missed, which is worse than a few lines of one that does not.
        let wanted = match context {
            Some(_) => decision.reads(container),
            None => decision.watched || self.options.mode == Mode::OptIn,
        };
        if !wanted {
            return Attribution::Skip;
        }
        let found = identity(&subject, container, &self.options.identity);
        let mut attributes: Vec<(String, String)> = found
            .attributes
            .into_iter()
            .map(|(name, value)| (name, value.value))
            .collect();
        let mut set = |name: &str, value: String| match attributes
            .iter_mut()
            .find(|(known, _)| known == name)
        {
            Some((_, old)) => *old = value,
            None => attributes.push((name.to_owned(), value)),
        };
        let PodFolder {
            namespace,
            pod: name,
            uid,
        } = pod;
        set("k8s.container.restart_count", restart.to_string());
        set(
            "log.file.path",
            format!("/var/log/pods/{namespace}_{name}_{uid}/{container}/{restart}.log"),
        );
        match context {
            Some(context) if context.complete => {}
            Some(_) => set(METADATA_ATTRIBUTE, "partial".to_owned()),
            None => {
                set("service.name", guess_workload(name).to_owned());
                set(METADATA_ATTRIBUTE, "path".to_owned());
            }
        }
        Attribution::Read(Arc::new(Origin {
            attributes,
            by_path_alone: context.is_none(),
        }))
    }
}

static NO_CLUSTER: std::sync::OnceLock<operator_meta::facts::ClusterFacts> =
    std::sync::OnceLock::new();

impl Pods for KnownPods {
    fn about(
        &mut self,
        pod: &PodFolder,
        container: &str,
        restart: u32,
        since: Time,
        now: Time,
    ) -> Attribution {
        let snapshot = self.snapshots.as_ref().map(|it| Arc::clone(&it.borrow()));
        let context = snapshot.as_ref().and_then(|it| it.pods.get(&pod.uid));
        let expected = snapshot.is_some() && !context.is_some_and(|it| it.complete);
        if expected && now >= since && now.since(since) < self.options.wait {
            return Attribution::Wait;
        }
        let key = (pod.clone(), container.to_owned(), restart);
        if let Some(answer) = self.answers.get(&key) {
            let same = match (&answer.context, context) {
                (Some(then), Some(now)) => Arc::ptr_eq(then, now),
                (None, None) => true,
                _ => false,
            };
            if same {
                return answer.attribution.clone();
            }
        }
        if self.answers.len() >= MAX_CACHED {
            self.answers.clear();
        }
        let attribution = self.answer(
            pod,
            container,
            restart,
            context.map(|it| &**it),
            snapshot.as_deref(),
        );
        let context = context.cloned();
        let answer = Answer {
            context,
            attribution: attribution.clone(),
        };
        self.answers.insert(key, answer);
        attribution
    }
}
