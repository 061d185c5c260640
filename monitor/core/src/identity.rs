//! Who spoke, and where it runs: services, environments, Apis.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Name, Value};

/// The name of an environment, service or route that nothing told us. Never a reason to block.
pub const UNKNOWN: &str = "unknown";

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum EnvironmentKind {
    OnPrem,
    Cloud,
    Edge,
    #[default]
    Unknown,
}

impl EnvironmentKind {
    pub fn as_str(self) -> &'static str {
        match self {
            EnvironmentKind::OnPrem => "on-prem",
            EnvironmentKind::Cloud => "cloud",
            EnvironmentKind::Edge => "edge",
            EnvironmentKind::Unknown => UNKNOWN,
        }
    }
}

/// Where a workload runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Environment {
    pub name: Name,
    pub kind: EnvironmentKind,
    pub provider: Option<Name>,
    pub region: Option<Name>,
    pub zone: Option<Name>,
    pub cluster: Option<Name>,
}

impl Default for Environment {
    fn default() -> Environment {
        Environment {
            name: UNKNOWN.into(),
            kind: EnvironmentKind::Unknown,
            provider: None,
            region: None,
            zone: None,
            cluster: None,
        }
    }
}

impl Environment {
    /// Reads the environment out of resource attributes.
    ///
    /// The name is the first found of `crosswatch.environment`, `k8s.cluster.name`,
    /// `crosswatch.site`, `cloud.provider`-`cloud.region`, `cloud.provider`,
    /// `deployment.environment.name` (and its old spelling). The kind is `crosswatch.environment.kind`
    /// when given; otherwise a cloud provider means `cloud` and a site means `on-prem`
    /// (OpenTelemetry has no attribute for on-premises: it is the absence of `cloud.*`).
    pub fn from_attributes(attributes: &[(Name, Value)]) -> Environment {
        let get = |key: &str| {
            attributes
                .iter()
                .find(|(name, _)| &**name == key)
                .and_then(|(_, value)| match value {
                    Value::Str(text) if !text.is_empty() => Some(Name::from(text.as_str())),
                    _ => None,
                })
        };
        let provider = get("cloud.provider");
        let region = get("cloud.region");
        let site = get("crosswatch.site");
        let cluster = get("k8s.cluster.name");
        let kind = match get("crosswatch.environment.kind").as_deref() {
            Some("on-prem") => EnvironmentKind::OnPrem,
            Some("cloud") => EnvironmentKind::Cloud,
            Some("edge") => EnvironmentKind::Edge,
            _ if provider.is_some() => EnvironmentKind::Cloud,
            _ if site.is_some() => EnvironmentKind::OnPrem,
            _ => EnvironmentKind::Unknown,
        };
        let name = get("crosswatch.environment")
            .or_else(|| cluster.clone())
            .or(site)
            .or_else(|| match (&provider, &region) {
                (Some(provider), Some(region)) => Some(format!("{provider}-{region}").into()),
                _ => provider.clone(),
            })
            .or_else(|| get("deployment.environment.name"))
            .or_else(|| get("deployment.environment"))
            .unwrap_or_else(|| UNKNOWN.into());
        Environment {
            name,
            kind,
            provider,
            region,
            zone: get("cloud.availability_zone"),
            cluster,
        }
    }
}

/// `service.name` in `service.namespace`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Empty when the sender gave none.
    pub namespace: Name,
    pub name: Name,
}

impl ServiceKey {
    pub fn new(namespace: &str, name: &str) -> ServiceKey {
        ServiceKey {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// `namespace/name`, or `name` alone.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// A service in one of its environments: what calls, is called, fails and is alerted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Workload {
    pub service: ServiceKey,
    /// The environment's name.
    pub environment: Name,
}

/// `shop/orders @ cloud-a`
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @ {}", self.service, self.environment)
    }
}

/// What produced a stream of records: one process or pod of one service in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    pub service: ServiceKey,
    pub version: Option<Name>,
    /// `service.instance.id`: pod, process or host; empty when unknown.
    pub instance: Name,
    pub environment: Environment,
    /// All resource attributes as sent, those above included.
    pub attributes: Vec<(Name, Value)>,
}

impl Resource {
    /// A resource known by its service's name alone.
    pub fn of_service(name: &str) -> Resource {
        Resource {
            service: ServiceKey::new("", name),
            version: None,
            instance: "".into(),
            environment: Environment::default(),
            attributes: Vec::new(),
        }
    }
}

/// One route of one service, observed in one environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ApiKey {
    /// The environment's name.
    pub environment: Name,
    pub service: ServiceKey,
    /// `GET`, `POST`, …; `RPC` for gRPC and other procedure calls; `CONSUME` for queue consumers;
    /// empty when the evidence does not say.
    pub method: Name,
    /// A template such as `/orders/{id}`, an RPC method such as `shop.Cart/Add`, or a queue.
    pub route: Name,
}

/// `GET /orders/{id}`, without service and environment.
impl ApiKey {
    pub fn operation(&self) -> String {
        if self.method.is_empty() {
            self.route.to_string()
        } else {
            format!("{} {}", self.method, self.route)
        }
    }
}

/// `shop/orders GET /orders/{id} @ cloud-a`
impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} @ {}",
            self.service,
            self.operation(),
            self.environment
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(attributes: &[(&str, &str)]) -> Environment {
        let attributes: Vec<(Name, Value)> = attributes
            .iter()
            .map(|(key, value)| (Name::from(*key), Value::Str((*value).to_owned())))
            .collect();
        Environment::from_attributes(&attributes)
    }

    #[test]
    fn a_cloud_is_named_by_provider_and_region() {
        let found = environment(&[("cloud.provider", "aws"), ("cloud.region", "eu-west-1")]);
        assert_eq!(
            (&*found.name, found.kind),
            ("aws-eu-west-1", EnvironmentKind::Cloud)
        );
    }

    #[test]
    fn a_site_is_on_premises() {
        let found = environment(&[
            ("crosswatch.site", "dc-2"),
            ("deployment.environment.name", "production"),
        ]);
        assert_eq!(
            (&*found.name, found.kind),
            ("dc-2", EnvironmentKind::OnPrem)
        );
    }

    #[test]
    fn nothing_said_is_unknown() {
        assert_eq!(environment(&[]), Environment::default());
    }
}
