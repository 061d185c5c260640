//! What the API serves, as clients ask for it: `/version`, `/api`, `/apis`, and one document with
//! everything for clients that accept it (KEP-3352, aggregated discovery).

use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue, VARY};
use serde_json::{Value, json};

use super::body::{Body, json as json_answer};
use crate::registry::{Registry, Served};

/// The version that the API takes after; that of the k8s-openapi types its schemas come from.
const MINOR: &str = "37";

const AGGREGATED: [&str; 2] = ["v2", "v2beta1"];

/// None for a path that is not there.
pub(super) fn answer(registry: &Registry, path: &str, accept: &str) -> Option<Response<Body>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let document = match parts.as_slice() {
        [] => json!({ "paths": paths(registry) }),
        ["version"] => version(),
        ["api"] | ["apis"] => {
            let core = parts[0] == "api";
            if let Some(version) = aggregated(accept) {
                return Some(whole(registry, core, version));
            }
            if core {
                core_versions()
            } else {
                groups(registry)
            }
        }
        ["api", version] => resources(registry, "", version)?,
        ["apis", name] => group(registry, name)?,
        ["apis", name, version] => resources(registry, name, version)?,
        _ => return None,
    };
    Some(json_answer(200, &document))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0+crosswatch"),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc", "platform": "linux/amd64",
    })
}

fn paths(registry: &Registry) -> Vec<String> {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (name, versions) in registry.groups().filter(|(name, _)| !name.is_empty()) {
        paths.push(format!("/apis/{name}"));
        paths.extend(
            versions
                .iter()
                .map(|version| format!("/apis/{name}/{version}")),
        );
    }
    let others = [
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ];
    paths.extend(others.map(str::to_owned));
    paths
}

fn core_versions() -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "" }],
    })
}

fn groups(registry: &Registry) -> Value {
    let groups: Vec<Value> = registry
        .groups()
        .filter(|(name, _)| !name.is_empty())
        .filter_map(|(name, _)| group(registry, name))
        .map(|mut group| {
            if let Some(fields) = group.as_object_mut() {
                fields.remove("kind");
                fields.remove("apiVersion");
            }
            group
        })
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn group(registry: &Registry, name: &str) -> Option<Value> {
    let (_, versions) = registry.groups().find(|(it, _)| *it == name)?;
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    Some(json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": name,
        "preferredVersion": versions.first(), "versions": versions,
    }))
}

fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    for served in registry.resources(group, version) {
        let resource = &served.resource;
        list.push(json!({
            "name": resource.id.plural, "singularName": resource.singular,
            "namespaced": resource.namespaced, "kind": resource.kind, "verbs": verbs(served),
            "shortNames": resource.short_names, "categories": resource.categories,
            "storageVersionHash": "",
        }));
        for (name, kind, group, version, verbs) in subresources(served) {
            list.push(json!({
                "name": format!("{}/{name}", resource.id.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": kind, "group": group,
                "version": version, "verbs": verbs,
            }));
        }
    }
    if list.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
        "resources": list,
    }))
}

fn verbs(served: &Served) -> &'static [&'static str] {
    if served.is_question {
        return &["create"];
    }
    &[
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ]
}

type Subresource = (
    &'static str,
    String,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// Name, kind, the kind's group and version where they differ, verbs.
fn subresources(served: &Served) -> Vec<Subresource> {
    const CHANGE: &[&str] = &["get", "patch", "update"];
    let resource = &served.resource;
    let mut found: Vec<Subresource> = Vec::new();
    if resource.has_status {
        found.push(("status", resource.kind.clone(), "", "", CHANGE));
    }
    if resource.scale.is_some() {
        found.push(("scale", "Scale".to_owned(), "autoscaling", "v1", CHANGE));
    }
    if served.is_custom() {
        return found;
    }
    match resource.kind.as_str() {
        "Pod" => {
            found.push(("log", "Pod".to_owned(), "", "", &["get"]));
            found.push(("binding", "Binding".to_owned(), "", "", &["create"]));
            found.push((
                "eviction",
                "Eviction".to_owned(),
                "policy",
                "v1",
                &["create"],
            ));
        }
        "ServiceAccount" => {
            let kind = "TokenRequest".to_owned();
            found.push(("token", kind, "authentication.k8s.io", "v1", &["create"]));
        }
        "Namespace" => found.push(("finalize", "Namespace".to_owned(), "", "", &["update"])),
        _ => {}
    }
    found
}

fn aggregated(accept: &str) -> Option<&'static str> {
    for part in accept.split(',') {
        if part.contains("g=apidiscovery.k8s.io") && part.contains("as=APIGroupDiscoveryList") {
            let known = |version: &&&str| {
                part.split(';')
                    .any(|word| word.trim() == format!("v={version}"))
            };
            if let Some(version) = AGGREGATED.iter().find(known) {
                return Some(version);
            }
        } else if part.trim().starts_with("application/json") {
            return None;
        }
    }
    None
}

fn whole(registry: &Registry, core: bool, version: &str) -> Response<Body> {
    let items: Vec<Value> = registry
        .groups()
        .filter(|(name, _)| name.is_empty() == core)
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = registry
                        .resources(name, version)
                        .map(|it| described(it))
                        .collect();
                    json!({ "version": version, "freshness": "Current", "resources": resources })
                })
                .collect();
            json!({ "metadata": { "name": name, "creationTimestamp": null }, "versions": versions })
        })
        .collect();
    let mut response = json_answer(
        200,
        &json!({
            "kind": "APIGroupDiscoveryList", "metadata": {}, "items": items,
            "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        }),
    );
    let mime =
        format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
    let headers = response.headers_mut();
    if let Ok(mime) = HeaderValue::from_str(&mime) {
        headers.insert(CONTENT_TYPE, mime);
    }
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn described(served: &Served) -> Value {
    let resource = &served.resource;
    let subresources: Vec<Value> = subresources(served)
        .into_iter()
        .map(|(name, kind, group, version, verbs)| {
            let (group, version) = if group.is_empty() {
                (resource.id.group.as_str(), resource.version.as_str())
            } else {
                (group, version)
            };
            json!({
                "subresource": name, "verbs": verbs,
                "responseKind": { "group": group, "version": version, "kind": kind },
            })
        })
        .collect();
    json!({
        "resource": resource.id.plural,
        "responseKind": {
            "group": resource.id.group, "version": resource.version, "kind": resource.kind,
        },
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular, "verbs": verbs(served),
        "shortNames": resource.short_names, "categories": resource.categories,
        "subresources": subresources,
    })
}
