//! Selectors of labels, as objects write them: a `LabelSelector`, the plain map of a Service, the
//! expressions of a node's affinity.
//!
//! Used by every controller that looks for pods, and by the scheduler. Selectors written as text
//! (`kubectl get -l`) are the API's affair.

use serde_json::Value;

use crate::object;

/// What must hold for a set of labels; all requirements must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
    /// An operator that nobody knows matches nothing: what is not understood must not catch pods.
    Never,
}

impl Selector {
    /// Of a `LabelSelector`. None when there is none, which matches nothing; the empty selector
    /// matches everything.
    pub(crate) fn of(written: &Value) -> Option<Selector> {
        written.as_object()?;
        let mut all = equalities(&written["matchLabels"]);
        all.extend(expressions(object::list(written, &["matchExpressions"])));
        Some(Selector(all))
    }

    /// Of the `spec.selector` of a Service or a node selector: a map. None when absent or empty.
    pub(crate) fn of_map(written: &Value) -> Option<Selector> {
        let all = equalities(written);
        (!all.is_empty()).then_some(Selector(all))
    }

    /// Of `matchExpressions` alone.
    pub(crate) fn of_expressions(written: &[Value]) -> Selector {
        Selector(expressions(written).collect())
    }

    /// Asks for one more label.
    pub(crate) fn require(&mut self, key: &str, value: &str) {
        self.0.push(Requirement {
            key: key.to_owned(),
            operator: Operator::In(vec![value.to_owned()]),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, labels: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }

    /// One label that everything selected carries; what indexes are looked up by.
    pub(crate) fn hint(&self) -> Option<(&str, &str)> {
        self.0
            .iter()
            .find_map(|requirement| match &requirement.operator {
                Operator::In(values) if values.len() == 1 => {
                    Some((requirement.key.as_str(), values[0].as_str()))
                }
                _ => None,
            })
    }
}

fn equalities(map: &Value) -> Vec<Requirement> {
    map.as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| Requirement {
            key: key.clone(),
            operator: Operator::In(vec![value.as_str().unwrap_or_default().to_owned()]),
        })
        .collect()
}

fn expressions(written: &[Value]) -> impl Iterator<Item = Requirement> + '_ {
    written.iter().map(|expression| {
        let values: Vec<String> = object::list(expression, &["values"])
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let number = || values.first().and_then(|value| value.parse().ok());
        let operator = match object::text(expression, &["operator"]) {
            "In" => Operator::In(values),
            "NotIn" => Operator::NotIn(values),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => number().map_or(Operator::Never, Operator::GreaterThan),
            "Lt" => number().map_or(Operator::Never, Operator::LessThan),
            _ => Operator::Never,
        };
        Requirement {
            key: object::text(expression, &["key"]).to_owned(),
            operator,
        }
    })
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let value = labels.get(&self.key).and_then(Value::as_str);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Operator::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Operator::LessThan(bound) => number().is_some_and(|number| number < *bound),
            Operator::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_selector_matches_nothing_and_an_empty_one_everything() {
        assert!(Selector::of(&Value::Null).is_none());
        assert!(
            Selector::of(&json!({}))
                .unwrap()
                .matches(&json!({"a": "b"}))
        );
        assert!(Selector::of_map(&json!({})).is_none());
    }

    #[test]
    fn expressions_mean_what_they_say() {
        let check = |operator: &str, values: Value, expected: &[bool]| {
            let written = json!({ "matchExpressions": [
                { "key": "tier", "operator": operator, "values": values }
            ]});
            let selector = Selector::of(&written).unwrap();
            let labels = [json!({"tier": "5"}), json!({"tier": "gold"}), json!({})];
            let found: Vec<bool> = labels
                .iter()
                .map(|labels| selector.matches(labels))
                .collect();
            assert_eq!(found, expected, "{operator}");
        };
        check("In", json!(["gold", "x"]), &[false, true, false]);
        check("NotIn", json!(["gold"]), &[true, false, true]);
        check("Exists", json!([]), &[true, true, false]);
        check("DoesNotExist", json!([]), &[false, false, true]);
        check("Gt", json!(["4"]), &[true, false, false]);
        check("Lt", json!(["4"]), &[false, false, false]);
        check("Resembles", json!(["gold"]), &[false, false, false]);
    }
}
