//! Selecting by field: `spec.nodeName=a,status.phase!=Running`.

use std::fmt;

use serde_json::Value;

use crate::status::Status;

/// All terms must hold; none means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    path: String,
    value: String,
    equal: bool,
}

impl FieldSelector {
    /// # Errors
    /// 400 with the part that cannot be read.
    pub fn parse(written: &str) -> Result<FieldSelector, Status> {
        let mut terms = Vec::new();
        for part in written
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty())
        {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==") {
                (path, value, true)
            } else if let Some((path, value)) = part.split_once('=') {
                (path, value, true)
            } else {
                let message = format!("invalid selector: '{written}'; can't understand '{part}'");
                return Err(Status::bad_request(message));
            };
            terms.push(Term {
                path: path.trim().to_owned(),
                value: value.trim().to_owned(),
                equal,
            });
        }
        Ok(FieldSelector { terms })
    }

    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The paths that it looks at, to be held against what a resource allows.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|term| term.path.as_str())
    }

    /// The same terms about fields under other names.
    #[must_use]
    pub(crate) fn with_paths(&self, rename: impl Fn(&str) -> String) -> FieldSelector {
        let mut selector = self.clone();
        for term in &mut selector.terms {
            term.path = rename(&term.path);
        }
        selector
    }

    /// The one name it asks for, if it does: a single object is then looked up, not searched.
    pub fn name(&self) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.equal && term.path == "metadata.name")
            .map(|term| term.value.as_str())
    }

    /// An absent field is the empty text (and a boolean that is absent is `false`).
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| {
            let found = term
                .path
                .split('.')
                .try_fold(object, |value, key| value.get(key));
            let same = match found {
                Some(Value::String(text)) => *text == term.value,
                Some(Value::Bool(truth)) => truth.to_string() == term.value,
                Some(Value::Number(number)) => number.to_string() == term.value,
                _ => term.value.is_empty() || term.value == "false" || term.value == "0",
            };
            same == term.equal
        })
    }
}

/// As it is parsed.
impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let sign = if term.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{sign}{}", term.path, term.value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(selector: &str, object: &Value, expected: bool) {
        let parsed = FieldSelector::parse(selector).unwrap();
        assert_eq!(parsed.matches(object), expected, "{selector}");
        assert_eq!(FieldSelector::parse(&parsed.to_string()).unwrap(), parsed);
    }

    #[test]
    fn fields_select() {
        let pod = json!({ "metadata": { "name": "a" }, "spec": { "nodeName": "n1" } });
        check("spec.nodeName=n1", &pod, true);
        check("spec.nodeName==n1,metadata.name!=a", &pod, false);
        check("status.phase=", &pod, true);
        check("status.phase!=Running", &pod, true);
        check("spec.unschedulable=false", &pod, true);
        assert!(FieldSelector::parse("nonsense").is_err());
    }
}
