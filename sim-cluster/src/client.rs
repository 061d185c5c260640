//! The cluster's API for code in the same process: the same requests as over HTTP, as function calls.
//!
//! Controllers, the scheduler, kubelets and tests work through this. Nothing here waits but
//! [`Watch::next`]; every call is some map operations.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::access::{Issued, Tokens, User};
use crate::admission::{Addresses, Admission};
use crate::convert;
use crate::faults::{Faults, Rule};
use crate::http::{Authority, Logs};
use crate::registry::{Registry, Served};
use crate::requests::Requests;
use crate::resource::ResourceId;
use crate::selector::{FieldSelector, LabelSelector};
use crate::status::Status;
use crate::store::{Key, Scope, Store};
use crate::verbs::{self, FieldValidation, Request, Written};

pub use crate::store::{Event, EventKind, Watch};
pub use crate::verbs::{DeleteOptions, Deleted, Patch, Propagation};

/// The only source of time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

pub struct ClusterConfig {
    pub clock: Clock,
    /// Of names, uids and tokens.
    pub seed: u64,
    /// Changes per resource that watches and continued lists can go back.
    pub window: usize,
    /// Cluster IPs of services.
    pub service_addresses: RangeInclusive<Ipv4Addr>,
}

impl std::fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("seed", &self.seed)
            .field("window", &self.window)
            .field("service_addresses", &self.service_addresses)
            .finish_non_exhaustive()
    }
}

impl ClusterConfig {
    /// With 1,024 changes a resource, and service addresses in 127.16.
    pub fn new(clock: Clock, seed: u64) -> ClusterConfig {
        ClusterConfig {
            clock,
            seed,
            window: 1_024,
            service_addresses: Ipv4Addr::new(127, 16, 1, 1)..=Ipv4Addr::new(127, 16, 63, 254),
        }
    }
}

/// The state of a cluster and its rules. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    config: ClusterConfig,
    store: Arc<Store>,
    registry: RwLock<Arc<Registry>>,
    admissions: RwLock<Vec<Arc<dyn Admission>>>,
    /// Contended by creations only, for the time of a few draws.
    random: Mutex<StdRng>,
    addresses: Addresses,
    tokens: Tokens,
    faults: Faults,
    requests: Requests,
    authority: OnceLock<Authority>,
    logs: RwLock<Option<Arc<dyn Logs>>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("config", &self.config)
            .field("revision", &self.store.revision())
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster with its first namespaces, and nothing else.
    pub fn new(config: ClusterConfig) -> Cluster {
        let cluster = Cluster(Arc::new(Inner {
            store: Arc::new(Store::new(config.window)),
            registry: RwLock::new(Arc::new(Registry::built_in())),
            admissions: RwLock::default(),
            random: Mutex::new(StdRng::seed_from_u64(config.seed)),
            addresses: Addresses::new(config.service_addresses.clone()),
            tokens: Tokens::default(),
            faults: Faults::new(config.seed),
            requests: Requests::default(),
            authority: OnceLock::new(),
            logs: RwLock::default(),
            config,
        }));
        crate::bootstrap::populate(&cluster);
        cluster
    }

    /// The API as one user sees it. Users of the `system:` kind are not checked by RBAC here.
    pub fn client(&self, user: &str) -> Client {
        Client {
            cluster: self.clone(),
            user: Arc::from(user),
        }
    }

    /// Adds a step that every write passes after the built-in ones.
    pub fn admit_with(&self, admission: Arc<dyn Admission>) {
        self.0
            .admissions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(admission);
    }

    pub fn now(&self) -> Timestamp {
        (self.0.config.clock)()
    }

    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(
            &self
                .0
                .registry
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The version of the latest change.
    pub fn revision(&self) -> u64 {
        self.0.store.revision()
    }

    /// Puts rules of trouble in place of those that were in force; none ends all of it.
    pub fn put_faults(&self, rules: Vec<Rule>) {
        self.0.faults.put(rules, self.now(), self.revision());
    }

    /// The rules of trouble that are in force.
    pub fn faults_in_force(&self) -> Vec<Rule> {
        self.0.faults.in_force(self.now())
    }

    /// How often it was asked over HTTP.
    pub fn requests(&self) -> &Requests {
        &self.0.requests
    }

    /// Who answers `pods/log`.
    pub fn answer_logs_with(&self, logs: Arc<dyn Logs>) {
        *self.0.logs.write().unwrap_or_else(PoisonError::into_inner) = Some(logs);
    }

    /// A bearer token of a user.
    pub fn issue_token(&self, user: User) -> String {
        self.issue(Issued {
            user,
            account_uid: None,
            expires: None,
        })
    }

    /// A bearer token of a service account, good for `seconds` or as long as the account lives.
    ///
    /// # Errors
    /// 404 when there is no such account.
    pub fn issue_service_account_token(
        &self,
        namespace: &str,
        name: &str,
        seconds: Option<u32>,
    ) -> Result<String, Status> {
        let account = self
            .0
            .store
            .get(
                &ResourceId::of("serviceaccounts"),
                &Key::new(namespace, name),
            )
            .ok_or_else(|| Status::not_found("serviceaccounts", name))?;
        let span = seconds.map(|it| jiff::SignedDuration::from_secs(i64::from(it)));
        Ok(self.issue(Issued {
            user: User::named(&format!("system:serviceaccount:{namespace}:{name}")),
            account_uid: Some(crate::object::uid(&account).to_owned()),
            expires: span.map(|it| self.now().saturating_add(it).unwrap_or(Timestamp::MAX)),
        }))
    }

    /// Whom a token stands for.
    pub fn user_of_token(&self, token: &str) -> Option<User> {
        let issued = self.0.tokens.find(token, self.now())?;
        let Some(uid) = issued.account_uid else {
            return Some(issued.user);
        };
        let rest = issued.user.name.strip_prefix("system:serviceaccount:")?;
        let (namespace, name) = rest.split_once(':')?;
        let account = self.0.store.get(
            &ResourceId::of("serviceaccounts"),
            &Key::new(namespace, name),
        )?;
        (crate::object::uid(&account) == uid).then_some(issued.user)
    }

    /// The certificate that vouches for the API server, in PEM.
    pub fn ca_pem(&self) -> &str {
        self.authority().pem()
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.0.authority.get_or_init(|| Authority::new(self.now()))
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    pub(crate) fn logs(&self) -> Option<Arc<dyn Logs>> {
        self.0
            .logs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn issue(&self, issued: Issued) -> String {
        let bits: [u128; 2] = self.random().random();
        let token = format!("{:032x}{:032x}", bits[0], bits[1]);
        self.0.tokens.add(token.clone(), issued, self.now());
        token
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.0.addresses
    }

    pub(crate) fn admissions(&self) -> Vec<Arc<dyn Admission>> {
        self.0
            .admissions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes what is served; the change sees what is there now, and nobody comes between.
    pub(crate) fn change_registry(&self, change: impl FnOnce(&Registry) -> Registry) {
        let mut registry = self
            .0
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *registry = Arc::new(change(&registry));
    }

    /// As Kubernetes makes them after `generateName`: five letters without vowels.
    pub(crate) fn random_suffix(&self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut random = self.random();
        (0..5)
            .map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]))
            .collect()
    }

    /// A random UUID (RFC 9562, version 4).
    pub(crate) fn random_uid(&self) -> String {
        let bits: u128 = self.random().random();
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-")
    }

    fn random(&self) -> std::sync::MutexGuard<'_, StdRng> {
        self.0.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which objects of a resource a list is about.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub labels: LabelSelector,
    pub fields: FieldSelector,
}

