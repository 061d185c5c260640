//! Routes that the service declares itself, and matching raw paths against them.

use std::collections::BTreeMap;

use monitor_core::Name;
use serde::{Deserialize, Serialize};

/// Whether a path is a template already: `/a/{id}`, `/a/:id`, `/a/<int:id>`, `/a/[id]`, `/a/*`.
pub fn looks_like_template(path: &str) -> bool {
    path.split('/').any(|segment| kind(segment) != Kind::Word)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Parameter,
    /// All segments that are left.
    Tail,
}

fn kind(segment: &str) -> Kind {
    let inner = |open: char, close: char| {
        let from = segment.find(open)?;
        let to = segment.rfind(close)?;
        (to > from + 1).then(|| &segment[from + 1..to])
    };
    if matches!(segment, "*" | "**") || segment.starts_with("*") && segment.len() > 1 {
        return Kind::Tail;
    }
    if let Some(name) = inner('{', '}') {
        return if name.starts_with('*') || name.ends_with('*') || name.ends_with(":path") {
            Kind::Tail
        } else {
            Kind::Parameter
        };
    }
    if let Some(name) = inner('<', '>') {
        return if name.starts_with("path:") {
            Kind::Tail
        } else {
            Kind::Parameter
        };
    }
    if let Some(name) = inner('[', ']') {
        return if name.starts_with("...") {
            Kind::Tail
        } else {
            Kind::Parameter
        };
    }
    let mut rest = segment.chars();
    if rest.next() == Some(':') && rest.next().is_some_and(|c| c.is_alphabetic() || c == '_') {
        return Kind::Parameter;
    }
    Kind::Word
}

/// A tree of declared routes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Declared {
    words: BTreeMap<Box<str>, Declared>,
    parameter: Option<Box<Declared>>,
    /// The route that ends here.
    route: Option<Name>,
    /// The route that takes whatever follows.
    tail: Option<Name>,
}

impl Declared {
    /// Returns whether the route is new.
    pub(super) fn insert(&mut self, route: &str) -> bool {
        let mut node = self;
        for segment in route.split('/').filter(|segment| !segment.is_empty()) {
            match kind(segment) {
                Kind::Word => node = node.words.entry(segment.into()).or_default(),
                Kind::Parameter => node = node.parameter.get_or_insert_default(),
                Kind::Tail => {
                    let new = node.tail.is_none();
                    node.tail.get_or_insert_with(|| route.into());
                    return new;
                }
            }
        }
        let new = node.route.is_none();
        node.route.get_or_insert_with(|| route.into());
        new
    }

    /// The route of a path, words before parameters before tails.
    ///
    /// Visits each node of the tree at most once.
    pub(super) fn find(&self, segments: &[&str]) -> Option<&Name> {
        let Some((first, rest)) = segments.split_first() else {
            return self.route.as_ref().or(self.tail.as_ref());
        };
        self.words
            .get(*first)
            .and_then(|next| next.find(rest))
            .or_else(|| self.parameter.as_ref().and_then(|next| next.find(rest)))
            .or(self.tail.as_ref())
    }
}
