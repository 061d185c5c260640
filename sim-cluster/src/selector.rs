//! Which objects a list, a watch or a controller means: by label, and by field.
//!
//! Parsed once at the edge; matching allocates nothing. Grammar and wording follow
//! `k8s.io/apimachinery/pkg/labels` and `pkg/fields`.

mod fields;

use std::fmt;

use serde_json::Value;

pub use fields::FieldSelector;

use crate::object;
use crate::status::Status;

/// All requirements must hold; none means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    DoesNotExist,
    Equals(String),
    NotEquals(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    /// The label, read as an integer, is greater (or less) than this.
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// From what people write: `app=web,tier in (a,b),!legacy`.
    ///
    /// # Errors
    /// 400 with the part that cannot be read.
    pub fn parse(written: &str) -> Result<LabelSelector, Status> {
        let requirements = split_outside_parentheses(written)
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                requirement(part.trim()).ok_or_else(|| {
                    Status::bad_request(format!("unable to parse requirement: `{}`", part.trim()))
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(LabelSelector { requirements })
    }

    /// From `matchLabels` and `matchExpressions`. An absent selector matches nothing, an empty one
    /// everything; so `None` for `null`.
    ///
    /// # Errors
    /// 400 for an operator that does not exist.
    pub fn from_object(selector: &Value) -> Result<Option<LabelSelector>, Status> {
        if selector.is_null() {
            return Ok(None);
        }
        let mut requirements = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            requirements.push(Requirement {
                key: key.clone(),
                operator: Operator::Equals(value.as_str().unwrap_or("").to_owned()),
            });
        }
        for expression in object::list(selector, &["matchExpressions"]) {
            let values: Vec<String> = object::list(expression, &["values"])
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let operator = match object::text(expression, &["operator"]) {
                "In" => Operator::In(values),
                "NotIn" => Operator::NotIn(values),
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    let message = format!("{other:?} is not a valid label selector operator");
                    return Err(Status::bad_request(message));
                }
            };
            requirements.push(Requirement {
                key: object::text(expression, &["key"]).to_owned(),
                operator,
            });
        }
        Ok(Some(LabelSelector { requirements }))
    }

    /// From the plain map that services and replication controllers have. Empty matches everything;
    /// callers know whether that is meant.
    pub fn from_map(map: &Value) -> LabelSelector {
        let requirements = map
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| Requirement {
                key: key.clone(),
                operator: Operator::Equals(value.as_str().unwrap_or("").to_owned()),
            })
            .collect();
        LabelSelector { requirements }
    }

    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// `labels` is `metadata.labels`, or `null`.
    pub fn matches(&self, labels: &Value) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(labels))
    }
}

impl Requirement {
    fn matches(&self, labels: &Value) -> bool {
        let found = labels.get(&self.key).and_then(Value::as_str);
        let number = || found.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::Exists => found.is_some(),
            Operator::DoesNotExist => found.is_none(),
            Operator::Equals(value) => found == Some(value),
            Operator::NotEquals(value) => found != Some(value),
            Operator::In(values) => found.is_some_and(|it| values.iter().any(|v| v == it)),
            Operator::NotIn(values) => !found.is_some_and(|it| values.iter().any(|v| v == it)),
            Operator::Greater(bound) => number().is_some_and(|it| it > *bound),
            Operator::Less(bound) => number().is_some_and(|it| it < *bound),
        }
    }
}

/// As it is parsed.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Requirement { key, operator }) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match operator {
                Operator::Exists => write!(f, "{key}")?,
                Operator::DoesNotExist => write!(f, "!{key}")?,
                Operator::Equals(value) => write!(f, "{key}={value}")?,
                Operator::NotEquals(value) => write!(f, "{key}!={value}")?,
                Operator::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Operator::Greater(bound) => write!(f, "{key}>{bound}")?,
                Operator::Less(bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

fn split_outside_parentheses(written: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    written.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
}

fn requirement(part: &str) -> Option<Requirement> {
    let of = |key: &str, operator| {
        let key = key.trim();
        is_key(key).then(|| Requirement {
            key: key.to_owned(),
            operator,
        })
    };
    if let Some(key) = part.strip_prefix('!') {
        return of(key, Operator::DoesNotExist);
    }
    if let Some((left, values)) = part.split_once('(') {
        let values = values
            .strip_suffix(')')?
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let (key, word) = left.trim().rsplit_once(char::is_whitespace)?;
        return match word {
            "in" => of(key, Operator::In(values)),
            "notin" => of(key, Operator::NotIn(values)),
            _ => None,
        };
    }
    let value = |text: &str| {
        let text = text.trim();
        is_value(text).then(|| text.to_owned())
    };
    if let Some((key, right)) = part.split_once("!=") {
        return of(key, Operator::NotEquals(value(right)?));
    }
    if let Some((key, right)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return of(key, Operator::Equals(value(right)?));
    }
    if let Some((key, right)) = part.split_once('>') {
        return of(key, Operator::Greater(right.trim().parse().ok()?));
    }
    if let Some((key, right)) = part.split_once('<') {
        return of(key, Operator::Less(right.trim().parse().ok()?));
    }
    of(part, Operator::Exists)
}

fn is_key(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    !name.is_empty() && name.len() <= 63 && key.chars().all(|c| is_word(c) || c == '/')
}

fn is_value(value: &str) -> bool {
    value.len() <= 63 && value.chars().all(is_word)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(selector: &str, labels: Value, expected: bool) {
        let parsed = LabelSelector::parse(selector).unwrap();
        assert_eq!(parsed.matches(&labels), expected, "{selector} on {labels}");
        assert_eq!(LabelSelector::parse(&parsed.to_string()).unwrap(), parsed);
    }

    #[test]
    fn selectors_match_as_people_expect() {
        let web = json!({ "app": "web", "tier": "front", "n": "5" });
        check("", web.clone(), true);
        check("app=web", web.clone(), true);
        check("app==web,tier!=back", web.clone(), true);
        check("app in (db, web), tier", web.clone(), true);
        check("app notin (web)", web.clone(), false);
        check("!legacy", web.clone(), true);
        check("!app", web.clone(), false);
        check("n>4", web.clone(), true);
        check("n<4", web, false);
        check("app!=web", Value::Null, true);
        check("app notin (web)", Value::Null, true);
        check("app", Value::Null, false);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let status = LabelSelector::parse("app=web,,a b").unwrap_err();
        assert_eq!(status.message, "unable to parse requirement: `a b`");
    }

    #[test]
    fn an_absent_selector_is_none_and_an_empty_one_matches_all() {
        assert_eq!(LabelSelector::from_object(&Value::Null).unwrap(), None);
        let all = LabelSelector::from_object(&json!({})).unwrap().unwrap();
        assert!(all.matches(&Value::Null));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(written in ".{0,60}") {
            drop(LabelSelector::parse(&written));
        }

        #[test]
        fn not_in_is_the_opposite_of_in(
            values in proptest::collection::vec("[a-c]{1,2}", 1..4), label in proptest::option::of("[a-c]{1,2}")
        ) {
            let labels = label.map_or(Value::Null, |value| json!({ "k": value }));
            let within = LabelSelector::parse(&format!("k in ({})", values.join(","))).unwrap();
            let without = LabelSelector::parse(&format!("k notin ({})", values.join(","))).unwrap();
            prop_assert_ne!(within.matches(&labels), without.matches(&labels));
        }
    }
}
