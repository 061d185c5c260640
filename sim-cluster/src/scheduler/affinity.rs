//! Which nodes a pod wants, by the nodes' own labels.

use serde_json::Value;

use crate::controllers::selector::Selector;
use crate::object;

/// Whether the pod's node selector and required node affinity permit this node.
pub(crate) fn permits(pod_spec: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let selected =
        Selector::of_map(&pod_spec["nodeSelector"]).is_none_or(|selector| selector.matches(labels));
    let path = [
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    ];
    let required = object::at(pod_spec, &path);
    selected
        && required
            .as_array()
            .is_none_or(|terms| terms.iter().any(|term| matches_term(term, node)))
}

/// An empty term matches nothing.
fn matches_term(term: &Value, node: &Value) -> bool {
    let expressions = object::list(term, &["matchExpressions"]);
    let fields = object::list(term, &["matchFields"]);
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    let name = serde_json::json!({ "metadata.name": object::name(node) });
    Selector::of_expressions(expressions).matches(&node["metadata"]["labels"])
        && Selector::of_expressions(fields).matches(&name)
}

/// The sum of the weights of what the pod would like and the node has.
pub(crate) fn preference(pod_spec: &Value, node: &Value) -> i64 {
    let path = [
        "affinity",
        "nodeAffinity",
        "preferredDuringSchedulingIgnoredDuringExecution",
    ];
    object::list(pod_spec, &path)
        .iter()
        .filter(|preferred| matches_term(&preferred["preference"], node))
        .filter_map(|preferred| preferred["weight"].as_i64())
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn terms_are_alternatives_and_expressions_within_one_are_not() {
        let node = json!({ "metadata": { "name": "a", "labels": { "zone": "x", "disk": "ssd" } } });
        let check = |terms: Value, expected: bool| {
            let spec = json!({ "affinity": { "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms },
            }}});
            assert_eq!(permits(&spec, &node), expected, "{spec}");
        };
        let is =
            |key: &str, value: &str| json!({ "key": key, "operator": "In", "values": [value] });
        check(
            json!([{ "matchExpressions": [is("zone", "x"), is("disk", "hdd")] }]),
            false,
        );
        check(
            json!([{ "matchExpressions": [is("zone", "y")] }, { "matchExpressions": [is("disk", "ssd")] }]),
            true,
        );
        check(json!([{ "matchFields": [is("metadata.name", "a")] }]), true);
        check(
            json!([{ "matchFields": [is("metadata.name", "b")] }]),
            false,
        );
        check(json!([{}]), false);
    }
}
