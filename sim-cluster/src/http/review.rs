//! Questions to the API: who am I, may they, and give me a token.

use std::sync::Arc;

use hyper::Response;
use serde_json::{Value, json};

use super::body::Body;
use super::handle::Call;
use super::view;
use crate::access::User;
use crate::access::rbac::{self, Action};
use crate::client::Cluster;
use crate::object;
use crate::status::Status;

/// Of a service account's token when it is not asked for.
const USUAL_SECONDS: u32 = 3_600;

pub(super) fn answer(
    cluster: &Cluster,
    call: &Call,
    mut sent: Value,
) -> Result<Response<Body>, Status> {
    if !sent.is_object() {
        return Err(Status::bad_request("the request's body is not an object"));
    }
    let resource = &call.served.resource;
    sent["apiVersion"] = json!(resource.api_version());
    sent["kind"] = json!(resource.kind);
    let status = match resource.kind.as_str() {
        "TokenReview" => token_review(cluster, object::text(&sent, &["spec", "token"])),
        "SelfSubjectReview" => json!({ "userInfo": call.user.to_json() }),
        "SelfSubjectRulesReview" => {
            let namespace = object::text(&sent, &["spec", "namespace"]);
            rules_review(&rbac::rules(cluster, &call.user, namespace), &call.user)
        }
        "SelfSubjectAccessReview" => access_review(cluster, &call.user, &sent["spec"])?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let mut user = User::named(object::text(&sent, &["spec", "user"]));
            let groups = object::list(&sent, &["spec", "groups"])
                .iter()
                .filter_map(Value::as_str);
            user.groups.extend(groups.map(str::to_owned));
            access_review(cluster, &user, &sent["spec"])?
        }
        _ => return Err(Status::method_not_allowed()),
    };
    sent["status"] = status;
    Ok(view::one(cluster, call, 201, &Arc::new(sent)))
}

/// `serviceaccounts/token`.
pub(super) fn token_request(
    cluster: &Cluster,
    call: &Call,
    mut sent: Value,
) -> Result<Response<Body>, Status> {
    if !sent.is_object() {
        return Err(Status::bad_request("the request's body is not an object"));
    }
    let asked = object::at(&sent, &["spec", "expirationSeconds"]).as_u64();
    let seconds = asked.map_or(USUAL_SECONDS, |it| u32::try_from(it).unwrap_or(u32::MAX));
    let (namespace, name) = (&call.path.namespace, &call.path.name);
    let token = cluster.issue_service_account_token(namespace, name, Some(seconds))?;
    let until = cluster
        .now()
        .saturating_add(jiff::SignedDuration::from_secs(i64::from(seconds)))
        .unwrap_or(jiff::Timestamp::MAX);
    sent["apiVersion"] = json!("authentication.k8s.io/v1");
    sent["kind"] = json!("TokenRequest");
    sent["metadata"] = json!({ "name": name, "namespace": namespace });
    sent["status"] = json!({
        "token": token,
        "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    Ok(view::one(cluster, call, 201, &Arc::new(sent)))
}

fn token_review(cluster: &Cluster, token: &str) -> Value {
    match cluster.user_of_token(token) {
        Some(user) => json!({ "authenticated": true, "user": user.to_json() }),
        None => json!({ "authenticated": false, "error": "the token is not known" }),
    }
}

fn access_review(cluster: &Cluster, user: &User, spec: &Value) -> Result<Value, Status> {
    let action = action(spec).ok_or_else(|| {
        Status::bad_request(
            "spec: exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )
    })?;
    let allowed = rbac::allows(cluster, user, &action);
    Ok(json!({ "allowed": allowed }))
}

fn action(spec: &Value) -> Option<Action> {
    let of = |attributes: &Value, key: &str| object::text(attributes, &[key]).to_owned();
    let path = &spec["nonResourceAttributes"];
    if path.is_object() {
        return Some(Action::Path {
            verb: of(path, "verb"),
            path: of(path, "path"),
        });
    }
    let resource = &spec["resourceAttributes"];
    resource.is_object().then(|| {
        let mut name = of(resource, "resource");
        let subresource = of(resource, "subresource");
        if !subresource.is_empty() {
            name = format!("{name}/{subresource}");
        }
        Action::Resource {
            verb: of(resource, "verb"),
            group: of(resource, "group"),
            resource: name,
            namespace: of(resource, "namespace"),
            name: of(resource, "name"),
        }
    })
}

fn rules_review(rules: &[Value], user: &User) -> Value {
    let mut of_resources = Vec::new();
    let mut of_paths = Vec::new();
    for rule in rules {
        if rule["nonResourceURLs"].is_array() {
            of_paths.push(rule.clone());
        } else {
            of_resources.push(rule.clone());
        }
    }
    if user.groups.iter().any(|group| group == "system:masters") {
        of_resources.push(json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }));
    }
    json!({
        "resourceRules": of_resources, "nonResourceRules": of_paths, "incomplete": false,
    })
}
