//! The checked-in YAML, and what a structural schema must be.

use std::path::Path;

use serde_json::Value;

#[test]
fn the_checked_in_files_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in crds::files() {
        expect_test::expect_file![folder.join(&name)].assert_eq(&text);
    }
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    found.sort();
    let named: Vec<String> = crds::files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, named);
}

/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>
#[test]
fn every_schema_is_structural_and_explains_itself() {
    let mut wrong = Vec::new();
    for (name, text) in crds::files() {
        let crd: Value = serde_saphyr::from_str(&text).unwrap();
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let root = &version["schema"]["openAPIV3Schema"];
            walk(root, &name, &mut |at, schema| {
                let typed = schema.get("type").is_some_and(Value::is_string)
                    || schema["x-kubernetes-int-or-string"] == true;
                if !typed {
                    wrong.push(format!("{at}: no type"));
                }
                for word in [
                    "$ref",
                    "oneOf",
                    "anyOf",
                    "allOf",
                    "definitions",
                    "title",
                    "uniqueItems",
                ] {
                    if schema.get(word).is_some() {
                        wrong.push(format!("{at}: has {word}"));
                    }
                }
                if schema["type"] == "array" && schema.get("maxItems").is_none() {
                    wrong.push(format!("{at}: an array without an end"));
                }
                for rule in schema["x-kubernetes-validations"]
                    .as_array()
                    .into_iter()
                    .flatten()
                {
                    if rule["message"]
                        .as_str()
                        .is_none_or(|message| message.len() < 20)
                    {
                        wrong.push(format!("{at}: a rule without a message for people"));
                    }
                }
            });
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn walk(schema: &Value, at: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(at, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{at}.{name}"), visit);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{at}[]"), visit);
    }
    if schema["additionalProperties"].is_object() {
        walk(&schema["additionalProperties"], &format!("{at}{{}}"), visit);
    }
}
