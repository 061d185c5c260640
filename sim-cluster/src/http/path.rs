//! What a URL's path is about.

use percent_encoding::percent_decode_str;

/// A resource, or anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Resource(ResourcePath),
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct ResourcePath {
    pub(super) group: String,
    pub(super) version: String,
    /// Empty for the whole cluster.
    pub(super) namespace: String,
    pub(super) plural: String,
    /// Empty for the collection.
    pub(super) name: String,
    pub(super) subresource: String,
}

impl ResourcePath {
    /// `pods`, `pods/log`.
    pub(super) fn with_subresource(&self) -> String {
        if self.subresource.is_empty() {
            self.plural.clone()
        } else {
            format!("{}/{}", self.plural, self.subresource)
        }
    }
}

/// After `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`.
pub(super) fn parse(path: &str) -> Target {
    let other = || Target::Other(path.to_owned());
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match texts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return other(),
    };
    let (namespace, rest) = match rest {
        // Of a namespace itself, these two are subresources; all else is something within it.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, inner @ ..] if !inner.is_empty() => (*namespace, inner),
        _ => ("", rest),
    };
    let [plural, after @ ..] = rest else {
        return other();
    };
    Target::Resource(ResourcePath {
        group: group.to_owned(),
        version: version.to_owned(),
        namespace: namespace.to_owned(),
        plural: (*plural).to_owned(),
        name: after.first().copied().unwrap_or_default().to_owned(),
        subresource: after.get(1..).unwrap_or_default().join("/"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: [&str; 6]) {
        let [group, version, namespace, plural, name, subresource] = expected.map(str::to_owned);
        let expected = ResourcePath {
            group,
            version,
            namespace,
            plural,
            name,
            subresource,
        };
        assert_eq!(parse(path), Target::Resource(expected), "{path}");
    }

    #[test]
    fn paths_name_resources() {
        check("/api/v1/pods", ["", "v1", "", "pods", "", ""]);
        check("/api/v1/namespaces", ["", "v1", "", "namespaces", "", ""]);
        check(
            "/api/v1/namespaces/a",
            ["", "v1", "", "namespaces", "a", ""],
        );
        check(
            "/api/v1/namespaces/a/status",
            ["", "v1", "", "namespaces", "a", "status"],
        );
        check(
            "/api/v1/namespaces/a/pods/b/log",
            ["", "v1", "a", "pods", "b", "log"],
        );
        check(
            "/apis/apps/v1/namespaces/a/deployments/b",
            ["apps", "v1", "a", "deployments", "b", ""],
        );
        check(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
            [
                "rbac.authorization.k8s.io",
                "v1",
                "",
                "clusterroles",
                "system:node",
                "",
            ],
        );
        assert_eq!(
            parse("/apis/apps/v1"),
            Target::Other("/apis/apps/v1".to_owned())
        );
        assert_eq!(parse("/healthz"), Target::Other("/healthz".to_owned()));
    }
}
