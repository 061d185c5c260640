//! Which other pods a pod wants near, or far, or evenly spread: counted once for a pod, then asked
//! for each node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::affinity;
use crate::controllers::pod;
use crate::controllers::selector::Selector;
use crate::controllers::world::World;
use crate::object;

/// Matching pods by the value of one label of their nodes.
#[derive(Clone, Debug, Default)]
struct Domains {
    key: String,
    pods: BTreeMap<String, i64>,
}

impl Domains {
    fn count(key: &str, pods: impl Iterator<Item = Arc<Value>>, world: &World) -> Domains {
        let mut domains = Domains {
            key: key.to_owned(),
            pods: BTreeMap::new(),
        };
        for pod in pods.filter(|pod| pod::is_active(pod)) {
            let node = world.get("nodes", "", pod::node(&pod));
            if let Some(domain) = node.and_then(|node| object::label(node, key)) {
                *domains.pods.entry(domain.to_owned()).or_default() += 1;
            }
        }
        domains
    }

    fn of<'a>(&self, node: &'a Value) -> Option<&'a str> {
        object::label(node, &self.key)
    }

    fn on(&self, node: &Value) -> i64 {
        self.of(node)
            .and_then(|domain| self.pods.get(domain))
            .copied()
            .unwrap_or(0)
    }
}

#[derive(Debug)]
struct Spread {
    domains: Domains,
    max_skew: i64,
    fewest: i64,
    counts_itself: bool,
}

#[derive(Debug)]
struct Near {
    domains: Domains,
    /// Nobody matches anywhere but the pod itself: it may be the first.
    may_be_first: bool,
}

/// All that a pod's wishes about other pods come to.
#[derive(Debug, Default)]
pub(super) struct Company {
    spread: Vec<Spread>,
    near: Vec<Near>,
    far: Vec<Domains>,
    /// Domains that pods already there keep this one out of.
    kept_out: Vec<(String, BTreeSet<String>)>,
    liked: Vec<(Domains, i64)>,
    evenly: Vec<Domains>,
    /// Pods of the same owner by node.
    siblings: Domains,
}

impl Company {
    /// `guarded` are pods on nodes with an anti-affinity of their own.
    pub(super) fn of(pod: &Value, world: &World, guarded: &BTreeSet<(String, String)>) -> Company {
        let mut company = Company::default();
        company.spread_evenly(pod, world);
        let terms = |kind: &str, strength: &str| {
            object::list(pod, &["spec", "affinity", kind, strength]).iter()
        };
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
        for term in terms("podAffinity", required) {
            let domains = meant_by(term, pod, world);
            let may_be_first = domains.pods.is_empty() && means(term, pod, pod, world);
            company.near.push(Near {
                domains,
                may_be_first,
            });
        }
        for term in terms("podAntiAffinity", required) {
            company.far.push(meant_by(term, pod, world));
        }
        for (kind, sign) in [("podAffinity", 1), ("podAntiAffinity", -1)] {
            for term in terms(kind, preferred) {
                let weight = term["weight"].as_i64().unwrap_or(1) * sign;
                company
                    .liked
                    .push((meant_by(&term["podAffinityTerm"], pod, world), weight));
            }
        }
        for (namespace, name) in guarded {
            if let Some(guard) = world.get("pods", namespace, name) {
                company.keep_out(guard, pod, world);
            }
        }
        if let Some(owner) = object::controller(pod) {
            let siblings = world.managed(object::text(owner, &["uid"]), "pods");
            company.siblings =
                Domains::count("kubernetes.io/hostname", siblings.into_iter(), world);
        }
        company
    }

    fn spread_evenly(&mut self, pod: &Value, world: &World) {
        for constraint in object::list(pod, &["spec", "topologySpreadConstraints"]) {
            let key = object::text(constraint, &["topologyKey"]);
            let Some(mut selector) = Selector::of(&constraint["labelSelector"]) else {
                continue;
            };
            for key in object::list(constraint, &["matchLabelKeys"])
                .iter()
                .filter_map(Value::as_str)
            {
                if let Some(value) = object::label(pod, key) {
                    selector.require(key, value);
                }
            }
            let matching = world
                .pods_matching(object::namespace(pod), &selector)
                .cloned();
            let mut domains = Domains::count(key, matching, world);
            // Domains without a pod count too, if the pod could go there.
            for node in world
                .all("nodes")
                .filter(|node| affinity::permits(&pod["spec"], node))
            {
                if let Some(domain) = object::label(node, key) {
                    domains.pods.entry(domain.to_owned()).or_default();
                }
            }
            if constraint["whenUnsatisfiable"] == "ScheduleAnyway" {
                self.evenly.push(domains);
                continue;
            }
            self.spread.push(Spread {
                fewest: domains.pods.values().copied().min().unwrap_or(0),
                max_skew: constraint["maxSkew"].as_i64().unwrap_or(1),
                counts_itself: selector.matches(&pod["metadata"]["labels"]),
                domains,
            });
        }
    }

