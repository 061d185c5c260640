//! Whether a pod is watched, why, and which object and key decided.
//!
//! The first of these that says anything decides:
//!
//! 1. `crosswatch.dev/enabled` on the pod (annotation before label),
//! 2. the same on its workload,
//! 3. an exclusion that the pod has for a neighbour (`fluentbit.io/exclude` and the like): who does
//!    not want a pod's logs collected has said so once already,
//! 4. `crosswatch.dev/enabled` on the namespace,
//! 5. what runs Kubernetes itself (mirror pods, `kube-system` and its siblings) is not watched,
//! 6. the default of the installation: everything (opt-out) or nothing (opt-in).
//!
//! Containers can be left out one by one by the neighbours' annotations for containers. A pod that
//! has finished keeps its decision, but is no reason to onboard its workload.

use crate::facts::{Phase, Subject};
use crate::source::Sourced;
use crate::text::{self, Metadata};

pub const ENABLED_KEY: &str = "crosswatch.dev/enabled";
/// The mirror of a static pod: the kubelet's own, such as the control plane.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// What happens to pods that nobody said anything about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are watched.
    #[default]
    OptOut,
    /// They are not.
    OptIn,
}

/// Which rule decided, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    Pod,
    Workload,
    NeighboursExclusion,
    Namespace,
    System,
    Default,
}

impl Rule {
    pub const ALL: [Rule; 6] = [
        Rule::Pod,
        Rule::Workload,
        Rule::NeighboursExclusion,
        Rule::Namespace,
        Rule::System,
        Rule::Default,
    ];

    /// What is asked, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Pod => "crosswatch.dev/enabled on the pod",
            Rule::Workload => "crosswatch.dev/enabled on the workload",
            Rule::NeighboursExclusion => "the pod excludes itself from other collectors",
            Rule::Namespace => "crosswatch.dev/enabled on the namespace",
            Rule::System => "a part of Kubernetes itself",
            Rule::Default => "the default",
        }
    }
}

/// Whether a pod is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub watched: bool,
    /// It has run to its end: what it logged is read, but it onboards nothing.
    pub finished: bool,
    pub rule: Rule,
    /// In a sentence.
    pub reason: String,
    /// The annotation or label that decided, and its value; none when a rule did.
    pub decided_by: Option<Sourced<String>>,
    /// Containers that are left out all the same, and why.
    pub excluded_containers: Vec<(String, Sourced<String>)>,
    /// Every rule that was asked up to the deciding one, with what it found.
    pub asked: Vec<(Rule, String)>,
    /// What was found and not used, and why.
    pub notes: Vec<String>,
}

impl Decision {
    /// Whether the pod is a reason to keep a resource for its workload.
    pub fn onboards(&self) -> bool {
        self.watched && !self.finished
    }

    /// Whether the logs of `container` are to be read.
    pub fn reads(&self, container: &str) -> bool {
        let excluded = || self.excluded_containers.iter().any(|it| it.0 == container);
        self.watched && !excluded()
    }
}

/// What one rule says.
struct Answer {
    watched: bool,
    reason: String,
    decided_by: Option<Sourced<String>>,
}

pub fn decide(subject: &Subject<'_>, mode: Mode) -> Decision {
    let mut notes = Vec::new();
    let mut asked = Vec::new();
    let mut decided = None;
    for rule in Rule::ALL {
        if let Some(answer) = answer(rule, subject, mode, &mut notes) {
            let found = match &answer.decided_by {
                Some(by) => format!("{}={}", by.source, text::quoted(&by.value)),
                None => answer.reason.clone(),
            };
            asked.push((rule, found));
            decided = Some((rule, answer));
            break;
        }
        let nothing = match rule {
            Rule::Workload if subject.workload.is_none() => match subject.owner().workload {
                owner if owner.kind == crate::owner::WorkloadKind::Pod => "it has no workload",
                _ => "its metadata is not known here",
            },
            Rule::Namespace if subject.namespace.is_none() => "its metadata is not known here",
            Rule::System | Rule::NeighboursExclusion => "no",
            _ => "not set",
        };
        asked.push((rule, nothing.to_owned()));
    }
    let (rule, answer) = decided.unwrap_or_else(|| (Rule::Default, default(mode)));
    Decision {
        watched: answer.watched,
        finished: matches!(subject.pod.phase, Phase::Succeeded | Phase::Failed),
        rule,
        reason: answer.reason,
        decided_by: answer.decided_by,
        excluded_containers: excluded_containers(subject, &mut notes),
        asked,
        notes,
    }
}

