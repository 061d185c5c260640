//! What a pod belongs to, by its controller reference and the rules by which controllers name.
//!
//! Without asking the cluster for ReplicaSets and Jobs: a Deployment names its ReplicaSet
//! `NAME-HASH` with the hash that is also the pod's label `pod-template-hash`, a CronJob names its
//! Job `NAME-MINUTE` with the minute of the planned start since 1970.

use std::fmt;

use crate::facts::PodFacts;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    CronJob,
    Job,
    /// Nobody's: a pod that somebody created by hand, or whose owner is of a kind that we do not
    /// know.
    Pod,
}

impl WorkloadKind {
    pub const ALL: [WorkloadKind; 7] = [
        WorkloadKind::Deployment,
        WorkloadKind::ReplicaSet,
        WorkloadKind::StatefulSet,
        WorkloadKind::DaemonSet,
        WorkloadKind::CronJob,
        WorkloadKind::Job,
        WorkloadKind::Pod,
    ];

    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::ReplicaSet => "ReplicaSet",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
            WorkloadKind::CronJob => "CronJob",
            WorkloadKind::Job => "Job",
            WorkloadKind::Pod => "Pod",
        }
    }

    /// `apps/v1`, `batch/v1`, `v1`.
    pub fn api_version(self) -> &'static str {
        match self {
            WorkloadKind::Deployment
            | WorkloadKind::ReplicaSet
            | WorkloadKind::StatefulSet
            | WorkloadKind::DaemonSet => "apps/v1",
            WorkloadKind::CronJob | WorkloadKind::Job => "batch/v1",
            WorkloadKind::Pod => "v1",
        }
    }

    /// Of the resource attributes `k8s.<word>.name` and `k8s.<word>.uid`.
    pub(crate) fn attribute_word(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "deployment",
            WorkloadKind::ReplicaSet => "replicaset",
            WorkloadKind::StatefulSet => "statefulset",
            WorkloadKind::DaemonSet => "daemonset",
            WorkloadKind::CronJob => "cronjob",
            WorkloadKind::Job => "job",
            WorkloadKind::Pod => "pod",
        }
    }

    /// The kind of a controller reference; `None` for kinds that are not Kubernetes' own.
    pub fn of_reference(api_version: &str, kind: &str) -> Option<WorkloadKind> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        WorkloadKind::ALL.into_iter().find(|known| {
            let known_group = known.api_version().split_once('/').map_or("", |it| it.0);
            known.as_str() == kind && known_group == group && *known != WorkloadKind::Pod
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadRef {
    pub kind: WorkloadKind,
    pub name: String,
    /// Known only of a pod's direct owner, and of the pod itself.
    pub uid: Option<String>,
}

/// `Deployment/cart`
impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

/// A pod's workload, and what stands between the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerChain {
    pub workload: WorkloadRef,
    /// The ReplicaSet of a Deployment, the Job of a CronJob.
    pub between: Option<WorkloadRef>,
}

/// CronJobs name by minutes since 1970: this is in 2019. A date such as `20261121` is less.
const EARLIEST_MINUTE: u32 = 26_000_000;

impl OwnerChain {
    /// By names alone; a workload whose controller is of a foreign kind (an Argo Rollout's
    /// ReplicaSet apart, which is one) is the pod itself.
    pub fn of(pod: &PodFacts) -> OwnerChain {
        let itself = || OwnerChain {
            workload: WorkloadRef {
                kind: WorkloadKind::Pod,
                name: pod.name.clone(),
                uid: Some(pod.uid.clone()).filter(|uid| !uid.is_empty()),
            },
            between: None,
        };
        let Some(controller) = &pod.controller else {
            return itself();
        };
        let kind = WorkloadKind::of_reference(&controller.api_version, &controller.kind);
        let Some(kind) = kind else {
            return itself();
        };
        let above = match kind {
            WorkloadKind::ReplicaSet => pod
                .labels
                .get("pod-template-hash")
                .and_then(|hash| controller.name.strip_suffix(hash.as_str()))
                .and_then(|name| name.strip_suffix('-'))
                .map(|name| (WorkloadKind::Deployment, name)),
            WorkloadKind::Job => {
                cron_job(&controller.name).map(|name| (WorkloadKind::CronJob, name))
            }
            _ => None,
        };
        let direct = WorkloadRef {
            kind,
            name: controller.name.clone(),
            uid: Some(controller.uid.clone()).filter(|uid| !uid.is_empty()),
        };
        match above {
            Some((kind, name)) if !name.is_empty() => OwnerChain {
                workload: WorkloadRef {
                    kind,
                    name: name.to_owned(),
                    uid: None,
                },
                between: Some(direct),
            },
            _ => OwnerChain {
                workload: direct,
                between: None,
            },
        }
    }
}

/// A pod's name without what its controller appended, for when its object is not known:
/// `cart-7d4b9c6f5-x2x9k`, `cart-x2x9k`, `cart-0` and `report-28934567-x2x9k` become `cart` and
/// `report`.
///
/// Controllers append five characters of an alphabet without vowels and look-alikes, a Deployment
/// its ReplicaSet's hash of the same alphabet before, a CronJob the minute of its run.
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go>
pub fn guess_workload(pod: &str) -> &str {
    let generated = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len())
            && part
                .bytes()
                .all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
    };
    let number = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let Some((rest, last)) = pod.rsplit_once('-') else {
        return pod;
    };
    if generated(last, 5..=5) {
        match rest.rsplit_once('-') {
            Some((name, hash)) if generated(hash, 6..=10) || number(hash, 8..=10) => name,
            _ => rest,
        }
    } else if number(last, 1..=4) {
        rest
    } else {
        pod
    }
}

