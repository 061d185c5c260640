//! `GET /journeys`, `/journeys/types` and `/topology`: what requests do on their way.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use monitor_api as wire;
use monitor_api::{Listing, Problem, TopologyQuery};
use monitor_core::{EdgeSample, Experience, GraphView, JourneyTypeView, Node, Time, View};

use super::params::Params;
use super::problem::Failure;
use super::when;
use super::words::{finite, or_zero, watermark};
use crate::Shared;

/// Minutes that one graph is of.
const MINUTES: i64 = 5;

#[utoipa::path(
    get, path = "/api/v1/journeys", tag = "watch",
    responses((status = 200, body = wire::Journeys)),
)]
/// Journeys in flight that are late, how far clocks are off, and what became of all hops.
pub(crate) async fn get_journeys(State(shared): State<Shared>) -> Json<wire::Journeys> {
    let view = shared.ports.view.borrow().clone();
    Json(journeys(&view))
}

#[utoipa::path(
    get, path = "/api/v1/journeys/types", tag = "watch",
    responses((status = 200, body = Listing<wire::JourneyType>)),
)]
/// Types of journeys, the most frequent first.
pub(crate) async fn list_journey_types(
    State(shared): State<Shared>,
) -> Json<Listing<wire::JourneyType>> {
    let view = shared.ports.view.borrow().clone();
    let items: Vec<wire::JourneyType> = view.journeys.types.iter().map(journey_type).collect();
    Json(Listing {
        at: watermark(&view),
        total: items.len() as u64,
        items,
    })
}