impl ListOptions {
    pub fn all() -> ListOptions {
        ListOptions::default()
    }

    /// # Errors
    /// 400 when the selector cannot be read.
    pub fn labels(selector: &str) -> Result<ListOptions, Status> {
        Ok(ListOptions {
            labels: LabelSelector::parse(selector)?,
            ..ListOptions::default()
        })
    }

    /// # Errors
    /// 400 when the selector cannot be read.
    pub fn fields(selector: &str) -> Result<ListOptions, Status> {
        Ok(ListOptions {
            fields: FieldSelector::parse(selector)?,
            ..ListOptions::default()
        })
    }
}

#[derive(Clone, Debug)]
pub struct Listing {
    /// In order of namespace and name.
    pub items: Vec<Arc<Value>>,
    /// From which a watch sees everything that the list does not.
    pub resource_version: u64,
}

/// The API as one user sees it. Resources are written `pods` or `deployments.apps`; the namespace of
/// what belongs to the whole cluster is empty.
#[derive(Clone, Debug)]
pub struct Client {
    cluster: Cluster,
    user: Arc<str>,
}

impl Client {
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Arc<Value>, Status> {
        let served = self.served(resource)?;
        let object = verbs::get(&self.cluster, &self.request(&served, namespace, name, ""))?;
        Ok(convert::shown(&served, &object))
    }

