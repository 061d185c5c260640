//! Shapes and schemas of the built-in kinds, from `k8s-openapi`.
//!
//! All schemas are generated once per process; a kind's shape is compiled when it is first asked
//! for. Used by patches, server-side apply, writes of built-in kinds, and [`crate::openapi`].

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use k8s_openapi::Resource;
use k8s_openapi::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{List, Merge, Object, Scalar, Shape, lists};

/// Where the schemas of an OpenAPI v3 document refer to each other.
pub(crate) const REFERENCE: &str = "#/components/schemas/";

/// Every built-in kind's schema, and what they refer to.
#[derive(Debug)]
pub struct Catalogue {
    /// By name: `io.k8s.api.apps.v1.Deployment`. References are those of OpenAPI v3 documents.
    pub definitions: BTreeMap<String, Value>,
    kinds: Kinds,
    shapes: Mutex<BTreeMap<String, Arc<Shape>>>,
}

/// The schemas' names by `apiVersion` and kind.
type Kinds = BTreeMap<&'static str, BTreeMap<&'static str, String>>;

/// The catalogue of this process.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::generate);
    &CATALOGUE
}

/// The shape of a built-in kind, such as `apps/v1` and `Deployment`.
pub fn shape(api_version: &str, kind: &str) -> Option<Arc<Shape>> {
    let catalogue = catalogue();
    let name = catalogue.definition_name(api_version, kind)?;
    let mut shapes = catalogue
        .shapes
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Some(Compiler::new(&catalogue.definitions, &mut shapes).named(name))
}

/// The shape of every kind's `metadata`.
pub fn metadata() -> Arc<Shape> {
    let catalogue = catalogue();
    let mut shapes = catalogue
        .shapes
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Compiler::new(&catalogue.definitions, &mut shapes).named(OBJECT_META)
}

/// The name of the schema of every kind's `metadata`.
pub const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

impl Catalogue {
    /// The name of a kind's schema: `io.k8s.api.apps.v1.Deployment`.
    pub fn definition_name(&self, api_version: &str, kind: &str) -> Option<&str> {
        Some(self.kinds.get(api_version)?.get(kind)?.as_str())
    }

    fn generate() -> Catalogue {
        let settings = SchemaSettings::openapi3().with(|settings| {
            settings.inline_subschemas = false;
            settings.transforms.clear();
        });
        let mut generator = settings.into_generator();
        let mut kinds = BTreeMap::new();
        every_kind(&mut generator, &mut kinds);
        let _reference =
            generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::Status>();
        let mut definitions: BTreeMap<String, Value> =
            generator.take_definitions(false).into_iter().collect();
        for name in kinds.values().flat_map(BTreeMap::values) {
            if let Some(schema) = definitions.get_mut(name) {
                finish_kind(schema);
            }
        }
        for (name, schema) in &mut definitions {
            mark(name, schema);
        }
        Catalogue {
            definitions,
            kinds,
            shapes: Mutex::new(BTreeMap::new()),
        }
    }
}

/// `k8s-openapi` calls `metadata` required, which Kubernetes does not.
fn finish_kind(schema: &mut Value) {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|field| field != "metadata");
        if required.is_empty()
            && let Some(schema) = schema.as_object_mut()
        {
            schema.remove("required");
        }
    }
}

/// Writes the merge rules into a definition, as Kubernetes publishes them.
fn mark(name: &str, schema: &mut Value) {
    if lists::is_atomic_type(name) {
        schema["x-kubernetes-map-type"] = json!("atomic");
    }
    let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (field, schema) in fields {
        if schema["type"] == "array" {
            match lists::merge(name, field) {
                Merge::Atomic => schema["x-kubernetes-list-type"] = json!("atomic"),
                Merge::Set => schema["x-kubernetes-list-type"] = json!("set"),
                Merge::Map(keys) => {
                    schema["x-kubernetes-list-map-keys"] = json!(keys);
                    schema["x-kubernetes-list-type"] = json!("map");
                }
            }
            if let Some(key) = lists::patch_key(name, field) {
                let retains = name.ends_with(".PodSpec") && field == "volumes";
                let strategy = if retains { "merge,retainKeys" } else { "merge" };
                schema["x-kubernetes-patch-strategy"] = json!(strategy);
                if !key.is_empty() {
                    schema["x-kubernetes-patch-merge-key"] = json!(key);
                }
            }
        } else if lists::is_atomic_map(name, field) {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
    }
}

/// Turns definitions into shapes; those done are kept, those under way (a schema that refers to
/// itself: only that of CRDs does) count as unknown.
struct Compiler<'a> {
    definitions: &'a BTreeMap<String, Value>,
    done: &'a mut BTreeMap<String, Arc<Shape>>,
    under_way: Vec<String>,
}

