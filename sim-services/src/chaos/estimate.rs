//! How much each route gets to do on an average day and how long it takes, roughly, from the
//! topology alone.
//!
//! A campaign picks by it targets that have something to lose, and intensities that matter to
//! them. Only orders of magnitude count; what really happens is measured.

use std::collections::BTreeMap;
use std::time::Duration;

use super::graph::Node;
use crate::random::Dist;
use crate::topology::{ClientSpec, JourneySpec, Step, Topology};

/// Of look-ups whose key contains an id. Popular ids are few, but entries expire.
const MISSES: f64 = 0.5;
/// Of look-ups with one key for all.
const MISSES_OF_ONE: f64 = 0.05;
/// Calls in circles would be followed for ever.
const DEPTH: usize = 16;

/// Requests a second and mean duration of every route and consumer, on a good day at the mean of
/// the week.
#[derive(Clone, Debug, Default)]
pub(super) struct Estimate {
    rates: BTreeMap<Node, f64>,
    means: BTreeMap<Node, Duration>,
}

impl Estimate {
    pub(super) fn new(topology: &Topology) -> Estimate {
        let mut estimate = Estimate::default();
        for class in &topology.clients {
            estimate.arrivals(topology, class);
        }
        for (service, spec) in &topology.services {
            for route in spec.routes.keys().chain(spec.consumes.keys()) {
                let node = Node::new(service, route);
                let mean = mean_of(topology, service, steps_of(topology, &node), DEPTH);
                estimate.means.insert(node, mean);
            }
        }
        estimate
    }

    /// Only what the clients of one class ask for.
    pub(super) fn of_class(topology: &Topology, class: &ClientSpec) -> Estimate {
        let mut estimate = Estimate::default();
        estimate.arrivals(topology, class);
        estimate
    }

    fn arrivals(&mut self, topology: &Topology, class: &ClientSpec) {
        let classes: f64 = topology.clients.iter().map(|class| class.weight).sum();
        let goes = |journey: &&JourneySpec| {
            journey.clients.is_empty() || journey.clients.contains(&class.name)
        };
        let journeys = || topology.journeys.iter().filter(goes);
        let weights: f64 = journeys().map(|journey| journey.weight).sum();
        let per_second = topology.load.journeys_per_second * class.weight / classes.max(1e-9);
        for journey in journeys() {
            let rate = per_second * journey.weight / weights.max(1e-9);
            for step in &journey.steps {
                let node = Node::new(&topology.entry, &step.request);
                self.visit(topology, &node, rate * step.share, DEPTH);
            }
        }
    }

    fn visit(&mut self, topology: &Topology, node: &Node, rate: f64, depth: usize) {
        *self.rates.entry(node.clone()).or_default() += rate;
        if depth > 0 {
            self.visit_steps(topology, steps_of(topology, node), rate, depth - 1);
        }
    }

    fn visit_steps(&mut self, topology: &Topology, steps: &[Step], rate: f64, depth: usize) {
        for step in steps {
            match step {
                Step::Call(call) => {
                    let callee = Node::new(&call.service, &call.route);
                    self.visit(topology, &callee, rate, depth);
                }
                Step::Parallel(inner) => self.visit_steps(topology, inner, rate, depth),
                Step::Cached(cached) => {
                    let share = misses(&cached.key);
                    self.visit_steps(topology, &cached.miss, rate * share, depth);
                }
                Step::Publish(queue) => {
                    for (consumer, spec) in &topology.services {
                        if spec.consumes.contains_key(queue) {
                            self.visit(topology, &Node::new(consumer, queue), rate, depth);
                        }
                    }
                }
                Step::Work(_) | Step::Query(_) => {}
            }
        }
    }

    /// Requests a second; messages for a consumer.
    pub(super) fn rate(&self, node: &Node) -> f64 {
        self.rates.get(node).copied().unwrap_or(0.0)
    }

    /// Requests and messages of a whole service.
    pub(super) fn service_rate(&self, service: &str) -> f64 {
        self.rates
            .iter()
            .filter(|(node, _)| node.service == service)
            .map(|(_, rate)| rate)
            .sum()
    }

    /// Only requests of a service.
    pub(super) fn request_rate(&self, topology: &Topology, service: &str) -> f64 {
        let routes = topology
            .services
            .get(service)
            .map(|spec| spec.routes.keys());
        let routes = routes.into_iter().flatten();
        routes
            .map(|route| self.rate(&Node::new(service, route)))
            .sum()
    }

