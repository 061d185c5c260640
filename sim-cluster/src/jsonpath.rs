//! Kubernetes' subset of JSONPath, as printer columns and selectors of definitions use it:
//! `.status.conditions[?(@.type=="Ready")].status`, `.spec.ports[0]`, `.metadata.labels['a\.b']`.

use serde_json::Value;

/// A path that was read; what cannot be read finds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    /// Negative from the end.
    Index(i64),
    All,
    /// Anywhere below.
    Below(String),
    /// Items whose field compares so with a value.
    Where {
        path: JsonPath,
        equal: bool,
        value: Value,
    },
    /// Items that have the field.
    Has(JsonPath),
}

impl JsonPath {
    /// None for what is no path of the subset. Braces around it are accepted.
    pub(crate) fn parse(written: &str) -> Option<JsonPath> {
        let written = written.trim();
        let inner = written
            .strip_prefix('{')
            .and_then(|it| it.strip_suffix('}'));
        let mut rest = inner.unwrap_or(written);
        rest = rest.strip_prefix('$').unwrap_or(rest);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest)?;
            steps.push(step);
            rest = after;
        }
        Some(JsonPath { steps })
    }

    /// Everything that it leads to, in order.
    pub(crate) fn find<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        self.steps.iter().fold(vec![object], |found, step| {
            found
                .into_iter()
                .flat_map(|value| step.from(value))
                .collect()
        })
    }

    /// The first thing that it leads to.
    pub(crate) fn first<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.find(object).into_iter().next()
    }
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let children = || -> Vec<&'a Value> {
            match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(fields) => fields.values().collect(),
                _ => Vec::new(),
            }
        };
        match self {
            Step::Field(name) => value.get(name).into_iter().collect(),
            Step::All => children(),
            Step::Index(index) => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let index = if *index < 0 { length + index } else { *index };
                usize::try_from(index)
                    .ok()
                    .and_then(|index| items.get(index))
                    .into_iter()
                    .collect()
            }
            Step::Below(name) => {
                let mut found: Vec<&Value> = value.get(name).into_iter().collect();
                found.extend(children().into_iter().flat_map(|child| self.from(child)));
                found
            }
            Step::Where {
                path,
                equal,
                value: wanted,
            } => children()
                .into_iter()
                .filter(|item| {
                    path.first(item)
                        .is_some_and(|found| (found == wanted) == *equal)
                })
                .collect(),
            Step::Has(path) => children()
                .into_iter()
                .filter(|item| path.first(item).is_some())
                .collect(),
        }
    }
}

fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(after) = rest.strip_prefix("..") {
        let (name, after) = field_name(after)?;
        return Some((Step::Below(name), after));
    }
    if let Some(after) = rest.strip_prefix(".[") {
        return bracket(after);
    }
    if let Some(after) = rest.strip_prefix('[') {
        return bracket(after);
    }
    let after = rest.strip_prefix('.').unwrap_or(rest);
    if let Some(after) = after.strip_prefix('*') {
        return Some((Step::All, after));
    }
    // A path that is only a dot is the object itself.
    let (name, after) = field_name(after)?;
    Some((Step::Field(name), after))
}

fn field_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            '.' | '[' => return (!name.is_empty()).then(|| (name, &text[i..])),
            c => name.push(c),
        }
    }
    (!name.is_empty()).then_some((name, ""))
}

/// What follows `[`.
fn bracket(text: &str) -> Option<(Step, &str)> {
    if let Some(inner) = text.strip_prefix("?(") {
        let end = inner.find(")]")?;
        return Some((condition(inner[..end].trim())?, &inner[end + 2..]));
    }
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let inner = &text[1..];
        let end = inner.find(quote)?;
        let after = inner[end + 1..].strip_prefix(']')?;
        return Some((Step::Field(inner[..end].replace("\\.", ".")), after));
    }
    let end = text.find(']')?;
    let step = match text[..end].trim() {
        "*" => Step::All,
        index => Step::Index(index.parse().ok()?),
    };
    Some((step, &text[end + 1..]))
}

/// `@.type=="Ready"`, `@.type!='Ready'`, `@.count==3`, `@.name`.
fn condition(text: &str) -> Option<Step> {
    let path = |side: &str| JsonPath::parse(side.trim().strip_prefix('@')?);
    for (sign, equal) in [("==", true), ("!=", false)] {
        if let Some((left, right)) = text.split_once(sign) {
            return Some(Step::Where {
                path: path(left)?,
                equal,
                value: literal(right.trim())?,
            });
        }
    }
    Some(Step::Has(path(text)?))
}

fn literal(text: &str) -> Option<Value> {
    for quote in ['"', '\''] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|it| it.strip_suffix(quote))
        {
            return Some(Value::from(inner));
        }
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Value) {
        let object = json!({
            "metadata": { "labels": { "a.b/c": "dotted" } },
            "spec": { "ports": [{ "port": 80 }, { "port": 443 }] },
            "status": { "conditions": [
                { "type": "Ready", "status": "True" }, { "type": "Live", "status": "False" },
            ] },
        });
        let found = JsonPath::parse(path).expect(path);
        assert_eq!(json!(found.find(&object)), expected, "{path}");
    }

    #[test]
    fn paths_of_real_definitions_are_followed() {
        check(
            ".status.conditions[?(@.type==\"Ready\")].status",
            json!(["True"]),
        );
        check(
            ".status.conditions[?(@.type=='Live')].status",
            json!(["False"]),
        );
        check(
            ".status.conditions[?(@.type!='Live')].type",
            json!(["Ready"]),
        );
        check("{.spec.ports[*].port}", json!([80, 443]));
        check(".spec.ports[0].port", json!([80]));
        check(".spec.ports[-1].port", json!([443]));
        check(".metadata.labels.a\\.b/c", json!(["dotted"]));
        check(".metadata.labels['a\\.b/c']", json!(["dotted"]));
        check("..port", json!([80, 443]));
        check(".spec.nothing.at.all", json!([]));
    }

    proptest! {
        #[test]
        fn reading_a_path_never_panics(written in ".{0,40}") {
            if let Some(path) = JsonPath::parse(&written) {
                path.find(&json!({ "a": [1, { "b": 2 }] }));
            }
        }
    }
}