impl<'a> Compiler<'a> {
    fn new(
        definitions: &'a BTreeMap<String, Value>,
        done: &'a mut BTreeMap<String, Arc<Shape>>,
    ) -> Compiler<'a> {
        Compiler {
            definitions,
            done,
            under_way: Vec::new(),
        }
    }

    fn named(&mut self, name: &str) -> Arc<Shape> {
        if let Some(shape) = self.done.get(name) {
            return Arc::clone(shape);
        }
        let unknown = || Arc::new(Shape::Unknown);
        if self.under_way.iter().any(|other| other == name) {
            return unknown();
        }
        let Some(schema) = self.definitions.get(name) else {
            return unknown();
        };
        self.under_way.push(name.to_owned());
        let shape = Arc::new(self.compile(schema, name, ""));
        self.under_way.pop();
        self.done.insert(name.to_owned(), Arc::clone(&shape));
        shape
    }

    /// `owner` and `field`: where the schema stands, for the rules of lists and maps.
    fn compile(&mut self, schema: &Value, owner: &str, field: &str) -> Shape {
        if schema["x-kubernetes-int-or-string"] == true {
            return Shape::Scalar(Scalar::IntOrString);
        }
        match schema["type"].as_str() {
            Some("string") => Shape::Scalar(match schema["format"].as_str() {
                Some("byte") => Scalar::Bytes,
                Some("date-time") => Scalar::Time,
                _ => Scalar::String,
            }),
            Some("integer") => Shape::Scalar(match schema["format"].as_str() {
                Some("int32") => Scalar::Int32,
                _ => Scalar::Int64,
            }),
            Some("number") => Shape::Scalar(Scalar::Number),
            Some("boolean") => Shape::Scalar(Scalar::Boolean),
            Some("array") => Shape::List(List {
                items: self.child(&schema["items"], owner, field),
                merge: lists::merge(owner, field),
                patch_key: lists::patch_key(owner, field),
            }),
            Some("object") => self.object(schema, owner, field),
            _ => Shape::Unknown,
        }
    }

    fn object(&mut self, schema: &Value, owner: &str, field: &str) -> Shape {
        let additional = schema.get("additionalProperties");
        if let Some(rest) = additional.filter(|rest| rest.is_object()) {
            return Shape::Object(Object {
                type_name: String::new(),
                fields: BTreeMap::new(),
                rest: Some(self.child(rest, owner, "")),
                open: false,
                atomic: lists::is_atomic_map(owner, field),
                required: Vec::new(),
                key_defaults: BTreeMap::new(),
            });
        }
        let Some(fields) = schema["properties"].as_object() else {
            // `FieldsV1`, `RawExtension`: whatever one likes.
            return Shape::Unknown;
        };
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        Shape::Object(Object {
            type_name: owner.rsplit('.').next().unwrap_or(owner).to_owned(),
            fields: fields
                .iter()
                .map(|(name, schema)| (name.clone(), self.child(schema, owner, name)))
                .collect(),
            rest: None,
            open: false,
            atomic: lists::is_atomic_type(owner),
            required: required
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            key_defaults: key_defaults(fields),
        })
    }

    fn child(&mut self, schema: &Value, owner: &str, field: &str) -> Arc<Shape> {
        match reference(schema) {
            Some(name) => self.named(name),
            None => Arc::new(self.compile(schema, owner, field)),
        }
    }
}

/// The definition a schema refers to, also when it is wrapped to add a description.
pub(crate) fn reference(schema: &Value) -> Option<&str> {
    let direct = schema.get("$ref").and_then(Value::as_str);
    let wrapped = || schema["allOf"].as_array()?.first()?["$ref"].as_str();
    direct.or_else(wrapped)?.strip_prefix(REFERENCE)
}

