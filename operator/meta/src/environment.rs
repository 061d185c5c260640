//! Where a pod runs: the environment's name, kind, provider, region, zone, site and cluster.
//!
//! The name is the first of: `crosswatch.dev/env` on pod, workload, namespace and node (annotation
//! before label); what the node says of its provider and region; the cluster's name;
//! `deployment.environment.name`; `unknown`. Not knowing is no reason to wait.

use std::fmt;

use crate::facts::Subject;
use crate::source::{Of, Source, Sourced};
use crate::text::{self, Metadata};

pub const ENVIRONMENT_KEY: &str = "crosswatch.dev/env";
pub const ENVIRONMENT_KIND_KEY: &str = "crosswatch.dev/env-kind";
pub const SITE_KEY: &str = "crosswatch.dev/site";
const REGION_LABEL: &str = "topology.kubernetes.io/region";
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
const EDGE_ROLE_LABEL: &str = "node-role.kubernetes.io/edge";
const UNKNOWN: &str = "unknown";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvironmentKind {
    OnPrem,
    Cloud,
    Edge,
}

impl fmt::Display for EnvironmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EnvironmentKind::OnPrem => "on-prem",
            EnvironmentKind::Cloud => "cloud",
            EnvironmentKind::Edge => "edge",
        })
    }
}

/// Where a pod runs, each part with where that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    pub name: Sourced<String>,
    pub kind: Option<Sourced<EnvironmentKind>>,
    /// As OpenTelemetry names it: `aws`, `gcp`. Absent on premises.
    pub provider: Option<Sourced<String>>,
    /// `aws_eks`.
    pub platform: Option<Sourced<String>>,
    pub region: Option<Sourced<String>>,
    pub zone: Option<Sourced<String>>,
    pub site: Option<Sourced<String>>,
    pub cluster: Option<Sourced<String>>,
    /// What was found and not used, and why.
    pub notes: Vec<String>,
}

/// What a provider's name in `spec.providerID` means.
enum Provider {
    /// By OpenTelemetry's name.
    Cloud(&'static str),
    OnPrem,
}

/// The scheme of `spec.providerID`, which each cloud controller manager chooses for itself.
const SCHEMES: &[(&str, Provider)] = &[
    ("aws", Provider::Cloud("aws")),
    ("gce", Provider::Cloud("gcp")),
    ("azure", Provider::Cloud("azure")),
    ("alicloud", Provider::Cloud("alibaba_cloud")),
    ("ibm", Provider::Cloud("ibm_cloud")),
    ("ibmpowervs", Provider::Cloud("ibm_cloud")),
    ("ibmvpc", Provider::Cloud("ibm_cloud")),
    ("oci", Provider::Cloud("oracle_cloud")),
    ("ocid1", Provider::Cloud("oracle_cloud")),
    ("qcloud", Provider::Cloud("tencent_cloud")),
    ("hcloud", Provider::Cloud("hetzner")),
    ("linode", Provider::Cloud("akamai_cloud")),
    ("digitalocean", Provider::Cloud("digitalocean")),
    ("scaleway", Provider::Cloud("scaleway")),
    ("exoscale", Provider::Cloud("exoscale")),
    ("vultr", Provider::Cloud("vultr")),
    ("civo", Provider::Cloud("civo")),
    ("upcloud", Provider::Cloud("upcloud")),
    ("yandex", Provider::Cloud("yandex_cloud")),
    ("vsphere", Provider::OnPrem),
    ("nutanix", Provider::OnPrem),
    ("metal3", Provider::OnPrem),
    ("harvester", Provider::OnPrem),
    ("proxmox", Provider::OnPrem),
    ("maas", Provider::OnPrem),
    ("k3s", Provider::OnPrem),
    ("kind", Provider::OnPrem),
];

/// Labels that only nodes of a managed offering have.
const PLATFORMS: &[(&str, &str)] = &[
    ("eks.amazonaws.com/nodegroup", "aws_eks"),
    ("alpha.eksctl.io/cluster-name", "aws_eks"),
    ("cloud.google.com/gke-nodepool", "gcp_kubernetes_engine"),
    ("kubernetes.azure.com/cluster", "azure.aks"),
];

pub fn environment(subject: &Subject<'_>) -> Environment {
    let mut notes = Vec::new();
    let node = subject.node_metadata();
    let scheme = scheme(subject);
    let provider = scheme.as_ref().and_then(|(name, provider, source)| {
        match provider {
            Some(Provider::Cloud(name)) => Some((*name).to_owned()),
            Some(Provider::OnPrem) => None,
            // A provider that we have not heard of has a name all the same.
            None => Some(name.clone()),
        }
        .map(|name| Sourced::new(name, source.clone()))
    });
    let node_label = |key: &str, notes: &mut Vec<String>| {
        let label = node.and_then(|node| node.label(key));
        text::first(label, text::name, notes)
    };
    let region = node_label(REGION_LABEL, &mut notes);
    let zone = node_label(ZONE_LABEL, &mut notes);
    let platform = node.and_then(|node| {
        PLATFORMS.iter().find_map(|(label, platform)| {
            let found = node.label(label)?;
            Some(Sourced::new((*platform).to_owned(), found.source))
        })
    });
    let around = |key: &'static str| {
        let objects = subject.nearest_first().chain(subject.node_metadata());
        objects.flat_map(move |object| object.either(key))
    };
    let site = text::first(around(SITE_KEY), text::name, &mut notes);
    let kind = text::first(around(ENVIRONMENT_KIND_KEY), parse_kind, &mut notes)
        .or_else(|| implied_kind(node, &scheme, &site));
    let cluster = subject.cluster.name.as_deref().and_then(|name| {
        let given = Sourced::new(name, Source::Setting("--cluster-name"));
        text::first([given], text::name, &mut notes)
    });
    let stage = subject.pod_metadata().annotation(STAGE_ANNOTATION);
    let stage = stage.or_else(|| subject.pod_metadata().label(DATADOG_STAGE_LABEL));
    let name = text::first(around(ENVIRONMENT_KEY), text::name, &mut notes)
        .or_else(|| derived(provider.as_ref(), region.as_ref()))
        .or_else(|| cluster.clone())
        .or_else(|| site.clone())
        .or_else(|| text::first(stage, text::name, &mut notes))
        .unwrap_or_else(|| Sourced::new(UNKNOWN.to_owned(), Source::Rule("nothing says so")));
    Environment {
        name,
        kind,
        provider,
        platform,
        region,
        zone,
        site,
        cluster,
        notes,
    }
}

