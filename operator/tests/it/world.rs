//! An API server, a namespace in it, a monitor, and operators.

use std::sync::Arc;
use std::time::Duration;

use crds::{AlertPolicy, ChaosExperiment, MaintenanceWindow, MonitoredApi};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config, CustomResourceExt, Resource};
use operator::args::{LeaseTimes, Onboard, Settings};
use operator::run::{Running, start};
use serde::de::DeserializeOwned;
use serde_json::json;
use sim_cluster::client::{Cluster, ClusterConfig};
use sim_cluster::http::{ApiServer, HttpConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

use crate::envtest::{self, Choice, ControlPlane, choose};
use crate::monitor::FakeMonitor;

/// Longer than anything takes on a busy machine; a test that gets here has failed.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(60);

/// Where a test happens.
pub(crate) struct World {
    /// May do everything.
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) monitor: FakeMonitor,
    /// Only where the API server is simulated.
    pub(crate) cluster: Option<Cluster>,
    kubeconfig: Option<Kubeconfig>,
    server: Option<ApiServer>,
    /// Only where a real one is started for the tests.
    _plane: Option<Arc<ControlPlane>>,
    _stop: DropGuard,
}

impl World {
    pub(crate) async fn new() -> World {
        let stop = CancellationToken::new();
        let variable = |name| std::env::var_os(name);
        let choice = choose(variable("KUBECONFIG_E2E"), variable("KUBEBUILDER_ASSETS"));
        let mut world = match choice {
            Choice::Kubeconfig(path) => World::of(Kubeconfig::read_from(path).unwrap(), stop).await,
            Choice::Assets(path) => {
                let plane = envtest::shared(&path).await;
                let mut world = World::of(plane.kubeconfig.clone(), stop).await;
                world._plane = Some(plane);
                world
            }
            Choice::Simulated => World::simulated(stop).await,
        };
        world.namespace = format!("test-{:08x}", mark());
        let name = world.namespace.clone();
        world.namespace_named(&name).await;
        world.define().await;
        world
    }

    /// Makes sure that there is a namespace of this name.
    pub(crate) async fn namespace_named(&self, name: &str) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name },
        });
        let params = PatchParams::apply("tests");
        let patch = Patch::Apply(namespace);
        namespaces.patch(name, &params, &patch).await.unwrap();
    }

    async fn simulated(stop: CancellationToken) -> World {
        #[expect(clippy::disallowed_methods, reason = "the simulated cluster's clock")]
        let clock = Arc::new(jiff::Timestamp::now);
        let cluster = Cluster::new(ClusterConfig::new(clock, 7));
        let server = ApiServer::start(cluster.clone(), HttpConfig::default(), stop.clone());
        let server = server.await.unwrap();
        let token = cluster.issue_token(sim_cluster::access::User::admin());
        let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig(&token)).unwrap();
        let mut world = World::of(kubeconfig, stop).await;
        world.cluster = Some(cluster);
        world.server = Some(server);
        world
    }

    async fn of(kubeconfig: Kubeconfig, stop: CancellationToken) -> World {
        let client = connect(kubeconfig.clone()).await;
        World {
            client,
            namespace: String::new(),
            monitor: FakeMonitor::start(stop.clone()).await,
            cluster: None,
            kubeconfig: Some(kubeconfig),
            server: None,
            _plane: None,
            _stop: stop.drop_guard(),
        }
    }

    async fn define(&self) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let params = PatchParams::apply("tests").force();
        for crd in [
            MonitoredApi::crd(),
            ChaosExperiment::crd(),
            AlertPolicy::crd(),
            MaintenanceWindow::crd(),
        ] {
            let name = crd.metadata.name.clone().unwrap();
            api.patch(&name, &params, &Patch::Apply(&crd))
                .await
                .unwrap();
            eventually(api.clone(), |crds: &[CustomResourceDefinition]| {
                crds.iter()
                    .any(|it| it.metadata.name.as_ref() == Some(&name) && established(it))
            })
            .await;
        }
    }

    /// A client as the operator has one; on a simulated cluster its requests are counted apart.
    pub(crate) async fn operators_config(&self, name: &str) -> Config {
        let kubeconfig = match (&self.cluster, &self.server) {
            (Some(cluster), Some(server)) => {
                let mut user = sim_cluster::access::User::admin();
                user.name = name.to_owned();
                let token = cluster.issue_token(user);
                Kubeconfig::from_yaml(&server.kubeconfig(&token)).unwrap()
            }
            _ => self.kubeconfig.clone().unwrap(),
        };
        config_of(kubeconfig).await
    }

    /// Of a user of a simulated cluster who may do nothing but what is granted.
    pub(crate) async fn limited_config(&self, name: &str) -> Config {
        let (cluster, server) = (
            self.cluster.as_ref().unwrap(),
            self.server.as_ref().unwrap(),
        );
        let token = cluster.issue_token(sim_cluster::access::User::named(name));
        config_of(Kubeconfig::from_yaml(&server.kubeconfig(&token)).unwrap()).await
    }

    pub(crate) fn settings(&self, name: &str) -> Settings {
        Settings {
            monitor_url: self.monitor.url(),
            monitor_token: None,
            // Others may use a real cluster at the same time; a simulated one is the test's own.
            namespaces: match self.cluster {
                Some(_) => Vec::new(),
                None => vec![self.namespace.clone()],
            },
            cluster_name: None,
            onboard: Onboard::OptOut,
            well_known_labels: true,
            listen: ([127, 0, 0, 1], 0).into(),
            own_namespace: self.namespace.clone(),
            identity: name.to_owned(),
            lease: "crosswatch-operator".to_owned(),
            lease_times: LeaseTimes {
                duration: Duration::from_secs(15),
                give_up: Duration::from_secs(10),
                renew_every: Duration::from_millis(500),
            },
            numbers_every: Duration::from_millis(500),
            injected_every: Duration::from_millis(500),
            away_after: Duration::from_millis(300),
            seed: 7,
        }
    }

    pub(crate) async fn operator(&self) -> Running {
        self.operator_with("operator-1", |_| ()).await
    }

    pub(crate) async fn operator_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Running {
        let mut settings = self.settings(name);
        change(&mut settings);
        let client = Client::try_from(self.operators_config(name).await).unwrap();
        run(settings, client).await
    }

    pub(crate) async fn operator_of(&self, name: &str, client: Client) -> Running {
        run(self.settings(name), client).await
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until the resource is as wanted, and gives it.
    pub(crate) async fn until<K>(&self, name: &str, wanted: impl Fn(&K) -> bool) -> K
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
    {
        let is = |it: &&K| it.meta().name.as_deref() == Some(name) && wanted(it);
        let all = eventually(self.api::<K>(), |all: &[K]| all.iter().any(|it| is(&it))).await;
        all.iter().find(is).unwrap().clone()
    }

    /// The simulated cluster; elsewhere it is said on stderr what `needs` it, and why.
    pub(crate) fn simulated_only(&self, needs: &str) -> Option<Cluster> {
        if self.cluster.is_none() {
            eprintln!("left out on a real API server: {needs}");
        }
        self.cluster.clone()
    }

    /// Requests that an operator made so far, on a simulated cluster.
    pub(crate) fn requests(&self, name: &str) -> Option<u64> {
        let cluster = self.simulated_only("how much was asked for")?;
        Some(cluster.requests().total(|request| request.user == name))
    }
}

