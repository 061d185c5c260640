//! Paths and keys with `{id}` in them.

/// `product-{id}`, to be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// Between any two of them stands the id.
    texts: Vec<String>,
}

/// `/products/{id}`, to be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    Parameter,
}

impl Template {
    /// Whatever is in braces is the id.
    pub(super) fn parse(text: &str) -> Template {
        let mut texts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((_, after)) = after.split_once('}') else {
                break;
            };
            texts.push(before.to_owned());
            rest = after;
        }
        texts.push(rest.to_owned());
        Template { texts }
    }

    pub(super) fn fill(&self, id: &str) -> String {
        self.texts.join(id)
    }
}

impl Pattern {
    pub(super) fn parse(path: &str) -> Pattern {
        let segment = |text: &str| {
            if text.starts_with('{') && text.ends_with('}') {
                Segment::Parameter
            } else {
                Segment::Text(text.to_owned())
            }
        };
        Pattern {
            segments: path.split('/').map(segment).collect(),
        }
    }

    pub(super) fn parameters(&self) -> usize {
        let parameter = |segment: &&Segment| **segment == Segment::Parameter;
        self.segments.iter().filter(parameter).count()
    }

    /// Some when it matches, with the first parameter's value if it has one.
    pub(super) fn matches<'a>(&self, path: &'a str) -> Option<Option<&'a str>> {
        let mut first = None;
        let mut given = path.split('/');
        for segment in &self.segments {
            let text = given.next()?;
            match segment {
                Segment::Text(wanted) if wanted == text => {}
                Segment::Parameter if !text.is_empty() => first = first.or(Some(text)),
                _ => return None,
            }
        }
        given.next().is_none().then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let fill = |text| Template::parse(text).fill("4711");
        assert_eq!(fill("product-{id}"), "product-4711");
        assert_eq!(fill("home"), "home");
        assert_eq!(fill("/cart/{id}/items"), "/cart/4711/items");
        assert_eq!(fill("{a}{b"), "4711{b");
    }

    #[test]
    fn patterns_match_whole_paths() {
        let pattern = Pattern::parse("/cart/{id}/items");
        assert_eq!(pattern.matches("/cart/4711/items"), Some(Some("4711")));
        assert_eq!(pattern.matches("/cart//items"), None);
        assert_eq!(pattern.matches("/cart/4711"), None);
        assert_eq!(pattern.matches("/cart/4711/items/1"), None);
        assert_eq!(Pattern::parse("/").matches("/"), Some(None));
    }
}
