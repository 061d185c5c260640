//! The learned routes of one service as a tree of segments, and when a word becomes a parameter.

use std::collections::BTreeMap;

use monitor_core::Name;
use serde::{Deserialize, Serialize};

use super::segment::is_slug;

/// So many different words under one parent, most of them rare, are values.
const MANY_WORDS: usize = 16;
/// Every word is rare at first: a parent is judged after this many requests, or when it has twice
/// as many words as would do then.
const ENOUGH_REQUESTS: u64 = 64;
/// At the root, the words are mostly resources: more of them are needed.
const MANY_WORDS_AT_ROOT: usize = 48;
/// Titles are values sooner than single words.
const MANY_SLUGS: usize = 5;
/// Even words that are all in use are values when there are this many: no service has as many
/// resources under one parent.
const TOO_MANY_WORDS: usize = 96;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Node {
    children: BTreeMap<Box<str>, Node>,
    /// Words here are values: the name of the child that takes them all.
    parameter: Option<Box<str>>,
    /// Requests through this node.
    count: u64,
    /// The route that ends here.
    route: Option<Name>,
}

impl Node {
    /// The child that a segment leads to, when there is one.
    pub(super) fn child(&mut self, segment: &str) -> Option<&mut Node> {
        // Twice looked up because the borrow checker cannot return from a match here.
        if self.children.contains_key(segment) {
            return self.children.get_mut(segment);
        }
        let parameter = self.parameter.as_deref()?;
        self.children.get_mut(parameter)
    }

    pub(super) fn add(&mut self, segment: &str) -> &mut Node {
        self.children.entry(segment.into()).or_default()
    }

    pub(super) fn visit(&mut self) {
        self.count += 1;
    }

    pub(super) fn route(&self) -> Option<&Name> {
        self.route.as_ref()
    }

    pub(super) fn set_route(&mut self, route: Name) {
        self.route = Some(route);
    }

    /// Turns the words below into a parameter when there are too many; says whether it did.
    pub(super) fn fold(&mut self, at_root: bool) -> bool {
        let words = || {
            self.children
                .iter()
                .filter(|(name, _)| !name.starts_with('{'))
        };
        let number = words().count();
        let slugs = words().filter(|(name, _)| is_slug(name)).count();
        let many = if at_root {
            MANY_WORDS_AT_ROOT
        } else {
            MANY_WORDS
        };
        let slug_family = slugs >= MANY_SLUGS && slugs * 2 > number;
        if number < many && !slug_family {
            return false;
        }
        if number < many * 2 && self.count < ENOUGH_REQUESTS && !slug_family {
            return false;
        }
        let rare = words().filter(|(_, node)| node.count <= 2).count();
        if !slug_family && rare * 2 < number && number < TOO_MANY_WORDS {
            return false;
        }
        let total: u64 = words().map(|(_, node)| node.count).sum();
        // `/users/me` and `/users/search` among a thousand names.
        let stays = |node: &Node| node.count >= 10 && node.count * 10 >= total;
        let name: Box<str> = if self.children.contains_key("{id}") {
            "{id}".into()
        } else {
            "{param}".into()
        };
        let mut folded = self.children.remove(&name).unwrap_or_default();
        let (kept, values): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.children)
            .into_iter()
            .partition(|(name, node)| name.starts_with('{') || stays(node));
        self.children = kept;
        for (_, node) in values {
            folded.absorb(node);
        }
        self.children.insert(name.clone(), folded);
        self.parameter = Some(name);
        true
    }

    fn absorb(&mut self, other: Node) {
        self.count += other.count;
        if self.route.is_none() {
            self.route = other.route;
        }
        if self.parameter.is_none() {
            self.parameter = other.parameter;
        }
        for (name, node) in other.children {
            self.children.entry(name).or_default().absorb(node);
        }
    }

    /// Names all routes below anew and returns their number.
    pub(super) fn rename(&mut self, path: &mut String) -> usize {
        let mut routes = 0;
        if let Some(route) = &mut self.route {
            routes += 1;
            let name = if path.is_empty() { "/" } else { path.as_str() };
            if **route != *name {
                *route = name.into();
            }
        }
        for (name, node) in &mut self.children {
            let length = path.len();
            path.push('/');
            path.push_str(name);
            routes += node.rename(path);
            path.truncate(length);
        }
        routes
    }

    pub(super) fn size(&self) -> usize {
        1 + self.children.values().map(Node::size).sum::<usize>()
    }

    pub(super) fn routes<'n>(&'n self, found: &mut Vec<&'n Name>) {
        found.extend(&self.route);
        for node in self.children.values() {
            node.routes(found);
        }
    }

    /// Forgets the routes for which `known` holds, and the nodes that led only to them.
    pub(super) fn forget(&mut self, known: &impl Fn(&Name) -> bool) {
        if self.route.as_ref().is_some_and(known) {
            self.route = None;
        }
        self.children.retain(|_, node| {
            node.forget(known);
            node.route.is_some() || !node.children.is_empty()
        });
    }
}
