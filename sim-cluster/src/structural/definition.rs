//! `CustomResourceDefinition`s themselves: whether one is sound, and what it defines.
//!
//! `apiextensions-apiserver/pkg/apis/apiextensions/{validation,v1/defaults}`.

use std::sync::Arc;

use serde_json::Value;

use super::metadata::{SUBDOMAIN, is_dns_label, is_subdomain};
use super::{Kind, Schema};
use crate::object::{self, at, list, text};
use crate::resource::{Column, Resource, ResourceId, Scale};
use crate::status::Cause;

const DNS_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const MOST_SELECTABLE: usize = 8;

/// What a CRD defines.
#[derive(Clone, Debug)]
pub struct Definition {
    pub group: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub list_kind: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    /// In the order of the CRD.
    pub versions: Vec<Version>,
}

/// One version of it.
#[derive(Clone, Debug)]
pub struct Version {
    pub name: String,
    pub served: bool,
    pub storage: bool,
    /// What clients that use it are warned with, where it is deprecated.
    pub warning: Option<String>,
    pub schema: Arc<Schema>,
    /// As it was written, for OpenAPI documents.
    pub written: Value,
    pub has_status: bool,
    pub scale: Option<Scale>,
    pub columns: Vec<Column>,
    /// `spec.colour`.
    pub selectable: Vec<String>,
}

impl Definition {
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// The version objects are stored in.
    pub fn storage(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.storage)
    }

    /// What is served, a resource for each version.
    pub fn resources(&self) -> Vec<Resource> {
        self.versions
            .iter()
            .filter(|version| version.served)
            .map(|version| Resource {
                id: ResourceId {
                    group: self.group.clone(),
                    plural: self.plural.clone(),
                },
                version: version.name.clone(),
                kind: self.kind.clone(),
                singular: self.singular.clone(),
                short_names: self.short_names.clone(),
                categories: self.categories.clone(),
                namespaced: self.namespaced,
                has_status: version.has_status,
                scale: version.scale.clone(),
                columns: version.columns.clone(),
                selectable: version.selectable.clone(),
            })
            .collect()
    }
}

/// Reads a CRD, its schemas and rules compiled.
///
/// # Errors
/// Everything that is wrong with it, with paths such as
/// `spec.versions[0].schema.openAPIV3Schema.properties[spec].type`.
pub fn definition(crd: &Value) -> Result<Definition, Vec<Cause>> {
    let mut reader = Reader::default();
    let spec = at(crd, &["spec"]);
    let names = reader.names(crd, spec);
    let namespaced = match text(spec, &["scope"]) {
        "Namespaced" => true,
        "Cluster" => false,
        "" => {
            reader.required("spec.scope");
            false
        }
        other => {
            reader.refuse(
                "spec.scope",
                "FieldValueNotSupported",
                format!(
                    "Unsupported value: {other:?}: supported values: \"Cluster\", \"Namespaced\""
                ),
            );
            false
        }
    };
    if at(spec, &["preserveUnknownFields"]) == &Value::Bool(true) {
        reader.refuse(
            "spec.preserveUnknownFields",
            "FieldValueInvalid",
            "Invalid value: true: must be false in order to use defaults in the schema".to_owned(),
        );
    }
    let versions = reader.versions(spec, &names);
    if !reader.causes.is_empty() {
        return Err(reader.causes);
    }
    Ok(Definition {
        namespaced,
        versions,
        ..names
    })
}

#[derive(Default)]
struct Reader {
    causes: Vec<Cause>,
}

impl Reader {
    fn refuse(&mut self, field: &str, reason: &'static str, message: String) {
        self.causes.push(Cause {
            field: field.to_owned(),
            reason,
            message,
        });
    }

    fn required(&mut self, field: &str) {
        self.refuse(field, "FieldValueRequired", "Required value".to_owned());
    }

    fn invalid(&mut self, field: &str, value: &str, why: &str) {
        let message = format!("Invalid value: {value:?}: {why}");
        self.refuse(field, "FieldValueInvalid", message);
    }