    fn keep_out(&mut self, guard: &Value, pod: &Value, world: &World) {
        let path = [
            "spec",
            "affinity",
            "podAntiAffinity",
            "requiredDuringSchedulingIgnoredDuringExecution",
        ];
        for term in object::list(guard, &path) {
            let key = object::text(term, &["topologyKey"]);
            let node = world.get("nodes", "", pod::node(guard));
            let domain = node.and_then(|node| object::label(node, key));
            if let Some(domain) = domain.filter(|_| means(term, guard, pod, world)) {
                self.kept_out
                    .push((key.to_owned(), BTreeSet::from([domain.to_owned()])));
            }
        }
    }

    /// Why the pod cannot go to this node on account of other pods.
    pub(super) fn objection(&self, node: &Value) -> Option<&'static str> {
        for spread in &self.spread {
            if spread.domains.of(node).is_none() {
                return Some(
                    "node(s) didn't match pod topology spread constraints (missing required label)",
                );
            }
            let itself = i64::from(spread.counts_itself);
            if spread.domains.on(node) + itself - spread.fewest > spread.max_skew {
                return Some("node(s) didn't match pod topology spread constraints");
            }
        }
        let has_key = |domains: &Domains| domains.of(node).is_some();
        let is_alone = |near: &Near| {
            !has_key(&near.domains) || (near.domains.on(node) == 0 && !near.may_be_first)
        };
        if self.near.iter().any(is_alone) {
            return Some("node(s) didn't match pod affinity rules");
        }
        if self.far.iter().any(|domains| domains.on(node) > 0) {
            return Some("node(s) didn't match pod anti-affinity rules");
        }
        let is_kept_out = self.kept_out.iter().any(|(key, domains)| {
            object::label(node, key).is_some_and(|domain| domains.contains(domain))
        });
        is_kept_out.then_some("node(s) didn't satisfy existing pods anti-affinity rules")
    }

    /// The more the better: wanted company, and few of the same kind.
    pub(super) fn score(&self, node: &Value) -> i64 {
        let liked: i64 = self
            .liked
            .iter()
            .map(|(domains, weight)| domains.on(node).min(1) * weight)
            .sum();
        let crowd: i64 = self.evenly.iter().map(|domains| domains.on(node)).sum();
        liked - 20 * crowd - 10 * self.siblings.on(node)
    }
}

/// Pods that an affinity term means, by domain.
fn meant_by(term: &Value, pod: &Value, world: &World) -> Domains {
    let key = object::text(term, &["topologyKey"]);
    let Some(selector) = Selector::of(&term["labelSelector"]) else {
        return Domains {
            key: key.to_owned(),
            pods: BTreeMap::new(),
        };
    };
    let namespaces = namespaces(term, pod, world);
    let pods = namespaces
        .iter()
        .flat_map(|namespace| world.pods_matching(namespace, &selector))
        .cloned()
        .collect::<Vec<_>>();
    Domains::count(key, pods.into_iter(), world)
}

/// Whether a term of `holder` means `other`.
fn means(term: &Value, holder: &Value, other: &Value, world: &World) -> bool {
    Selector::of(&term["labelSelector"])
        .is_some_and(|selector| selector.matches(&other["metadata"]["labels"]))
        && namespaces(term, holder, world)
            .iter()
            .any(|it| it == object::namespace(other))
}

/// The namespaces that a term looks at: its pod's own when it says nothing.
fn namespaces(term: &Value, pod: &Value, world: &World) -> Vec<String> {
    let named = object::list(term, &["namespaces"])
        .iter()
        .filter_map(Value::as_str);
    let mut all: Vec<String> = named.map(str::to_owned).collect();
    match Selector::of(&term["namespaceSelector"]) {
        Some(selector) => all.extend(
            world
                .all("namespaces")
                .filter(|namespace| selector.matches(&namespace["metadata"]["labels"]))
                .map(|namespace| object::name(namespace).to_owned()),
        ),
        None if all.is_empty() => all.push(object::namespace(pod).to_owned()),
        None => {}
    }
    all.sort();
    all.dedup();
    all
}
