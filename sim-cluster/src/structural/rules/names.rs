//! Names of fields as CEL can write them.
//!
//! `apiextensions-apiserver/…/cel/escaping.go`, documented at "Validation rules" of custom
//! resources: `x-prop` is `x__dash__prop`, `namespace` is `__namespace__`.

const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The name of a field in rules; `None` where rules cannot name it.
pub(super) fn escaped(field: &str) -> Option<String> {
    if RESERVED.contains(&field) {
        return Some(format!("__{field}__"));
    }
    let is_start = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '-' | '/');
    let is_inner = |c: char| is_start(c) || c.is_ascii_digit();
    if !field.starts_with(is_start) || !field.chars().all(is_inner) {
        return None;
    }
    Some(
        field
            .replace("__", "__underscores__")
            .replace('.', "__dot__")
            .replace('-', "__dash__")
            .replace('/', "__slash__"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the documentation.
    #[test]
    fn names_are_escaped_as_documented() {
        for (field, name) in [
            ("namespace", Some("__namespace__")),
            ("x-prop", Some("x__dash__prop")),
            ("redact__d", Some("redact__underscores__d")),
            ("string", Some("string")),
            ("a.b/c", Some("a__dot__b__slash__c")),
            ("1a", None),
            ("a b", None),
        ] {
            assert_eq!(escaped(field).as_deref(), name, "{field}");
        }
    }
}