    fn names(&mut self, crd: &Value, spec: &Value) -> Definition {
        let group = text(spec, &["group"]);
        if group.is_empty() {
            self.required("spec.group");
        } else if !is_subdomain(group) {
            self.invalid("spec.group", group, SUBDOMAIN);
        } else if !group.contains('.') {
            self.invalid(
                "spec.group",
                group,
                "should be a domain with at least one dot",
            );
        }
        let plural = text(spec, &["names", "plural"]);
        let kind = text(spec, &["names", "kind"]);
        for (field, value, is_label) in [
            ("spec.names.plural", plural, true),
            ("spec.names.kind", kind, false),
        ] {
            if value.is_empty() {
                self.required(field);
            } else if is_label && !is_label_1035(value) {
                self.invalid(field, value, DNS_LABEL);
            } else if !is_label && !is_label_1035(&value.to_lowercase()) {
                self.invalid(
                    field,
                    value,
                    &format!("may have mixed case, but should otherwise match: {DNS_LABEL}"),
                );
            }
        }
        let wanted = format!("{plural}.{group}");
        let name = object::name(crd);
        if name != wanted {
            self.invalid(
                "metadata.name",
                name,
                "must be spec.names.plural+\".\"+spec.group",
            );
        }
        let or = |written: &str, otherwise: String| match written {
            "" => otherwise,
            written => written.to_owned(),
        };
        let texts = |name: &str| -> Vec<String> {
            let found = list(spec, &["names", name]).iter();
            found
                .filter_map(|text| text.as_str().map(str::to_owned))
                .collect()
        };
        for (at, short) in texts("shortNames").iter().enumerate() {
            if !is_label_1035(short) {
                self.invalid(&format!("spec.names.shortNames[{at}]"), short, DNS_LABEL);
            }
        }
        Definition {
            group: group.to_owned(),
            plural: plural.to_owned(),
            singular: or(text(spec, &["names", "singular"]), kind.to_lowercase()),
            kind: kind.to_owned(),
            list_kind: or(text(spec, &["names", "listKind"]), format!("{kind}List")),
            short_names: texts("shortNames"),
            categories: texts("categories"),
            namespaced: false,
            versions: Vec::new(),
        }
    }

    fn versions(&mut self, spec: &Value, names: &Definition) -> Vec<Version> {
        let written = list(spec, &["versions"]);
        if written.is_empty() {
            self.refuse(
                "spec.versions",
                "FieldValueRequired",
                "Required value: must have at least one version".to_owned(),
            );
            return Vec::new();
        }
        let stored = written
            .iter()
            .filter(|version| version["storage"] == true)
            .count();
        if stored != 1 {
            self.refuse(
                "spec.versions",
                "FieldValueInvalid",
                "Invalid value: must have exactly one version marked as storage version".to_owned(),
            );
        }
        let mut versions: Vec<Version> = Vec::new();
        for (number, version) in written.iter().enumerate() {
            let path = format!("spec.versions[{number}]");
            let name = text(version, &["name"]);
            if name.is_empty() {
                self.required(&format!("{path}.name"));
            } else if !is_label_1035(name) {
                self.invalid(&format!("{path}.name"), name, DNS_LABEL);
            } else if versions.iter().any(|other| other.name == name) {
                self.invalid("spec.versions", name, "must contain unique version names");
            }
            versions.extend(self.version(version, &path, names));
        }
        versions
    }

    fn version(&mut self, version: &Value, path: &str, names: &Definition) -> Option<Version> {
        let name = text(version, &["name"]);
        let written = at(version, &["schema", "openAPIV3Schema"]);
        let schema_path = format!("{path}.schema.openAPIV3Schema");
        if written.is_null() {
            self.refuse(
                &schema_path,
                "FieldValueRequired",
                "Required value: schemas are required".to_owned(),
            );
            return None;
        }
        let scale = self.scale(version, path);
        let columns = self.columns(version, path);
        let schema = match Schema::parse(written) {
            Ok(schema) => schema,
            Err(causes) => {
                for cause in causes {
                    self.causes.push(Cause {
                        field: format!("{schema_path}.{}", cause.field),
                        ..cause
                    });
                }
                return None;
            }
        };
        let selectable = self.selectable(version, path, &schema);
        let warning =
            (version["deprecated"] == true).then(|| match text(version, &["deprecationWarning"]) {
                "" => format!("{}/{name} {} is deprecated", names.group, names.kind),
                written => written.to_owned(),
            });
        Some(Version {
            name: name.to_owned(),
            served: version["served"] == true,
            storage: version["storage"] == true,
            warning,
            schema: Arc::new(schema),
            written: written.clone(),
            has_status: at(version, &["subresources", "status"]).is_object(),
            scale,
            columns,
            selectable,
        })
    }