    /// Of all requests of a service; of all its routes alike when it gets none.
    pub(super) fn service_mean(&self, service: &str) -> Duration {
        let of_service = || {
            self.means
                .iter()
                .filter(|(node, _)| node.service == service)
        };
        let weight = |node: &Node| self.rate(node) + 1e-6;
        let total: f64 = of_service().map(|(node, _)| weight(node)).sum();
        let sum: f64 = of_service()
            .map(|(node, mean)| mean.as_secs_f64() * weight(node))
            .sum();
        if total > 0.0 {
            Duration::from_secs_f64(sum / total)
        } else {
            Duration::ZERO
        }
    }
}

fn steps_of<'a>(topology: &'a Topology, node: &Node) -> &'a [Step] {
    let Some(service) = topology.services.get(&node.service) else {
        return &[];
    };
    service
        .routes
        .get(&node.route)
        .map(|route| route.steps.as_slice())
        .or_else(|| {
            let consumer = service.consumes.get(&node.route)?;
            Some(consumer.steps.as_slice())
        })
        .unwrap_or(&[])
}

fn misses(key: &str) -> f64 {
    if key.contains("{id}") {
        MISSES
    } else {
        MISSES_OF_ONE
    }
}

fn mean_of(topology: &Topology, service: &str, steps: &[Step], depth: usize) -> Duration {
    if depth == 0 {
        return Duration::ZERO;
    }
    let mean = |steps: &[Step]| mean_of(topology, service, steps, depth - 1);
    steps
        .iter()
        .map(|step| match step {
            Step::Work(dist) => mean_of_dist(dist),
            Step::Query(query) => mean_of_dist(&query.takes),
            Step::Call(call) => {
                let callee = Node::new(&call.service, &call.route);
                let there = mean_of(
                    topology,
                    &call.service,
                    steps_of(topology, &callee),
                    depth - 1,
                );
                (there + round_trip(topology, service, &call.service)).min(call.timeout)
            }
            Step::Parallel(inner) => inner
                .iter()
                .map(|step| mean(std::slice::from_ref(step)))
                .max()
                .unwrap_or_default(),
            Step::Cached(cached) => mean(&cached.miss).mul_f64(misses(&cached.key)),
            Step::Publish(queue) => topology
                .queues
                .get(queue)
                .map(|queue| round_trip(topology, service, &queue.broker))
                .unwrap_or_default(),
        })
        .sum()
}

/// Between the environments of two services.
pub(super) fn round_trip(topology: &Topology, from: &str, to: &str) -> Duration {
    let environment = |service: &str| {
        topology
            .services
            .get(service)
            .map(|service| service.environment.as_str())
    };
    let ends = [environment(from), environment(to)];
    topology
        .links
        .iter()
        .filter(|_| ends[0] != ends[1])
        .find(|link| {
            link.between
                .iter()
                .all(|end| ends.contains(&Some(end.as_str())))
        })
        .map(|link| link.latency * 2)
        .unwrap_or_default()
}

/// A tail without a mean counts as its scale.
pub(super) fn mean_of_dist(dist: &Dist) -> Duration {
    match *dist {
        Dist::Constant { constant } => constant,
        Dist::Exponential { mean } => mean,
        Dist::LogNormal { median, sigma } => median.mul_f64((sigma * sigma / 2.0).exp()),
        Dist::Uniform { from, to } => (from + to) / 2,
        Dist::Pareto { scale, shape } if shape > 1.0 => scale.mul_f64(shape / (shape - 1.0)),
        Dist::Pareto { scale, .. } => scale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_is_busy_where_it_should_be() {
        let shop = Topology::shop();
        let estimate = Estimate::new(&shop);
        // 18 of 20 journeys a second are those of people; 20 of 94 of them buy or get a refund,
        // and both are booked.
        let booked = estimate.rate(&Node::new("ledger", "bank.ledger.Ledger/Post"));
        assert!((booked - 18.0 * 20.0 / 94.0).abs() < 1e-9, "{booked}");
        let parcels = estimate.rate(&Node::new("shipping", "order-events"));
        assert!((parcels - booked).abs() < 1e-9, "{parcels}");
        // Work 2 ms, query 5 ms, the legacy core 6 ms, and a little for their skew; a balance is
        // faster.
        let mean = estimate.service_mean("ledger");
        assert!((11..15).contains(&mean.as_millis()), "{mean:?}");
        // Two round trips of 18 ms to the data centre are in it.
        let checkout = estimate.service_mean("checkout");
        assert!((70..110).contains(&checkout.as_millis()), "{checkout:?}");
    }
}