/// Tests on one cluster do not meet: another number for each test of each run.
fn mark() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("test") as u32
}

async fn run(settings: Settings, client: Client) -> Running {
    #[expect(clippy::disallowed_methods, reason = "the operator's clock")]
    let clock = Arc::new(jiff::Timestamp::now);
    start(settings, client, clock).await.unwrap()
}

pub(crate) async fn connect(kubeconfig: Kubeconfig) -> Client {
    Client::try_from(config_of(kubeconfig).await).unwrap()
}

async fn config_of(kubeconfig: Kubeconfig) -> Config {
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    config.default_retry = false;
    config
}

pub(crate) fn established(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.as_ref().and_then(|it| it.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it.type_ == "Established" && it.status == "True")
}

/// Waits until all objects together are as wanted, and gives them.
///
/// # Panics
///
/// With what was there instead, when that takes too long.
pub(crate) async fn eventually<K>(api: Api<K>, wanted: impl Fn(&[K]) -> bool) -> Vec<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let mut events = watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    let mut all: Vec<K> = Vec::new();
    let mut listed: Vec<K> = Vec::new();
    let waiting = async {
        loop {
            let Ok(event) = events.next().await.unwrap() else {
                continue;
            };
            let same = |a: &K, b: &K| {
                (&a.meta().namespace, &a.meta().name) == (&b.meta().namespace, &b.meta().name)
            };
            match event {
                watcher::Event::Init => {
                    listed.clear();
                    continue;
                }
                watcher::Event::InitApply(object) => {
                    listed.push(object);
                    continue;
                }
                watcher::Event::InitDone => all = std::mem::take(&mut listed),
                watcher::Event::Apply(object) => {
                    all.retain(|it| !same(it, &object));
                    all.push(object);
                }
                watcher::Event::Delete(object) => all.retain(|it| !same(it, &object)),
            }
            if wanted(&all) {
                return;
            }
        }
    };
    if tokio::time::timeout(TOO_LONG, waiting).await.is_err() {
        panic!("it never became as wanted; it is {all:#?}");
    }
    all
}
