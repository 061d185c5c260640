//! Documents as kubectl reads them.

use serde_json::{Value, json};
use sim_cluster::openapi::{Described, v2, v3, v3_index};
use sim_cluster::resource::{Resource, ResourceId};

fn resource(group: &str, version: &str, plural: &str, kind: &str) -> Resource {
    Resource {
        id: ResourceId {
            group: group.to_owned(),
            plural: plural.to_owned(),
        },
        version: version.to_owned(),
        kind: kind.to_owned(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        has_status: true,
        scale: None,
        columns: Vec::new(),
        selectable: Vec::new(),
    }
}

/// Every `$ref` of a document leads somewhere.
fn check_references(prefix: &str, schemas: &Value, here: &Value) {
    match here {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(target) if name == "$ref" => {
                        let name = target.strip_prefix(prefix).expect("a local reference");
                        assert!(schemas.get(name).is_some(), "{name} is not described");
                    }
                    _ => check_references(prefix, schemas, value),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                check_references(prefix, schemas, item);
            }
        }
        _ => {}
    }
}

#[test]
fn a_document_describes_its_kinds_and_all_they_refer_to() {
    let deployments = resource("apps", "v1", "deployments", "Deployment");
    let pods = resource("", "v1", "pods", "Pod");
    let all = [&deployments, &pods].map(|resource| Described {
        resource,
        schema: None,
    });
    let apps = v3("apis/apps/v1", &all).expect("served");
    let schemas = &apps["components"]["schemas"];
    check_references("#/components/schemas/", schemas, &apps);
    assert!(schemas.get("io.k8s.api.core.v1.Pod").is_none());
    let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(
        deployment["x-kubernetes-group-version-kind"],
        json!([{ "group": "apps", "version": "v1", "kind": "Deployment" }])
    );
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert!(v3("apis/batch/v1", &all).is_none());
}

/// How kubectl finds out whether the server validates fields.
#[test]
fn patches_know_of_field_validation() {
    let deployments = resource("apps", "v1", "deployments", "Deployment");
    let all = [Described {
        resource: &deployments,
        schema: None,
    }];
    let apps = v3("apis/apps/v1", &all).expect("served");
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"]["kind"],
        "Deployment"
    );
    let parameters = patch["parameters"].as_array().expect("a list");
    assert!(
        parameters
            .iter()
            .any(|parameter| parameter["name"] == "fieldValidation")
    );
}

#[test]
fn resources_of_definitions_are_described_by_what_they_say() {
    let crontabs = resource("stable.example.com", "v1", "crontabs", "CronTab");
    let schema = json!({ "type": "object", "properties": {
        "spec": { "type": "object", "description": "What is wished.", "properties": {} },
    } });
    let all = [Described {
        resource: &crontabs,
        schema: Some(&schema),
    }];
    let document = v3("apis/stable.example.com/v1", &all).expect("served");
    let described = &document["components"]["schemas"]["com.example.stable.v1.CronTab"];
    assert_eq!(
        described["properties"]["spec"]["description"],
        "What is wished."
    );
    assert!(described["properties"]["metadata"]["allOf"].is_array());
    let schemas = &document["components"]["schemas"];
    check_references("#/components/schemas/", schemas, &document);
}

#[test]
fn an_address_changes_with_what_it_leads_to() {
    let crontabs = resource("stable.example.com", "v1", "crontabs", "CronTab");
    let (one, other) = (
        json!({ "type": "object" }),
        json!({ "type": "object", "description": "x" }),
    );
    let index = |schema| {
        v3_index(&[Described {
            resource: &crontabs,
            schema: Some(schema),
        }])
    };
    let address =
        |index: &Value| index["paths"]["apis/stable.example.com/v1"]["serverRelativeURL"].clone();
    assert_eq!(address(&index(&one)), address(&index(&one)));
    assert_ne!(address(&index(&one)), address(&index(&other)));
}

#[test]
fn the_older_document_refers_in_its_own_way() {
    let pods = resource("", "v1", "pods", "Pod");
    let document = v2(&[Described {
        resource: &pods,
        schema: None,
    }]);
    check_references("#/definitions/", &document["definitions"], &document);
    assert_eq!(document["swagger"], "2.0");
}
