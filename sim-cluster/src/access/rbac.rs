//! Role-based access control: whether a user's roles allow what is asked.
//!
//! Reads roles and bindings as they are stored at the moment; nothing is cached, so that a change
//! holds from the next request on. There are some dozens of bindings; each request looks at those
//! that name its user.

use std::sync::Arc;

use serde_json::{Value, json};

use super::User;
use crate::client::Cluster;
use crate::object;
use crate::resource::ResourceId;
use crate::selector::LabelSelector;
use crate::status::Status;
use crate::store::Key;

/// What somebody wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Resource {
        /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
        verb: String,
        group: String,
        /// `pods`, `pods/log`.
        resource: String,
        /// Empty for all of them, and for what belongs to the whole cluster.
        namespace: String,
        /// Empty for many or unknown.
        name: String,
    },
    Path {
        verb: String,
        path: String,
    },
}

/// Whether any role of the user allows it.
pub fn allows(cluster: &Cluster, user: &User, action: &Action) -> bool {
    if user.groups.iter().any(|group| group == "system:masters") {
        return true;
    }
    rules(cluster, user, namespace_of(action))
        .iter()
        .any(|rule| grants(rule, action))
}

/// # Errors
/// 403, in the words of Kubernetes' authoriser.
pub fn authorise(cluster: &Cluster, user: &User, action: &Action) -> Result<(), Status> {
    if allows(cluster, user, action) {
        Ok(())
    } else {
        Err(forbidden(user, action))
    }
}

/// Every rule that holds for a user, in a namespace or in the whole cluster.
pub fn rules(cluster: &Cluster, user: &User, namespace: &str) -> Vec<Value> {
    let mut rules = Vec::new();
    for binding in all(cluster, "clusterrolebindings", None) {
        if names(&binding, user, "") {
            rules.extend(role_rules(cluster, &binding, ""));
        }
    }
    if !namespace.is_empty() {
        for binding in all(cluster, "rolebindings", Some(namespace)) {
            if names(&binding, user, namespace) {
                rules.extend(role_rules(cluster, &binding, namespace));
            }
        }
    }
    rules
}

fn namespace_of(action: &Action) -> &str {
    match action {
        Action::Resource { namespace, .. } => namespace,
        Action::Path { .. } => "",
    }
}

fn names(binding: &Value, user: &User, namespace: &str) -> bool {
    object::list(binding, &["subjects"]).iter().any(|subject| {
        let name = object::text(subject, &["name"]);
        match object::text(subject, &["kind"]) {
            "User" => name == user.name,
            "Group" => user.groups.iter().any(|group| group == name),
            "ServiceAccount" => {
                let said = object::text(subject, &["namespace"]);
                let home = if said.is_empty() { namespace } else { said };
                user.name
                    .strip_prefix("system:serviceaccount:")
                    .and_then(|rest| rest.split_once(':'))
                    == Some((home, name))
            }
            _ => false,
        }
    })
}

fn role_rules(cluster: &Cluster, binding: &Value, namespace: &str) -> Vec<Value> {
    let name = object::text(binding, &["roleRef", "name"]);
    let (plural, namespace) = match object::text(binding, &["roleRef", "kind"]) {
        "ClusterRole" => ("clusterroles", ""),
        _ => ("roles", namespace),
    };
    cluster
        .store()
        .get(&id(plural), &Key::new(namespace, name))
        .map_or_else(Vec::new, |role| rules_of(cluster, &role))
}

/// A role's own rules, or for an aggregated one those of the roles that it selects.
pub(crate) fn rules_of(cluster: &Cluster, role: &Value) -> Vec<Value> {
    let selectors: Vec<LabelSelector> =
        object::list(role, &["aggregationRule", "clusterRoleSelectors"])
            .iter()
            .filter_map(|selector| LabelSelector::from_object(selector).ok().flatten())
            .collect();
    let mut rules = object::list(role, &["rules"]).to_vec();
    if selectors.is_empty() {
        return rules;
    }
    for other in all(cluster, "clusterroles", None) {
        // A role that aggregates is not aggregated again: selections cannot go round in circles.
        if other["aggregationRule"].is_null()
            && selectors
                .iter()
                .any(|it| it.matches(&other["metadata"]["labels"]))
        {
            rules.extend_from_slice(object::list(&other, &["rules"]));
        }
    }
    rules
}

fn all(cluster: &Cluster, plural: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
    cluster.store().list(&id(plural), namespace).0
}

fn id(plural: &str) -> ResourceId {
    ResourceId {
        group: "rbac.authorization.k8s.io".to_owned(),
        plural: plural.to_owned(),
    }
}

fn grants(rule: &Value, action: &Action) -> bool {
    let has = |key: &str, wanted: &str| {
        object::list(rule, &[key])
            .iter()
            .any(|it| it == "*" || it == wanted)
    };
    match action {
        Action::Resource {
            verb,
            group,
            resource,
            name,
            ..
        } => {
            let names = object::list(rule, &["resourceNames"]);
            has("verbs", verb)
                && has("apiGroups", group)
                && grants_resource(rule, resource)
                && (names.is_empty() || names.iter().any(|it| *it == json!(name)))
        }
        Action::Path { verb, path } => {
            has("verbs", verb)
                && object::list(rule, &["nonResourceURLs"])
                    .iter()
                    .filter_map(Value::as_str)
                    .any(|it| match it.strip_suffix('*') {
                        Some(prefix) => path.starts_with(prefix),
                        None => it == path,
                    })
        }
    }
}

fn grants_resource(rule: &Value, resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
    object::list(rule, &["resources"])
        .iter()
        .filter_map(Value::as_str)
        .any(|it| {
            it == "*"
                || it == resource
                || it
                    .strip_prefix("*/")
                    .is_some_and(|wanted| Some(wanted) == subresource)
        })
}

/// `pods is forbidden: User "a" cannot list resource "pods" in API group "" at the cluster scope`.
fn forbidden(user: &User, action: &Action) -> Status {
    let user = &user.name;
    match action {
        Action::Path { verb, path } => Status::forbidden(format!(
            "forbidden: User \"{user}\" cannot {verb} path \"{path}\""
        )),
        Action::Resource {
            verb,
            group,
            resource,
            namespace,
            name,
        } => {
            let plural = resource.split('/').next().unwrap_or(resource);
            let mut what = ResourceId {
                group: group.clone(),
                plural: plural.to_owned(),
            }
            .to_string();
            if !name.is_empty() {
                what = format!("{what} \"{name}\"");
            }
            let place = match namespace.as_str() {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace \"{namespace}\""),
            };
            let mut status = Status::forbidden(format!(
                "{what} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" in API \
                 group \"{group}\" {place}"
            ));
            status.details = json!({ "name": name, "group": group, "kind": plural });
            status
        }
    }
}
