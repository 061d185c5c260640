//! Every permission that the operator uses, and for what.
//!
//! The rules in `manifests/` are held to this list, and this list to what a simulated API server
//! counted while the operator's tests ran: nothing is allowed that no code path uses.

/// Where a permission is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Wherever workloads are watched: a ClusterRole, or a Role in each watched namespace.
    Watched,
    /// Objects of the cluster: only when the whole cluster is watched.
    Cluster,
    /// Only in the operator's own namespace.
    Own,
    /// Only where people allow it: see the condition `SecretForbidden` of an AlertPolicy.
    Granted,
    /// Only where a tool for chaos is and people allow its resources to be read.
    Chaos,
}

#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub group: &'static str,
    /// With the subresource, as RBAC writes it: `monitoredapis/status`.
    pub resource: &'static str,
    pub verbs: &'static [&'static str],
    pub place: Place,
    pub why: &'static str,
}

const READ: &[&str] = &["list", "watch"];

const fn rule(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    place: Place,
    why: &'static str,
) -> Rule {
    Rule {
        group,
        resource,
        verbs,
        place,
        why,
    }
}

/// All of them.
pub const RULES: &[Rule] = &[
    rule(
        "",
        "pods",
        READ,
        Place::Watched,
        "workloads, restarts, evictions",
    ),
    rule(
        "",
        "configmaps",
        READ,
        Place::Watched,
        "changes of configuration; metadata only",
    ),
    rule(
        "",
        "namespaces",
        READ,
        Place::Cluster,
        "annotations that hold for all of a namespace",
    ),
    rule(
        "",
        "nodes",
        READ,
        Place::Cluster,
        "environments, and nodes' trouble",
    ),
    rule(
        "apps",
        "deployments",
        READ,
        Place::Watched,
        "annotations, rollouts, scaling",
    ),
    rule(
        "apps",
        "statefulsets",
        READ,
        Place::Watched,
        "annotations, rollouts, scaling",
    ),
    rule(
        "apps",
        "daemonsets",
        READ,
        Place::Watched,
        "annotations, rollouts",
    ),
    rule(
        "batch",
        "cronjobs",
        READ,
        Place::Watched,
        "annotations; metadata only",
    ),
    rule(
        "batch",
        "jobs",
        READ,
        Place::Watched,
        "annotations; metadata only",
    ),
    rule(
        "crosswatch.dev",
        "monitoredapis",
        &["list", "watch", "create", "patch", "delete"],
        Place::Watched,
        "made for each workload by server-side apply, deleted on opt-out",
    ),
    rule(
        "crosswatch.dev",
        "monitoredapis/status",
        &["patch"],
        Place::Watched,
        "how they are",
    ),
    rule(
        "crosswatch.dev",
        "alertpolicies",
        READ,
        Place::Watched,
        "routing",
    ),
    rule(
        "crosswatch.dev",
        "alertpolicies/status",
        &["patch"],
        Place::Watched,
        "whether in force",
    ),
    rule(
        "crosswatch.dev",
        "maintenancewindows",
        READ,
        Place::Watched,
        "maintenance",
    ),
    rule(
        "crosswatch.dev",
        "maintenancewindows/status",
        &["patch"],
        Place::Watched,
        "which window comes next",
    ),
    rule(
        "crosswatch.dev",
        "chaosexperiments",
        &["list", "watch", "patch"],
        Place::Watched,
        "experiments; the finalizer that undoes them",
    ),
    rule(
        "crosswatch.dev",
        "chaosexperiments/status",
        &["patch"],
        Place::Watched,
        "verdicts",
    ),
    rule(
        "",
        "services",
        &["list"],
        Place::Watched,
        "where a platform takes experiments",
    ),
    rule(
        "events.k8s.io",
        "events",
        &["create", "patch"],
        Place::Watched,
        "what people are told",
    ),
    rule(
        "coordination.k8s.io",
        "leases",
        &["get", "create", "update"],
        Place::Own,
        "which of several operators acts",
    ),
    rule(
        "",
        "secrets",
        &["get"],
        Place::Granted,
        "addresses and tokens of alert receivers",
    ),
    mesh("awschaos"),
    mesh("azurechaos"),
    mesh("blockchaos"),
    mesh("dnschaos"),
    mesh("gcpchaos"),
    mesh("httpchaos"),
    mesh("iochaos"),
    mesh("jvmchaos"),
    mesh("kernelchaos"),
    mesh("networkchaos"),
    mesh("physicalmachinechaos"),
    mesh("podchaos"),
    mesh("stresschaos"),
    mesh("timechaos"),
    litmus("chaosengines"),
    litmus("chaosresults"),
];

const fn mesh(resource: &'static str) -> Rule {
    let why = "faults that Chaos Mesh puts in";
    rule("chaos-mesh.org", resource, READ, Place::Chaos, why)
}

const fn litmus(resource: &'static str) -> Rule {
    let why = "faults that Litmus puts in";
    rule("litmuschaos.io", resource, READ, Place::Chaos, why)
}