    fn scale(&mut self, version: &Value, path: &str) -> Option<Scale> {
        let scale = at(version, &["subresources", "scale"]);
        if !scale.is_object() {
            return None;
        }
        let mut path_of = |name: &str, start: &str| {
            let written = text(scale, &[name]);
            let field = format!("{path}.subresources.scale.{name}");
            if written.is_empty() {
                self.required(&field);
            } else if !written.starts_with(start) {
                let why = format!("should be a json path under {start}");
                self.invalid(&field, written, why.trim_end_matches('.'));
            }
            written.to_owned()
        };
        Some(Scale {
            spec_replicas: path_of("specReplicasPath", ".spec."),
            status_replicas: path_of("statusReplicasPath", ".status."),
            label_selector: scale["labelSelectorPath"].as_str().map(str::to_owned),
        })
    }

    fn columns(&mut self, version: &Value, path: &str) -> Vec<Column> {
        let written = list(version, &["additionalPrinterColumns"]);
        let mut columns = Vec::new();
        for (number, column) in written.iter().enumerate() {
            let path = format!("{path}.additionalPrinterColumns[{number}]");
            for name in ["name", "type", "jsonPath"] {
                if text(column, &[name]).is_empty() {
                    self.required(&format!("{path}.{name}"));
                }
            }
            let kind = text(column, &["type"]);
            if !matches!(
                kind,
                "" | "boolean" | "date" | "integer" | "number" | "string"
            ) {
                self.invalid(
                    &format!("{path}.type"),
                    kind,
                    "must be one of boolean,date,integer,number,string",
                );
            }
            let json_path = text(column, &["jsonPath"]);
            if !json_path.is_empty() && !json_path.starts_with(['.', '{']) {
                self.invalid(
                    &format!("{path}.jsonPath"),
                    json_path,
                    "must be a simple json path starting with .",
                );
            }
            columns.push(Column {
                name: text(column, &["name"]).to_owned(),
                kind: kind.to_owned(),
                format: text(column, &["format"]).to_owned(),
                description: text(column, &["description"]).to_owned(),
                json_path: json_path.to_owned(),
                priority: column["priority"]
                    .as_i64()
                    .and_then(|priority| i32::try_from(priority).ok())
                    .unwrap_or(0),
            });
        }
        columns
    }

    fn selectable(&mut self, version: &Value, path: &str, schema: &Schema) -> Vec<String> {
        let written = list(version, &["selectableFields"]);
        let path = format!("{path}.selectableFields");
        if written.len() > MOST_SELECTABLE {
            let message = format!(
                "Too many: {}: must have at most {MOST_SELECTABLE} items",
                written.len()
            );
            self.refuse(&path, "FieldValueTooMany", message);
        }
        let mut fields = Vec::new();
        for (number, field) in written.iter().enumerate() {
            let json_path = text(field, &["jsonPath"]);
            let field = format!("{path}[{number}].jsonPath");
            let mut node = Some(&schema.root);
            for step in json_path.split('.').skip(1) {
                node = node.and_then(|node| node.properties.get(step));
            }
            let is_plain = node.is_some_and(|node| {
                matches!(node.kind, Kind::String | Kind::Integer | Kind::Boolean)
            });
            if !json_path.starts_with('.') || !is_plain || json_path.starts_with(".metadata") {
                self.invalid(&field, json_path, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.");
            }
            fields.push(json_path.trim_start_matches('.').to_owned());
        }
        fields
    }
}

fn is_label_1035(text: &str) -> bool {
    text.len() <= 63 && is_dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}