/// The CronJob that named a Job.
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/cronjob/utils.go> (getJobName)
fn cron_job(job: &str) -> Option<&str> {
    let (name, minute) = job.rsplit_once('-')?;
    let minute: u32 = (minute.len() == 8).then(|| minute.parse().ok())??;
    (minute >= EARLIEST_MINUTE && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::OwnerFacts;

    fn check(controller: (&str, &str, &str), hash: &str, workload: &str) {
        let pod = PodFacts {
            name: "the-pod".to_owned(),
            labels: [("pod-template-hash".to_owned(), hash.to_owned())].into(),
            controller: Some(OwnerFacts {
                api_version: controller.0.to_owned(),
                kind: controller.1.to_owned(),
                name: controller.2.to_owned(),
                uid: "u".to_owned(),
            }),
            ..PodFacts::default()
        };
        assert_eq!(OwnerChain::of(&pod).workload.to_string(), workload);
    }

    #[test]
    fn owners_are_known_by_how_controllers_name() {
        let replicas = |name| ("apps/v1", "ReplicaSet", name);
        check(replicas("cart-7d4b9c6f5"), "7d4b9c6f5", "Deployment/cart");
        check(replicas("cart-v2-5f"), "5f", "Deployment/cart-v2");
        check(replicas("cart"), "7d4b9c6f5", "ReplicaSet/cart");
        check(replicas("-7d4b9c6f5"), "7d4b9c6f5", "ReplicaSet/-7d4b9c6f5");
        check(("apps/v1", "StatefulSet", "db"), "", "StatefulSet/db");
        check(("apps/v1", "DaemonSet", "agent"), "", "DaemonSet/agent");
    }

    #[test]
    fn a_job_named_by_a_date_is_not_a_cron_jobs() {
        let job = |name| ("batch/v1", "Job", name);
        check(job("report-29912340"), "", "CronJob/report");
        check(job("report-20261121"), "", "Job/report-20261121");
        check(job("migrate"), "", "Job/migrate");
    }

    #[test]
    fn a_pods_name_hints_at_its_workload() {
        for (pod, workload) in [
            ("cart-7d4b9c6f5-x2x9k", "cart"),
            ("cart-v2-7d4b9c6f5-x2x9k", "cart-v2"),
            ("fluent-bit-x7k2p", "fluent-bit"),
            ("postgres-0", "postgres"),
            ("report-28934567-x2x9k", "report"),
            ("cart", "cart"),
            ("my-db-node2", "my-db-node2"),
        ] {
            assert_eq!(guess_workload(pod), workload, "{pod}");
        }
    }

    #[test]
    fn a_foreign_owner_leaves_the_pod_itself() {
        check(("acme.io/v1", "Job", "x-29912340"), "", "Pod/the-pod");
        check(("v1", "Node", "worker-1"), "", "Pod/the-pod");
    }
}