#[utoipa::path(
    get, path = "/api/v1/topology", tag = "watch", params(TopologyQuery),
    responses(
        (status = 200, body = wire::Topology),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Who calls whom, in the five minutes up to a moment.
pub(crate) async fn get_topology(
    State(shared): State<Shared>,
    Params(query): Params<TopologyQuery>,
) -> Result<Json<wire::Topology>, Failure> {
    let view = shared.ports.view.borrow().clone();
    let at = when::optional_time("at", query.at.as_deref(), view.at)?;
    Ok(Json(topology(&view.journeys.graph, at)))
}

fn journeys(view: &View) -> wire::Journeys {
    let all = &view.journeys;
    let counts = &all.counts;
    wire::Journeys {
        late: all
            .late
            .iter()
            .map(|late| wire::LateJourney {
                trace_id: late.trace.map(|trace| trace.to_string()),
                r#type: late.kind.map(|kind| kind.to_string()),
                name: late.name.as_ref().map(ToString::to_string),
                began: late.began.to_string(),
                age_seconds: late.age.as_secs_f64(),
                p99_seconds: late.p99.map(|p99| p99.as_secs_f64()),
                hops: late.hops,
                last: late.last.to_string(),
            })
            .collect(),
        clocks: all
            .skews
            .iter()
            .map(|skew| wire::ClockOffset {
                environment: skew.environment.to_string(),
                ahead_seconds: or_zero(skew.offset),
                uncertainty_seconds: or_zero(skew.uncertainty),
                pairs: skew.pairs,
            })
            .collect(),
        in_flight: counts.in_flight,
        types: counts.types,
        journeys_total: counts.journeys,
        inferred_total: counts.inferred,
        hops_total: counts.hops,
        late_hops_total: counts.late,
        duplicated_hops_total: counts.duplicated,
        evicted_total: counts.evicted,
        refused_hops_total: counts.crowded + counts.unplaced,
    }
}

fn journey_type(kind: &JourneyTypeView) -> wire::JourneyType {
    let places = kind
        .environments
        .iter()
        .map(|(environment, seconds)| wire::TimeSpent {
            environment: environment.to_string(),
            to: None,
            seconds: or_zero(*seconds),
        });
    let wires = kind.wire.iter().map(|(from, to, seconds)| wire::TimeSpent {
        environment: from.to_string(),
        to: Some(to.to_string()),
        seconds: or_zero(*seconds),
    });
    wire::JourneyType {
        id: kind.id.to_string(),
        name: kind.name.to_string(),
        environment: kind.entry.environment.to_string(),
        service: kind.entry.service.to_string(),
        operation: kind.entry.operation(),
        window_seconds: kind.window.as_secs(),
        journeys: kind.journeys,
        journeys_per_second: or_zero(kind.rate),
        success: or_zero(kind.success),
        p50_seconds: kind.p50.and_then(finite),
        p95_seconds: kind.p95.and_then(finite),
        p99_seconds: kind.p99.and_then(finite),
        incomplete: kind.incomplete,
        stuck: kind.stuck,
        retried: kind.retried,
        duplicated: kind.duplicated,
        inferred: kind.inferred,
        confidence: or_zero(kind.confidence),
        hops: kind
            .hops
            .iter()
            .map(|hop| wire::JourneyHop {
                environment: hop.api.environment.to_string(),
                service: hop.api.service.to_string(),
                operation: hop.api.operation(),
                share: or_zero(hop.share),
                drop_off: or_zero(hop.drop_off),
                own_seconds: or_zero(hop.own_seconds),
                budget_seconds: hop.budget_seconds.and_then(finite),
                budget_used: hop.budget_used.and_then(finite),
            })
            .collect(),
        time: places.chain(wires).collect(),
        experience: kind.experience.as_ref().map(experience),
        failure_chance: kind.failure_chance.and_then(finite),
        total: kind.total,
        first_seen: kind.first_seen.to_string(),
        last_seen: kind.last_seen.to_string(),
    }
}

fn experience(known: &Experience) -> wire::Experience {
    let any = known.now.journeys > 0.0;
    wire::Experience {
        satisfied_seconds: or_zero(known.satisfied),
        stated: known.stated,
        late_seconds: or_zero(known.late),
        apdex: finite(known.now.apdex).filter(|_| any),
        apdex_usually: or_zero(known.usual.apdex),
        hurt: finite(known.now.hurt).filter(|_| any),
        hurt_usually: or_zero(known.usual.hurt),
    }
}

/// The minutes up to that of `at`, or the newest ones, as one graph of those who were in it.
fn topology(graph: &GraphView, at: Option<Time>) -> wire::Topology {
    let newest = graph.minutes.last().map_or(0, |minute| minute.minute);
    let last = at.map_or(newest, |at| at.as_secs().div_euclid(60));
    let minutes = || {
        graph
            .minutes
            .iter()
            .filter(|minute| (last - MINUTES + 1..=last).contains(&minute.minute))
    };
    let mut edges: BTreeMap<(u32, u32), EdgeSample> = BTreeMap::new();
    for sample in minutes().flat_map(|minute| &minute.edges) {
        let sum = edges.entry((sample.caller, sample.callee)).or_default();
        sum.calls += sample.calls;
        sum.errors += sample.errors;
        sum.retries += sample.retries;
        sum.seconds += sample.seconds;
        sum.longest = sum.longest.max(sample.longest);
        sum.network_seconds += sample.network_seconds;
        sum.paired += sample.paired;
    }
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    for (caller, callee) in edges.keys() {
        for node in [caller, callee] {
            let next = places.len();
            places.entry(*node).or_insert(next);
        }
    }
    let mut nodes: Vec<(usize, u32)> = places.iter().map(|(node, place)| (*place, *node)).collect();
    nodes.sort_unstable();
    let time = |minute: i64| Time::from_secs(minute * 60).to_string();
    wire::Topology {
        from: minutes().next().map(|minute| time(minute.minute)),
        to: minutes().next_back().map(|minute| time(minute.minute + 1)),
        nodes: nodes
            .iter()
            .filter_map(|(_, node)| graph.nodes.get(*node as usize))
            .map(|known| wire::TopologyNode {
                name: known.node.to_string(),
                kind: known.node.kind().to_owned(),
                environment: match &known.node {
                    Node::Workload(workload) => Some(workload.environment.to_string()),
                    _ => None,
                },
                versions: known.versions.iter().map(ToString::to_string).collect(),
                replicas: known.replicas,
            })
            .collect(),
        edges: edges
            .iter()
            .map(|((caller, callee), sum)| wire::TopologyEdge {
                caller: places[caller],
                callee: places[callee],
                calls: sum.calls.into(),
                errors: sum.errors.into(),
                retries: sum.retries.into(),
                mean_seconds: or_zero(sum.seconds / f64::from(sum.calls)),
                longest_seconds: or_zero(sum.longest.into()),
                network_seconds: finite(sum.network_seconds / f64::from(sum.paired)),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use monitor_core::{GraphMinute, NodeView};

    use super::*;

    fn graph() -> GraphView {
        let node = |name: &str| NodeView {
            node: Node::External(name.into()),
            versions: Vec::new(),
            replicas: 0,
        };
        let minute = |minute, callee, calls| {
            Arc::new(GraphMinute {
                minute,
                edges: vec![EdgeSample {
                    caller: 0,
                    callee,
                    calls,
                    seconds: 0.5,
                    ..EdgeSample::default()
                }],
            })
        };
        GraphView {
            nodes: vec![node("web"), node("old"), node("new")],
            minutes: vec![minute(10, 1, 2), minute(11, 1, 3), minute(60, 2, 4)],
        }
    }

    #[test]
    fn the_graph_of_a_moment_is_what_was_called_then() {
        let names = |at| {
            let found = topology(&graph(), at);
            let nodes: Vec<String> = found.nodes.into_iter().map(|node| node.name).collect();
            let calls: u64 = found.edges.iter().map(|edge| edge.calls).sum();
            (nodes.join(" "), calls)
        };
        assert_eq!(names(None), ("web new".to_owned(), 4));
        assert_eq!(
            names(Some(Time::from_secs(11 * 60 + 30))),
            ("web old".to_owned(), 5)
        );
        assert_eq!(names(Some(Time::from_secs(30 * 60))), (String::new(), 0));
    }

    #[test]
    fn calls_that_one_side_told_of_have_no_network_time() {
        let edge = &topology(&graph(), None).edges[0];
        assert_eq!((edge.network_seconds, edge.mean_seconds), (None, 0.125));
    }
}
