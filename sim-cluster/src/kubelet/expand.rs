//! `$(VAR)` in a container's command, args and env values.
//!
//! The rules are those of `k8s.io/kubernetes/third_party/forked/golang/expansion`: an unknown
//! variable stays as it is written, `$$` is a dollar, a lone dollar is a dollar.

use std::collections::BTreeMap;

/// The text with its variables replaced.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match variables.get(name) {
                Some(value) => expanded.push_str(value),
                None => {
                    expanded.push_str("$(");
                    expanded.push_str(name);
                    expanded.push(')');
                }
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_kubernetes_does() {
        let variables: BTreeMap<String, String> = [("A", "1"), ("B", "$(A)"), ("EMPTY", "")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let rows = [
            ("x$(A)y", "x1y"),
            ("$(A)$(A)", "11"),
            ("$(UNKNOWN)", "$(UNKNOWN)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A ${A} 5$", "$A ${A} 5$"),
            ("$(A", "$(A"),
            // A value is not expanded again.
            ("$(B)", "$(A)"),
            ("<$(EMPTY)>", "<>"),
        ];
        for (text, expected) in rows {
            assert_eq!(expand(text, &variables), expected, "{text}");
        }
    }
}
