//! What happens to journeys if an Api, a service or an environment is taken away.
//!
//! Pure, over what is known of journeys: of each type, how many of the journeys that end well wait for
//! what is taken away, times the chance that such a one is lost. That chance is learned from journeys
//! whose last call to it failed: those that failed with it speak for it, those that went well all the
//! same (another way, a fallback, nobody minded) against it; where none was seen, it is taken to be
//! needed. What still calls by then is told from the graph of calls. Not in it: what others do under
//! the load that comes to them instead, and that callers who wait for nothing get slow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use monitor_core::{
    ApiKey, JourneyNeed, JourneyTypeId, JourneyTypeView, JourneysView, Name, Need, Node, Workload,
};

/// Minutes of the graph that callers are taken from.
const MINUTES: usize = 5;
/// A type of which less is lost is not told.
const TOLD: f64 = 0.000_5;

/// What is taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// One route of a service: `cloud-a/shop/payment/POST /pay`.
    Api(String),
    /// `name` or `namespace/name`, everywhere or in one environment.
    Service {
        service: String,
        environment: Option<String>,
    },
    Environment(String),
    /// A database, a queue or a third party.
    Other(String),
}

/// Why a text names nothing that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRemoval;

impl fmt::Display for NoRemoval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "give `service:NAMESPACE/NAME`, `service:NAMESPACE/NAME@ENVIRONMENT`, `environment:NAME`, \
             `api:ENVIRONMENT/NAMESPACE/NAME METHOD ROUTE`, or `other:NAME` for a database, a queue or a \
             third party",
        )
    }
}

impl FromStr for Removal {
    type Err = NoRemoval;

    fn from_str(text: &str) -> Result<Removal, NoRemoval> {
        let (kind, name) = text.split_once(':').ok_or(NoRemoval)?;
        let name = name.trim();
        if name.is_empty() {
            return Err(NoRemoval);
        }
        match kind {
            "api" => Ok(Removal::Api(name.to_owned())),
            "environment" => Ok(Removal::Environment(name.to_owned())),
            "other" => Ok(Removal::Other(name.to_owned())),
            "service" => match name.split_once('@') {
                Some((service, environment)) => Ok(Removal::Service {
                    service: service.trim().to_owned(),
                    environment: Some(environment.trim().to_owned()),
                }),
                None => Ok(Removal::Service {
                    service: name.to_owned(),
                    environment: None,
                }),
            },
            _ => Err(NoRemoval),
        }
    }
}

/// What is to be expected. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// Those of which a part is lost, the worst first.
    pub types: Vec<TypeLoss>,
    /// All journeys a second, of types that are lost and of those that are not.
    pub rate: f64,
    /// Of these, the share that fails usually, and would then.
    pub usually: f64,
    pub fails: f64,
    /// Who calls what is taken away, the most frequent first.
    pub callers: Vec<Caller>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TypeLoss {
    pub kind: JourneyTypeId,
    pub name: Name,
    pub entry: std::sync::Arc<ApiKey>,
    /// Journeys a second.
    pub rate: f64,
    /// The share that waits for what is taken away.
    pub needs: f64,
    /// Of these, how many are lost without it, and the journeys that this was learned from.
    pub lost: f64,
    pub seen: u64,
    /// The share that fails usually, and would then.
    pub usually: f64,
    pub fails: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    pub name: String,
    /// Calls a second to what is taken away.
    pub rate: f64,
    /// Of all its calls, the share that goes there.
    pub share: f64,
}

/// `None` when nobody was ever seen to need it and nobody calls it. O(types · needs).
pub fn what_if(view: &JourneysView, removal: &Removal) -> Option<WhatIf> {
    let losses: Vec<(TypeLoss, bool)> = view.types.iter().map(|kind| loss(kind, removal)).collect();
    let callers = callers(view, removal);
    let known = losses.iter().any(|(_, known)| *known) || callers.is_some();
    known.then_some(())?;
    let rate: f64 = losses.iter().map(|(loss, _)| loss.rate).sum();
    let mean = |of: fn(&TypeLoss) -> f64| {
        let sum: f64 = losses.iter().map(|(loss, _)| loss.rate * of(loss)).sum();
        if rate > 0.0 { sum / rate } else { 0.0 }
    };
    let (usually, fails) = (mean(|loss| loss.usually), mean(|loss| loss.fails));
    let mut types: Vec<TypeLoss> = losses
        .into_iter()
        .map(|(loss, _)| loss)
        .filter(|loss| loss.fails - loss.usually > TOLD)
        .collect();
    types.sort_by(|a, b| {
        let more = |loss: &TypeLoss| loss.rate * (loss.fails - loss.usually);
        (more(b).total_cmp(&more(a))).then(a.kind.cmp(&b.kind))
    });
    Some(WhatIf {
        types,
        rate,
        usually,
        fails,
        callers: callers.unwrap_or_default(),
    })
}