fn answer(
    rule: Rule,
    subject: &Subject<'_>,
    mode: Mode,
    notes: &mut Vec<String>,
) -> Option<Answer> {
    match rule {
        Rule::Pod => enabled(subject.pod_metadata(), "the pod", notes),
        Rule::Workload => {
            let of = format!("its {}", subject.owner().workload.kind.as_str());
            enabled(subject.workload_metadata()?, &of, notes)
        }
        Rule::Namespace => enabled(subject.namespace_metadata()?, "its namespace", notes),
        Rule::NeighboursExclusion => neighbours(subject, notes),
        Rule::System => system(subject),
        Rule::Default => Some(default(mode)),
    }
}

fn enabled(object: Metadata<'_>, whose: &str, notes: &mut Vec<String>) -> Option<Answer> {
    let found = text::first(object.either(ENABLED_KEY), text::switch, notes)?;
    let value = found.value;
    Some(Answer {
        watched: value,
        reason: format!("{whose} says {ENABLED_KEY}={value}"),
        decided_by: Some(found.map(|it| it.to_string())),
    })
}

fn default(mode: Mode) -> Answer {
    let (watched, reason) = match mode {
        Mode::OptOut => (true, "nothing excludes it, and pods are watched by default"),
        Mode::OptIn => (
            false,
            "nothing asks for it, and pods are watched only when crosswatch.dev/enabled=true says \
             so",
        ),
    };
    Answer {
        watched,
        reason: reason.to_owned(),
        decided_by: None,
    }
}

/// Where a neighbour looks for its exclusion, and the value that means "leave it out".
struct Exclusion {
    label: bool,
    key: &'static str,
    when: bool,
    whose: &'static str,
}

/// As documented by each: Fluent Bit's kubernetes filter, Vector's kubernetes_logs source, Elastic's
/// hints, Datadog's container autodiscovery, Grafana's k8s-monitoring chart.
const EXCLUSIONS: &[Exclusion] = &[
    exclusion("fluentbit.io/exclude", true, "Fluent Bit"),
    Exclusion {
        label: true,
        ..exclusion("vector.dev/exclude", true, "Vector")
    },
    exclusion("co.elastic.logs/enabled", false, "Elastic"),
    exclusion("ad.datadoghq.com/exclude", true, "Datadog"),
    exclusion("ad.datadoghq.com/logs_exclude", true, "Datadog"),
    exclusion("logs.grafana.com/pods.enabled", false, "Grafana"),
];

const fn exclusion(key: &'static str, when: bool, whose: &'static str) -> Exclusion {
    Exclusion {
        label: false,
        key,
        when,
        whose,
    }
}

fn neighbours(subject: &Subject<'_>, notes: &mut Vec<String>) -> Option<Answer> {
    let pod = subject.pod_metadata();
    EXCLUSIONS.iter().find_map(|exclusion| {
        let found = match exclusion.label {
            true => pod.label(exclusion.key),
            false => pod.annotation(exclusion.key),
        };
        let found = text::first(found, text::switch, notes)?;
        (found.value == exclusion.when).then(|| Answer {
            watched: false,
            reason: format!(
                "the pod is excluded from {}'s log collection, and that holds here too unless \
                 {ENABLED_KEY}=true on the pod or its workload says otherwise",
                exclusion.whose
            ),
            decided_by: Some(found.map(|it| it.to_string())),
        })
    })
}

fn system(subject: &Subject<'_>) -> Option<Answer> {
    let pod = subject.pod;
    let reason = if pod.annotations.contains_key(MIRROR_ANNOTATION) {
        "it is a static pod of its node, which usually is a part of Kubernetes itself".to_owned()
    } else if SYSTEM_NAMESPACES.contains(&pod.namespace.as_str()) {
        format!("{} is Kubernetes' own namespace", pod.namespace)
    } else {
        return None;
    };
    Some(Answer {
        watched: false,
        reason,
        decided_by: None,
    })
}

/// The neighbours' exclusions of single containers.
fn excluded_containers(
    subject: &Subject<'_>,
    notes: &mut Vec<String>,
) -> Vec<(String, Sourced<String>)> {
    let pod = subject.pod_metadata();
    let listed = pod.annotation("vector.dev/exclude-containers");
    let mut excluded = Vec::new();
    for container in &subject.pod.containers {
        let name = container.name.as_str();
        if let Some(listed) = &listed
            && listed.value.split(',').any(|it| it.trim() == name)
        {
            let by = listed.clone().map(|_| name.to_owned());
            excluded.push((name.to_owned(), by));
            continue;
        }
        let keys = [
            (format!("fluentbit.io/exclude-{name}"), true),
            (format!("co.elastic.logs.{name}/enabled"), false),
            (format!("ad.datadoghq.com/{name}.exclude"), true),
            (format!("ad.datadoghq.com/{name}.logs_exclude"), true),
        ];
        let found = keys.iter().find_map(|(key, when)| {
            let found = text::first(pod.annotation(key), text::switch, notes)?;
            (found.value == *when).then(|| found.map(|it| it.to_string()))
        });
        excluded.extend(found.map(|by| (name.to_owned(), by)));
    }
    excluded
}