    pub fn list(
        &self,
        resource: &str,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<Listing, Status> {
        let served = self.served(resource)?;
        let scope = scope(&served, namespace, options)?;
        let (mut items, resource_version) = self
            .cluster
            .store()
            .list(&scope.resource, scope.namespace.as_deref());
        items.retain(|object| scope.contains(object));
        for item in &mut items {
            *item = convert::shown(&served, item);
        }
        Ok(Listing {
            items,
            resource_version,
        })
    }

    /// What happens after `from`, the version of a list; with 0, first everything that is there.
    /// A resource that does not exist has a watch that fails at once.
    pub fn watch(&self, resource: &str, namespace: Option<&str>, from: u64) -> Watch {
        let scope = Scope {
            resource: self.served(resource).map_or_else(
                |_| ResourceId::of(resource),
                |served| served.stored_as.clone(),
            ),
            namespace: namespace.map(str::to_owned),
            labels: LabelSelector::default(),
            fields: FieldSelector::default(),
        };
        self.cluster.store().watch(scope, from)
    }

    /// As [`Client::watch`], of the objects that are selected.
    pub fn watch_selected(
        &self,
        resource: &str,
        namespace: Option<&str>,
        options: &ListOptions,
        from: u64,
    ) -> Result<Watch, Status> {
        let served = self.served(resource)?;
        let scope = scope(&served, namespace, options)?;
        Ok(self.cluster.store().watch(scope, from))
    }

    /// Its namespace is that of its metadata.
    pub fn create(&self, resource: &str, object: Value) -> Result<Arc<Value>, Status> {
        let served = self.served(resource)?;
        let namespace = crate::object::namespace(&object).to_owned();
        let request = self.request(&served, &namespace, "", "");
        Ok(shown(
            &request,
            verbs::create(&self.cluster, &request, object)?,
        ))
    }

    /// A conflict when `metadata.resourceVersion` is set and no longer the object's.
    pub fn update(&self, resource: &str, object: Value) -> Result<Arc<Value>, Status> {
        self.update_subresource(resource, "", object)
    }

    pub fn update_status(&self, resource: &str, object: Value) -> Result<Arc<Value>, Status> {
        self.update_subresource(resource, "status", object)
    }

    /// `finalize` of namespaces, `scale` of what can be scaled.
    pub fn update_subresource(
        &self,
        resource: &str,
        subresource: &str,
        object: Value,
    ) -> Result<Arc<Value>, Status> {
        let served = self.served(resource)?;
        let namespace = crate::object::namespace(&object).to_owned();
        let name = crate::object::name(&object).to_owned();
        let request = self.request(&served, &namespace, &name, subresource);
        Ok(shown(
            &request,
            verbs::update(&self.cluster, &request, object)?,
        ))
    }

    /// The subresource is empty, `status`, `scale`, …
    pub fn patch(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        subresource: &str,
        patch: Patch,
    ) -> Result<Arc<Value>, Status> {
        let served = self.served(resource)?;
        let request = self.request(&served, namespace, name, subresource);
        Ok(shown(
            &request,
            verbs::patch(&self.cluster, &request, patch)?,
        ))
    }

    /// The object as it was last: with `deletionTimestamp` when something still holds it.
    pub fn delete(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, Status> {
        let served = self.served(resource)?;
        let request = self.request(&served, namespace, name, "");
        Ok(verbs::delete(&self.cluster, &request, options)?.object)
    }

    /// Puts a pod on a node, as the scheduler does.
    pub fn bind(&self, namespace: &str, pod: &str, node: &str) -> Result<Arc<Value>, Status> {
        let served = self.served("pods")?;
        let request = self.request(&served, namespace, pod, "binding");
        Ok(shown(&request, verbs::bind(&self.cluster, &request, node)?))
    }

    fn served(&self, resource: &str) -> Result<Arc<Served>, Status> {
        let registry = self.cluster.registry();
        registry
            .find(&ResourceId::of(resource))
            .cloned()
            .ok_or_else(|| unserved(resource))
    }

    fn request(&self, served: &Arc<Served>, namespace: &str, name: &str, sub: &str) -> Request {
        Request {
            served: Arc::clone(served),
            namespace: if served.resource.namespaced {
                namespace.to_owned()
            } else {
                String::new()
            },
            name: name.to_owned(),
            subresource: sub.to_owned(),
            user: self.user.to_string(),
            manager: self.user.rsplit(':').next().unwrap_or_default().to_owned(),
            field_validation: FieldValidation::Ignore,
            dry_run: false,
        }
    }
}

/// What a list or a watch looks at, when the resource can be selected that way.
pub(crate) fn scope(
    served: &Served,
    namespace: Option<&str>,
    options: &ListOptions,
) -> Result<Scope, Status> {
    for path in options.fields.paths() {
        let everywhere = matches!(path, "metadata.name" | "metadata.namespace");
        if !everywhere && !served.resource.selectable.iter().any(|it| it == path) {
            let message = if served.resource.selectable.is_empty() && !served.is_custom() {
                format!(
                    "{path:?} is not a known field selector: only \"metadata.name\", \
                     \"metadata.namespace\""
                )
            } else {
                format!("field label not supported: {path}")
            };
            return Err(Status::bad_request(message));
        }
    }
    Ok(Scope {
        resource: served.stored_as.clone(),
        namespace: namespace
            .filter(|_| served.resource.namespaced)
            .map(str::to_owned),
        labels: options.labels.clone(),
        fields: options
            .fields
            .with_paths(|path| convert::stored_field(served, path)),
    })
}

fn shown(request: &Request, written: Written) -> Arc<Value> {
    convert::shown(&request.served, &written.object)
}

fn unserved(resource: &str) -> Status {
    let mut status = Status::not_found(resource, "");
    status.message = format!("the server could not find the requested resource ({resource})");
    status
}
