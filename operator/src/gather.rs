//! All that is known of one `MonitoredApi`, before anything is made of it.

use std::collections::BTreeMap;

use crds::MonitoredApi;
use crds::monitored_api::{EnvironmentStatus, ServiceStatus};
use monitor_api::WorkloadView;
use operator_meta::hints::{Hints, hints};
use operator_meta::identity::{IdentityOptions, identity};

use crate::monitor::{Monitor, ServiceKey};
use crate::record::PodRecord;
use crate::world::World;

/// Who a pod is and where, with what either follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identified {
    pub(crate) service: ServiceStatus,
    pub(crate) environment: String,
    pub(crate) environment_source: String,
}

/// The same service has the same name in all containers of a pod.
pub(crate) fn identify(world: &World, pod: &PodRecord, options: &IdentityOptions) -> Identified {
    let subject = world.subject(pod);
    let container = pod.facts.containers.first();
    let container = container.map_or("", |container| &container.name);
    let identity = identity(&subject, container, options);
    Identified {
        service: ServiceStatus {
            name: identity.service_name.value,
            namespace: identity.service_namespace.value,
            source: identity.service_name.source.to_string(),
        },
        environment: identity.environment.name.value,
        environment_source: identity.environment.name.source.to_string(),
    }
}

/// What is known of one resource.
#[derive(Debug)]
pub(crate) struct Gathered<'a> {
    pub(crate) api: &'a MonitoredApi,
    pub(crate) pods: Vec<&'a PodRecord>,
    /// What its pods are called, most pods first; what the resource says or last said without pods.
    pub(crate) services: Vec<ServiceStatus>,
    pub(crate) environments: Vec<EnvironmentStatus>,
    pub(crate) views: Vec<&'a WorkloadView>,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(
        world: &'a World,
        monitor: &'a Monitor,
        api: &'a MonitoredApi,
        identified: impl Fn(&PodRecord) -> Identified,
    ) -> Gathered<'a> {
        let mut pods = world.pods_of(api);
        // Those that have finished count only where there are no others: a CronJob between runs.
        let lasting = |pod: &&PodRecord| {
            use operator_meta::facts::Phase;
            !matches!(pod.facts.phase, Phase::Succeeded | Phase::Failed)
        };
        if pods.iter().any(lasting) {
            pods.retain(lasting);
        }
        let mut services: BTreeMap<(String, String), (usize, ServiceStatus)> = BTreeMap::new();
        let mut environments: BTreeMap<String, EnvironmentStatus> = BTreeMap::new();
        for pod in &pods {
            let it = identified(pod);
            let key = (it.service.namespace.clone(), it.service.name.clone());
            services.entry(key).or_insert((0, it.service)).0 += 1;
            let environment = environments.entry(it.environment.clone());
            let environment = environment.or_insert_with(|| EnvironmentStatus {
                name: it.environment,
                source: Some(it.environment_source),
                pods: Some(0),
                state: None,
            });
            environment.pods = environment.pods.map(|count| count + 1);
        }
        let mut services: Vec<(usize, ServiceStatus)> = services.into_values().collect();
        services.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
        let mut services: Vec<ServiceStatus> = services.into_iter().map(|(_, it)| it).collect();
        if let Some(named) = named_service(api) {
            services = vec![named];
        } else if services.is_empty() {
            services.extend(api.status.as_ref().and_then(|it| it.service.clone()));
        }
        let only = api.spec.environment.as_deref();
        let keys: Vec<ServiceKey> = services.iter().map(service_key).collect();
        let views = keys.iter().flat_map(|key| monitor.views(key));
        let views: Vec<&WorkloadView> = views
            .filter(|view| only.is_none_or(|only| only == view.environment))
            .collect();
        for view in &views {
            let environment = environments.entry(view.environment.clone());
            let environment = environment.or_insert_with(|| EnvironmentStatus {
                name: view.environment.clone(),
                source: Some("telemetry".to_owned()),
                pods: None,
                state: None,
            });
            environment.state = Some(view.state.as_str().to_owned());
        }
        Gathered {
            api,
            pods,
            services,
            environments: environments.into_values().collect(),
            views,
        }
    }

    /// What annotations around its pods say of how it is to be watched.
    pub(crate) fn hints(&self, world: &World) -> Option<Hints> {
        let pod = self.pods.first()?;
        Some(hints(&world.subject(pod)))
    }
}

fn named_service(api: &MonitoredApi) -> Option<ServiceStatus> {
    let named = api.spec.service.as_ref()?;
    let own = api.metadata.namespace.clone().unwrap_or_default();
    Some(ServiceStatus {
        name: named.name.clone(),
        namespace: named.namespace.clone().unwrap_or(own),
        source: "spec.service".to_owned(),
    })
}

pub(crate) fn service_key(service: &ServiceStatus) -> ServiceKey {
    (service.namespace.clone(), service.name.clone())
}