/// What is lost of a type, and whether it was ever seen to need it.
fn loss(kind: &JourneyTypeView, removal: &Removal) -> (TypeLoss, bool) {
    let concerned: Vec<&JourneyNeed> = (kind.needs.iter())
        .filter(|need| removal.takes(&need.what))
        .collect();
    // A service in several environments: a journey goes to one of them.
    let needs: f64 = concerned
        .iter()
        .map(|need| need.share)
        .sum::<f64>()
        .min(1.0);
    let (lost, spared) = concerned
        .iter()
        .fold((0, 0), |sum, need| (sum.0 + need.lost, sum.1 + need.spared));
    let usually = kind
        .experience
        .map_or(1.0 - kind.success, |known| known.usual.failed);
    // Once seen to be lost before anything was seen.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let is_lost = (lost + 1) as f64 / (lost + spared + 1) as f64;
    let loss = TypeLoss {
        kind: kind.id,
        name: kind.name.clone(),
        entry: kind.entry.clone(),
        rate: kind.rate,
        needs,
        lost: is_lost,
        seen: lost + spared,
        usually,
        fails: 1.0 - (1.0 - usually) * (1.0 - needs * is_lost),
    };
    (loss, !concerned.is_empty())
}

impl Removal {
    fn takes(&self, need: &Need) -> bool {
        match (self, need) {
            (Removal::Api(name), Need::Api(api)) => *name == api_name(api),
            (Removal::Environment(name), Need::Environment(known)) => **known == **name,
            (_, Need::Node(node)) => self.takes_node(node),
            _ => false,
        }
    }

    fn takes_node(&self, node: &Node) -> bool {
        match (self, node) {
            (
                Removal::Service {
                    service,
                    environment,
                },
                Node::Workload(workload),
            ) => is_called(workload, service) && is_in(workload, environment.as_deref()),
            (
                Removal::Other(name),
                Node::Database(known) | Node::Queue(known) | Node::External(known),
            ) => **known == **name,
            _ => false,
        }
    }

    /// Nodes of the graph that are gone with it.
    fn takes_away(&self, node: &Node) -> bool {
        match (self, node) {
            (Removal::Environment(name), Node::Workload(workload)) => {
                *workload.environment == **name
            }
            _ => self.takes_node(node),
        }
    }
}

/// `environment/namespace/name METHOD route`, as it is asked for.
pub fn api_name(api: &ApiKey) -> String {
    format!("{}/{} {}", api.environment, api.service, api.operation())
}

fn is_called(workload: &Workload, name: &str) -> bool {
    let service = &workload.service;
    match name.split_once('/') {
        Some((namespace, name)) => *service.namespace == *namespace && *service.name == *name,
        None => *service.name == *name,
    }
}

fn is_in(workload: &Workload, environment: Option<&str>) -> bool {
    environment.is_none_or(|environment| *workload.environment == *environment)
}

/// `None` when nobody calls it.
fn callers(view: &JourneysView, removal: &Removal) -> Option<Vec<Caller>> {
    let graph = &view.graph;
    let gone: BTreeSet<u32> = (0..)
        .zip(&graph.nodes)
        .filter(|(_, known)| removal.takes_away(&known.node))
        .map(|(place, _)| place)
        .collect();
    if gone.is_empty() {
        return None;
    }
    let minutes = graph.minutes.iter().rev().take(MINUTES);
    let seconds = 60.0 * f64::from(u32::try_from(minutes.len().max(1)).unwrap_or(1));
    // Of each caller, calls to what is gone, and all of them.
    let mut calls: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for edge in minutes.flat_map(|minute| &minute.edges) {
        if !gone.contains(&edge.caller) {
            let sum = calls.entry(edge.caller).or_default();
            sum.0 += u64::from(edge.calls) * u64::from(gone.contains(&edge.callee));
            sum.1 += u64::from(edge.calls);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let mut callers: Vec<Caller> = calls
        .into_iter()
        .filter(|(_, (there, _))| *there > 0)
        .filter_map(|(caller, (there, all))| {
            Some(Caller {
                name: graph.nodes.get(caller as usize)?.node.to_string(),
                rate: there as f64 / seconds,
                share: there as f64 / all as f64,
            })
        })
        .collect();
    callers.sort_by(|a, b| (b.rate.total_cmp(&a.rate)).then_with(|| a.name.cmp(&b.name)));
    (!callers.is_empty()).then_some(callers)
}
