//! `metadata` that any resource may have: names, labels, annotations, finalizers.
//!
//! `k8s.io/apimachinery/pkg/api/validation/objectmeta.go` and `…/util/validation`.

use serde_json::Value;

use super::below;
use crate::status::Cause;

const LABEL: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
pub(super) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const MOST_ANNOTATION_BYTES: usize = 256 * 1024;

/// What is wrong with `metadata`, whose path is `at`. Names must be DNS subdomains, as those of
/// custom resources are.
pub fn metadata_causes(metadata: &Value, at: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut invalid = |field: String, value: &str, why: &str| {
        causes.push(Cause {
            field,
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value:?}: {why}"),
        });
    };
    let text = |name: &str| metadata[name].as_str();
    if let Some(name) = text("name").filter(|name| !name.is_empty() && !is_subdomain(name)) {
        invalid(below(at, "name"), name, SUBDOMAIN);
    }
    if let Some(start) = text("generateName") {
        let start = start.trim_end_matches('-');
        if !start.is_empty() && !is_subdomain(start) {
            invalid(below(at, "generateName"), start, SUBDOMAIN);
        }
    }
    let pairs = |name: &str| metadata[name].as_object().into_iter().flatten();
    for (key, value) in pairs("labels") {
        if let Some(why) = key_trouble(key) {
            invalid(below(at, "labels"), key, &why);
        }
        let value = value.as_str().unwrap_or("");
        if value.len() > 63 {
            invalid(below(at, "labels"), value, "must be no more than 63 bytes");
        } else if !is_label_value(value) {
            invalid(below(at, "labels"), value, LABEL);
        }
    }
    let mut bytes = 0;
    for (key, value) in pairs("annotations") {
        if let Some(why) = key_trouble(&key.to_lowercase()) {
            invalid(below(at, "annotations"), key, &why);
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        let finalizer = finalizer.as_str().unwrap_or("");
        if let Some(why) = key_trouble(finalizer) {
            invalid(below(at, "finalizers"), finalizer, &why);
        }
    }
    if bytes > MOST_ANNOTATION_BYTES {
        causes.push(Cause {
            field: below(at, "annotations"),
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {MOST_ANNOTATION_BYTES} bytes"),
        });
    }
    causes
}

/// Why a text is no qualified name such as `example.com/name`.
pub(crate) fn key_trouble(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if name.contains('/') {
        return Some(format!(
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', with an optional DNS subdomain prefix and '/': {key:?}"
        ));
    }
    match prefix {
        Some("") => return Some("prefix part must be non-empty".to_owned()),
        Some(prefix) if !is_subdomain(prefix) => return Some(format!("prefix part {SUBDOMAIN}")),
        _ => {}
    }
    if name.is_empty() {
        Some("name part must be non-empty".to_owned())
    } else if name.len() > 63 {
        Some("name part must be no more than 63 bytes".to_owned())
    } else if is_label_value(name) {
        None
    } else {
        Some(QUALIFIED.to_owned())
    }
}

fn is_label_value(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_outer = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.iter().all(|b| is_inner(*b)) && is_outer(bytes.first()) && is_outer(bytes.last())
}

/// RFC 1123, lower case, at most 253 bytes.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// A part of a subdomain: letters, digits and dashes within.
pub(super) fn is_dns_label(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    bytes.iter().all(|b| is_inner(*b)) && ends.iter().all(|b| b.is_some_and(|b| *b != b'-'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_labels_and_finalizers_have_their_rules() {
        let good = json!({
            "name": "web-1.example", "generateName": "web-",
            "labels": { "app.kubernetes.io/name": "Web_1", "empty": "" },
            "annotations": { "Example.com/Any": "value of any kind" },
            "finalizers": ["crosswatch.dev/finalizer"],
        });
        assert_eq!(metadata_causes(&good, "metadata"), []);
        let bad = json!({
            "name": "Web", "labels": { "a b": "c", "d": "-e" },
            "annotations": { "/x": "" }, "finalizers": ["a/b/c"],
        });
        let fields: Vec<String> = metadata_causes(&bad, "metadata")
            .into_iter()
            .map(|cause| cause.field)
            .collect();
        assert_eq!(
            fields,
            [
                "metadata.name",
                "metadata.labels",
                "metadata.labels",
                "metadata.annotations",
                "metadata.finalizers",
            ]
        );
    }
}
