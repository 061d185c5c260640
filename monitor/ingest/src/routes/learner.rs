//! The learner of one service.

use std::borrow::Cow;

use monitor_core::Name;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::declared::{Declared, looks_like_template};
use super::segment::{is_asset, placeholder};
use super::tree::Node;

/// The route of all paths that found no place of their own.
pub const OTHER: &str = "~other";

/// Deeper paths end in `{rest}`.
const MAX_SEGMENTS: usize = 16;
/// Longer paths are cut; no route needs as much, and an attacker's does not matter.
const MAX_BYTES: usize = 2_048;
/// A word this long is not part of a route.
const MAX_WORD: usize = 80;

type Segments<'p> = SmallVec<[&'p str; MAX_SEGMENTS]>;

/// Learns the routes of one service; see the module for the method.
///
/// Deterministic: the same paths in the same order give the same routes, also after it was
/// serialised and restored. Memory is bounded by the number of routes, time by the path's length.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteLearner {
    max_routes: usize,
    declared: Declared,
    declared_routes: usize,
    learned: Node,
    routes: usize,
    /// Nodes of `learned`; words that are not yet known to be values need some beyond the routes.
    nodes: usize,
    other: Name,
    overflowed: u64,
}

impl Default for RouteLearner {
    fn default() -> RouteLearner {
        RouteLearner::new(300)
    }
}

impl RouteLearner {
    /// At most `max_routes` learned ones, and as many declared.
    pub fn new(max_routes: usize) -> RouteLearner {
        RouteLearner {
            max_routes,
            declared: Declared::default(),
            declared_routes: 0,
            learned: Node::default(),
            routes: 0,
            nodes: 1,
            other: OTHER.into(),
            overflowed: 0,
        }
    }

    /// A route known from spans (`http.route`): it wins over learned ones when a path matches it.
    pub fn declare(&mut self, route: &str) {
        let route = strip(route);
        if route.is_empty() || self.declared_routes >= self.max_routes || route.len() > MAX_BYTES {
            return;
        }
        if !self.declared.insert(route) {
            return;
        }
        self.declared_routes += 1;
        // What was learned from its paths before is not needed any more.
        let declared = &self.declared;
        self.learned.forget(&|learned: &Name| {
            let segments: Segments = split(learned).collect();
            declared.find(&segments).is_some()
        });
        self.count_learned();
    }

    /// The route of a raw path or URL; learns from it.
    ///
    /// A path that is a template already comes back as it is. Allocates only for a new route or a
    /// percent-encoded path.
    pub fn route(&mut self, path: &str) -> Name {
        let path = strip(path);
        let decoded = decode(path);
        let mut segments: Segments = split(&decoded).take(MAX_SEGMENTS + 1).collect();
        if segments.len() > MAX_SEGMENTS {
            segments.truncate(MAX_SEGMENTS - 1);
            segments.push("{rest}");
        }
        if self.declared_routes > 0
            && let Some(route) = self.declared.find(&segments)
        {
            return Name::clone(route);
        }
        if looks_like_template(path) {
            return self.given(&segments);
        }
        let masked = mask(&segments);
        self.learn(&masked)
    }

    /// Routes known so far, declared ones not included, in alphabetical order.
    pub fn routes(&self) -> Vec<Name> {
        let mut found = Vec::new();
        self.learned.routes(&mut found);
        found.into_iter().cloned().collect()
    }

    /// Requests that were given [`OTHER`] because the service has too many routes.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// A template that a sender gave for this request alone: taken as it is.
    fn given(&mut self, segments: &Segments<'_>) -> Name {
        self.walk(segments)
    }

    fn learn(&mut self, segments: &Segments<'_>) -> Name {
        let routes = self.routes;
        let name = self.walk(segments);
        // Only a new route can have made the words of a position too many. When there is no place
        // for new ones, words that became rare meanwhile are looked for now and then.
        let look = self.routes > routes || &*name == OTHER && self.overflowed.is_multiple_of(64);
        if look && self.fold(segments) {
            return self.walk(segments);
        }
        name
    }

