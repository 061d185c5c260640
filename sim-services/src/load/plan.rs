//! What a topology says of clients and journeys, put so that drawing from it is cheap.

use std::time::Duration;

use rand_distr::Zipf;

use super::ask::Ask;
use crate::random::{Dice, Dist};
use crate::topology::{ClientSpec, JourneySpec, JourneyStep, Protocol, Topology};

/// With an exponent of 1 the most wanted of 5,000 gets one request in nine, as popular things of
/// real shops and caches do (Breslau et al., "Web caching and Zipf-like distributions", 1999).
const POPULARITY: f64 = 1.0;

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) entry: String,
    pub(super) timeout: Duration,
    pub(super) classes: Vec<Class>,
    journeys: Vec<JourneySpec>,
    /// Entry routes that journeys ask for.
    pub(super) routes: Vec<String>,
    asks: Vec<Ask>,
    /// For each journey, the route of each step.
    stops: Vec<Vec<usize>>,
    ids: Option<Zipf<f64>>,
}

#[derive(Debug)]
pub(super) struct Class {
    pub(super) spec: ClientSpec,
    /// Of all arrivals.
    pub(super) share: f64,
    /// Of each journey; 0 for those that are not theirs.
    weights: Vec<f64>,
}

impl Plan {
    pub(super) fn new(topology: &Topology) -> Plan {
        let protocol = topology
            .services
            .get(&topology.entry)
            .map_or(Protocol::Http1, |entry| entry.protocol);
        let mut routes: Vec<String> = topology
            .journeys
            .iter()
            .flat_map(|journey| journey.steps.iter().map(|step| step.request.clone()))
            .collect();
        routes.sort();
        routes.dedup();
        let stops = topology
            .journeys
            .iter()
            .map(|journey| {
                // Every step's route is among them.
                let place = |step: &JourneyStep| routes.partition_point(|r| *r < step.request);
                journey.steps.iter().map(place).collect()
            })
            .collect();
        let total: f64 = topology.clients.iter().map(|class| class.weight).sum();
        let classes = topology
            .clients
            .iter()
            .map(|class| Class {
                spec: class.clone(),
                share: class.weight / total,
                weights: weights(&topology.journeys, class),
            })
            .collect();
        Plan {
            entry: topology.entry.clone(),
            timeout: topology.load.timeout,
            classes,
            asks: routes
                .iter()
                .map(|route| Ask::parse(route, protocol))
                .collect(),
            routes,
            stops,
            ids: Zipf::new(topology.load.ids as f64, POPULARITY).ok(),
            journeys: topology.journeys.clone(),
        }
    }

    /// Requests of a journey when nothing fails, on average over all of them.
    pub(super) fn mean_requests(&self) -> f64 {
        let of_journey =
            |journey: &JourneySpec| journey.steps.iter().map(|step| step.share).sum::<f64>();
        let of_class = |class: &Class| {
            let total: f64 = class.weights.iter().sum();
            let sum: f64 = (self.journeys.iter().zip(&class.weights))
                .map(|(journey, weight)| of_journey(journey) * weight)
                .sum();
            class.share * sum / total
        };
        self.classes.iter().map(of_class).sum()
    }

    pub(super) fn draw_journey(&self, class: usize, dice: &mut Dice) -> usize {
        dice.pick(&self.classes[class].weights)
    }

    /// From 1 on, the most wanted first.
    pub(super) fn draw_id(&self, dice: &mut Dice) -> u64 {
        // Zipf's values are whole.
        self.ids.map_or(1, |ids| dice.draw(&ids) as u64)
    }

    /// The next step of a journey that is taken, from `from` on.
    pub(super) fn draw_step(&self, journey: usize, from: usize, dice: &mut Dice) -> Option<usize> {
        let steps = self.journeys[journey].steps.iter().enumerate().skip(from);
        let mut taken = steps.filter(|(_, step)| dice.chance(step.share));
        taken.next().map(|(index, _)| index)
    }

    pub(super) fn think(&self, journey: usize, step: usize) -> Dist {
        self.journeys[journey].steps[step]
            .think
            .unwrap_or(Dist::ZERO)
    }

    pub(super) fn route(&self, journey: usize, step: usize) -> usize {
        self.stops[journey][step]
    }

    pub(super) fn ask(&self, route: usize) -> &Ask {
        &self.asks[route]
    }
}

fn weights(journeys: &[JourneySpec], class: &ClientSpec) -> Vec<f64> {
    let goes =
        |journey: &JourneySpec| journey.clients.is_empty() || journey.clients.contains(&class.name);
    journeys
        .iter()
        .map(|journey| if goes(journey) { journey.weight } else { 0.0 })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journeys_and_ids_come_by_their_weights() {
        let plan = Plan::new(&Topology::shop());
        let mut dice = Dice::new(1, "plan");
        let n = 100_000;
        let mut counts = vec![0_u32; plan.journeys.len()];
        for _ in 0..n {
            counts[plan.draw_journey(0, &mut dice)] += 1;
        }
        let total: f64 = plan.classes[0].weights.iter().sum();
        for ((count, weight), journey) in
            (counts.iter().zip(&plan.classes[0].weights)).zip(&plan.journeys)
        {
            let (got, wanted) = (f64::from(*count) / f64::from(n), weight / total);
            assert!((got - wanted).abs() < 0.006, "{}: {got}", journey.name);
        }

        let mut ranks = [0_u32; 5_001];
        for _ in 0..n {
            ranks[plan.draw_id(&mut dice) as usize] += 1;
        }
        let harmonic: f64 = (1..=5_000).map(|rank| 1.0 / f64::from(rank)).sum();
        for rank in [1_u32, 2, 10] {
            let wanted = f64::from(n) / harmonic / f64::from(rank);
            let got = f64::from(ranks[rank as usize]);
            assert!((got - wanted).abs() < 4.0 * wanted.sqrt(), "{rank}: {got}");
        }
    }

    #[test]
    fn the_mean_of_requests_is_that_of_the_file() {
        let mut shop = Topology::shop();
        shop.clients.truncate(1);
        shop.journeys.truncate(2);
        // Browse: 1 + 0.7 + 1 + 0.6, of weight 46; search: 1.8, of weight 22.
        let wanted = (3.3 * 46.0 + 1.8 * 22.0) / 68.0;
        assert!((Plan::new(&shop).mean_requests() - wanted).abs() < 1e-9);
    }
}