/// Ports are the only items whose keys have defaults: their `protocol` is TCP.
fn key_defaults(fields: &Map<String, Value>) -> BTreeMap<String, Value> {
    let is_port = fields.contains_key("containerPort") || fields.contains_key("targetPort");
    if is_port && fields.contains_key("protocol") {
        BTreeMap::from([("protocol".to_owned(), json!("TCP"))])
    } else {
        BTreeMap::new()
    }
}

fn add<T: JsonSchema + Resource>(generator: &mut SchemaGenerator, kinds: &mut Kinds) {
    // Wanted for its definition only.
    let _reference = generator.subschema_for::<T>();
    let version = kinds.entry(T::API_VERSION).or_default();
    version.insert(T::KIND, T::schema_name().into_owned());
}

/// Every kind of the stable groups; betas and alphas are not served.
fn every_kind(generator: &mut SchemaGenerator, kinds: &mut Kinds) {
    macro_rules! kinds {
        ($($group:ident :: $version:ident { $($kind:ident),* $(,)? })*) => {
            $($(add::<api::$group::$version::$kind>(generator, kinds);)*)*
        };
    }
    kinds! {
        core::v1 {
            Binding, ComponentStatus, ConfigMap, Endpoints, Event, LimitRange, Namespace, Node,
            PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate, ReplicationController,
            ResourceQuota, Secret, Service, ServiceAccount,
        }
        apps::v1 { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet }
        batch::v1 { CronJob, Job }
        discovery::v1 { EndpointSlice }
        events::v1 { Event }
        networking::v1 { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR }
        policy::v1 { Eviction, PodDisruptionBudget }
        rbac::v1 { ClusterRole, ClusterRoleBinding, Role, RoleBinding }
        coordination::v1 { Lease }
        storage::v1 {
            CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment,
            VolumeAttributesClass,
        }
        scheduling::v1 { PriorityClass }
        autoscaling::v1 { Scale, HorizontalPodAutoscaler }
        autoscaling::v2 { HorizontalPodAutoscaler }
        admissionregistration::v1 {
            MutatingWebhookConfiguration, ValidatingAdmissionPolicy,
            ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
        }
        certificates::v1 { CertificateSigningRequest }
        authentication::v1 { SelfSubjectReview, TokenRequest, TokenReview }
        authorization::v1 {
            LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview,
            SubjectAccessReview,
        }
        node::v1 { RuntimeClass }
    }
    add::<CustomResourceDefinition>(generator, kinds);
    add::<APIService>(generator, kinds);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_of_a_deployment_merge_by_name() {
        let shape = shape("apps/v1", "Deployment").unwrap();
        let containers = shape
            .field("spec")
            .field("template")
            .field("spec")
            .field("containers");
        assert_eq!(containers.merge(), &Merge::Map(vec!["name".to_owned()]));
        let ports = containers.items().field("ports");
        assert_eq!(
            ports.items().item_key(
                &["containerPort".to_owned(), "protocol".to_owned()],
                &json!({ "containerPort": 80 }),
            ),
            Some(BTreeMap::from([
                ("containerPort".to_owned(), json!(80)),
                ("protocol".to_owned(), json!("TCP")),
            ])),
        );
        assert!(shape.field("spec").field("selector").is_atomic());
        assert_eq!(
            shape.field("spec").field("replicas"),
            &Shape::Scalar(Scalar::Int32),
        );
    }

    #[test]
    fn every_rule_of_the_tables_is_about_a_list_that_exists() {
        let catalogue = catalogue();
        let mut lost = Vec::new();
        for (name, field) in lists::places() {
            let Some(schema) = catalogue.definitions.get(&format!("io.k8s.{name}")) else {
                continue;
            };
            let named = &schema["properties"][field];
            if named.is_null() {
                lost.push(format!("{name}.{field}"));
            }
        }
        assert_eq!(lost, Vec::<String>::new());
    }

    #[test]
    fn a_kind_that_does_not_exist_has_no_shape() {
        assert!(shape("apps/v1", "Pod").is_none());
        assert!(shape("v1", "").is_none());
    }
}