    fn walk(&mut self, segments: &Segments<'_>) -> Name {
        let max_nodes = self.max_routes * 8;
        let mut node = &mut self.learned;
        let mut fresh = false;
        for segment in segments {
            node.visit();
            if node.child(segment).is_none() {
                if self.nodes >= max_nodes {
                    self.overflowed += 1;
                    return Name::clone(&self.other);
                }
                node.add(segment);
                self.nodes += 1;
                fresh = true;
            }
            let Some(next) = node.child(segment) else {
                // It was added above.
                return Name::clone(&self.other);
            };
            node = next;
        }
        node.visit();
        if !fresh && let Some(route) = node.route() {
            return Name::clone(route);
        }
        if self.routes >= self.max_routes {
            self.overflowed += 1;
            return Name::clone(&self.other);
        }
        let name: Name = join(segments).into();
        node.set_route(Name::clone(&name));
        self.routes += 1;
        // A parameter on the way gives the route another name than its segments.
        let mut path = String::new();
        self.learned.rename(&mut path);
        let mut node = &mut self.learned;
        for segment in segments {
            match node.child(segment) {
                Some(next) => node = next,
                None => return name,
            }
        }
        node.route().cloned().unwrap_or(name)
    }

    /// Folds every parent on the way that has too many words below it; says whether one had.
    fn fold(&mut self, segments: &Segments<'_>) -> bool {
        let mut folded = self.learned.fold(true);
        let mut node = &mut self.learned;
        for segment in segments {
            match node.child(segment) {
                Some(next) => node = next,
                None => break,
            }
            folded |= node.fold(false);
        }
        if folded {
            self.count_learned();
        }
        folded
    }

    fn count_learned(&mut self) {
        self.routes = self.learned.rename(&mut String::new());
        self.nodes = self.learned.size();
    }
}

/// Without scheme and host, query and fragment.
pub(crate) fn strip(path: &str) -> &str {
    let path = path.trim();
    let path = match path.find("://") {
        Some(scheme) if path[..scheme].bytes().all(|b| b.is_ascii_alphanumeric()) => {
            let rest = &path[scheme + 3..];
            rest.find('/').map_or("", |slash| &rest[slash..])
        }
        _ => path,
    };
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let path = &path[..end];
    &path[..path.floor_char_boundary(MAX_BYTES)]
}

/// Percent-decoded, except where that would change the segments or hide what is there.
fn decode(path: &str) -> Cow<'_, str> {
    if !path.contains('%') || path.contains("%2F") || path.contains("%2f") {
        return Cow::Borrowed(path);
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    if decoded.chars().any(char::is_control) {
        return Cow::Borrowed(path);
    }
    decoded
}

/// The segments without matrix parameters (`;jsessionid=…`); empty ones are skipped.
fn split(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .map(|segment| segment.split(';').next().unwrap_or_default())
        .filter(|segment| !segment.is_empty())
}

/// Values by their looks as placeholders, assets as families.
fn mask<'p>(segments: &Segments<'p>) -> Segments<'p> {
    let look = |segment: &'p str| -> &'p str {
        match placeholder(segment) {
            Some(placeholder) => placeholder,
            None if segment.len() > MAX_WORD => "{token}",
            // No framework has a route with these, so they are a client's input.
            None if segment.contains([' ', '"', '<', '>', '\'', '(', ')', '\\']) => "{param}",
            None => segment,
        }
    };
    if segments.last().is_some_and(|last| is_asset(last)) {
        return segments[..segments.len() - 1]
            .iter()
            .take(1)
            .map(|segment| look(segment))
            .chain(["{asset}"])
            .collect();
    }
    segments.iter().map(|segment| look(segment)).collect()
}

fn join(segments: &Segments<'_>) -> String {
    if segments.is_empty() {
        return "/".to_owned();
    }
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(segment);
    }
    path
}