pub(crate) const STAGE_ANNOTATION: &str = "resource.opentelemetry.io/deployment.environment.name";
pub(crate) const DATADOG_STAGE_LABEL: &str = "tags.datadoghq.com/env";

/// `aws-eu-west-1`; a provider without region or a region without provider alone.
fn derived(
    provider: Option<&Sourced<String>>,
    region: Option<&Sourced<String>>,
) -> Option<Sourced<String>> {
    match (provider, region) {
        (Some(provider), Some(region)) => Some(Sourced::new(
            format!("{}-{}", provider.value, region.value),
            region.source.clone(),
        )),
        (provider, region) => region.or(provider).cloned(),
    }
}

/// The scheme of the node's `spec.providerID`, what it means, and where it was.
fn scheme(subject: &Subject<'_>) -> Option<(String, Option<Provider>, Source)> {
    let id = subject.node?.provider_id.as_deref()?;
    // Oracle's ids have no scheme: `ocid1.instance.oc1…`.
    let (scheme, _) = id.split_once("://").or_else(|| id.split_once('.'))?;
    let scheme = text::name(scheme).ok()?.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !scheme.chars().all(plain) {
        return None;
    }
    let known = SCHEMES.iter().find(|(name, _)| *name == scheme);
    let provider = known.map(|(_, provider)| match provider {
        Provider::Cloud(name) => Provider::Cloud(name),
        Provider::OnPrem => Provider::OnPrem,
    });
    if provider.is_none() && !id.contains("://") {
        return None;
    }
    let source = Source::Field {
        of: Of::Node,
        path: "spec.providerID",
    };
    Some((scheme, provider, source))
}

fn implied_kind(
    node: Option<Metadata<'_>>,
    scheme: &Option<(String, Option<Provider>, Source)>,
    site: &Option<Sourced<String>>,
) -> Option<Sourced<EnvironmentKind>> {
    if let Some(edge) = node.and_then(|node| node.label(EDGE_ROLE_LABEL)) {
        return Some(Sourced::new(EnvironmentKind::Edge, edge.source));
    }
    match scheme {
        Some((_, Some(Provider::Cloud(_)), source)) => {
            Some(Sourced::new(EnvironmentKind::Cloud, source.clone()))
        }
        Some((_, Some(Provider::OnPrem), source)) => {
            Some(Sourced::new(EnvironmentKind::OnPrem, source.clone()))
        }
        // A provider that we do not know may be either.
        _ => site
            .as_ref()
            .map(|site| Sourced::new(EnvironmentKind::OnPrem, site.source.clone())),
    }
}

fn parse_kind(text: &str) -> Result<EnvironmentKind, String> {
    match text.trim() {
        "on-prem" => Ok(EnvironmentKind::OnPrem),
        "cloud" => Ok(EnvironmentKind::Cloud),
        "edge" => Ok(EnvironmentKind::Edge),
        other => Err(format!(
            "{} is none of on-prem, cloud and edge",
            text::quoted(other)
        )),
    }
}
