//! Paths as a person writes them: `/internal/*`, `GET /orders/{id}`.

use crate::Name;

/// `*` stands for anything, also for nothing and for `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(Name);

impl PathPattern {
    pub fn new(pattern: &str) -> PathPattern {
        PathPattern(pattern.into())
    }

    /// O(pattern · path) at worst, and nearly always their sum.
    pub fn matches(&self, path: &str) -> bool {
        let (pattern, path) = (self.0.as_bytes(), path.as_bytes());
        let (mut at, mut seen) = (0, 0);
        // Where the last star stood, and how much it has eaten.
        let mut star: Option<(usize, usize)> = None;
        while seen < path.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(byte) if *byte == path[seen] => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    let Some((stood, eaten)) = star else {
                        return false;
                    };
                    star = Some((stood, eaten + 1));
                    at = stood + 1;
                    seen = eaten + 1;
                }
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

/// `GET /orders/{id}`: a segment in braces stands for one of any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTemplate {
    /// Any when absent.
    pub method: Option<Name>,
    pub route: Name,
    /// `None` for one of any value.
    segments: Vec<Option<Name>>,
}

impl RouteTemplate {
    /// `None` when it is none: a route begins with `/`, and braces hold whole segments.
    pub fn parse(text: &str) -> Option<RouteTemplate> {
        let (method, route) = match text.trim().split_once(' ') {
            Some((method, route)) => (Some(method), route.trim()),
            None => (None, text.trim()),
        };
        let is_method =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if !route.starts_with('/')
            || route.contains(char::is_whitespace)
            || !method.is_none_or(is_method)
        {
            return None;
        }
        let segments = split(route)
            .map(|segment| {
                let inner = segment
                    .strip_prefix('{')
                    .and_then(|rest| rest.strip_suffix('}'));
                match inner {
                    Some(name) if !name.is_empty() && !name.contains(['{', '}']) => Some(None),
                    Some(_) => None,
                    None if segment.contains(['{', '}']) => None,
                    None => Some(Some(segment.into())),
                }
            })
            .collect::<Option<Vec<_>>>()?;
        Some(RouteTemplate {
            method: method.map(Into::into),
            route: route.into(),
            segments,
        })
    }

    /// `path` without query; a template of the same shape matches too.
    pub fn matches(&self, method: Option<&str>, path: &str) -> bool {
        if let (Some(wanted), Some(method)) = (&self.method, method)
            && **wanted != *method
        {
            return false;
        }
        let mut wanted = self.segments.iter();
        let mut given = split(path);
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(None), Some(_)) => {}
                (Some(Some(word)), Some(segment)) if **word == *segment => {}
                _ => return false,
            }
        }
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, path, matches) in [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/ready", false),
            ("/internal/*", "/internal/a/b", true),
            ("/internal/*", "/internals", false),
            ("*/ready", "/a/b/ready", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("*", "", true),
            ("", "/", false),
        ] {
            assert_eq!(
                PathPattern::new(pattern).matches(path),
                matches,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn braces_stand_for_one_segment() {
        let template = RouteTemplate::parse("GET /orders/{id}/items").unwrap();
        assert!(template.matches(Some("GET"), "/orders/8812/items"));
        assert!(template.matches(None, "/orders/{orderId}/items/"));
        assert!(!template.matches(Some("POST"), "/orders/8812/items"));
        assert!(!template.matches(Some("GET"), "/orders/8812"));
        assert!(!template.matches(Some("GET"), "/orders/8812/items/1"));
        for wrong in [
            "orders",
            "get /orders",
            "/a/{",
            "/a/{}",
            "/a/x{id}",
            "GET",
            "",
            "/a b",
        ] {
            assert_eq!(RouteTemplate::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(pattern in "[*a/{} ]{0,20}", path in "\\PC{0,20}") {
            let _any = PathPattern::new(&pattern).matches(&path);
            if let Some(template) = RouteTemplate::parse(&pattern) {
                let _any = template.matches(None, &path);
                prop_assert!(template.matches(template.method.as_deref(), &template.route));
            }
        }
    }
}
