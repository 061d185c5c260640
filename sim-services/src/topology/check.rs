//! What a topology must be for the mesh to run it: all names known, all numbers possible.

use super::{CallSpec, LoadSpec, Protocol, Step, Topology};

/// All of them, so that one reading of the message mends the file.
pub(super) fn problems(topology: &Topology) -> Vec<String> {
    let mut found = Vec::new();
    let mut wrong = |place: String, what: String| found.push(format!("  {place}: {what}"));
    if !topology.services.contains_key(&topology.entry) {
        wrong(
            "entry".into(),
            format!("there is no service `{}`", topology.entry),
        );
    }
    for link in &topology.links {
        let place = format!("links[{} – {}]", link.between[0], link.between[1]);
        for end in &link.between {
            if !topology.environments.contains_key(end) {
                wrong(place.clone(), format!("there is no environment `{end}`"));
            }
        }
        if !(0.0..1.0).contains(&link.loss) {
            wrong(place.clone(), "`loss` is a share from 0 to 1".into());
        }
        if link.megabits_per_second <= 0.0 {
            wrong(place, "`megabits_per_second` must be more than 0".into());
        }
    }
    for (name, environment) in &topology.environments {
        let place = format!("environments.{name}");
        if let Some(batch) = &environment.batch {
            let store = topology
                .services
                .get(&batch.service)
                .and_then(|service| service.stores.get(&batch.store));
            if store.is_none() {
                let (service, store) = (&batch.service, &batch.store);
                wrong(
                    place,
                    format!("there is no store `{store}` of service `{service}`"),
                );
            }
        }
    }
    for (name, queue) in &topology.queues {
        if !topology.services.contains_key(&queue.broker) {
            let broker = &queue.broker;
            wrong(
                format!("queues.{name}"),
                format!("there is no service `{broker}`"),
            );
        }
    }
    for (name, service) in &topology.services {
        let place = format!("services.{name}");
        if !topology.environments.contains_key(&service.environment) {
            let environment = &service.environment;
            wrong(
                place.clone(),
                format!("there is no environment `{environment}`"),
            );
        }
        if service.workers == 0 || service.replicas == 0 {
            wrong(
                place.clone(),
                "needs at least one replica and one worker".into(),
            );
        }
        for (route, spec) in &service.routes {
            let place = format!("{place}.routes[\"{route}\"]");
            if !is_route(route, service.protocol) {
                wrong(place.clone(), shape(service.protocol).into());
            }
            steps(topology, name, &place, &spec.steps, &mut wrong);
        }
        for (queue, spec) in &service.consumes {
            let place = format!("{place}.consumes.{queue}");
            if !topology.queues.contains_key(queue) {
                wrong(place.clone(), format!("there is no queue `{queue}`"));
            }
            steps(topology, name, &place, &spec.steps, &mut wrong);
        }
    }
    for journey in &topology.journeys {
        let place = format!("journeys[{}]", journey.name);
        for step in &journey.steps {
            let known = topology
                .services
                .get(&topology.entry)
                .is_some_and(|entry| entry.routes.contains_key(&step.request));
            if !known {
                let (entry, request) = (&topology.entry, &step.request);
                wrong(place.clone(), format!("`{entry}` has no route `{request}`"));
            }
        }
        for class in &journey.clients {
            if !topology.clients.iter().any(|client| client.name == *class) {
                wrong(place.clone(), format!("there are no clients `{class}`"));
            }
        }
    }
    for client in &topology.clients {
        let place = format!("clients[{}]", client.name);
        if client.count == 0 || client.tenants.is_empty() {
            wrong(
                place.clone(),
                "needs at least one client and one tenant".into(),
            );
        }
        let goes = topology.journeys.iter().any(|journey| {
            let theirs = journey.clients.is_empty() || journey.clients.contains(&client.name);
            theirs && journey.weight > 0.0
        });
        if !goes {
            wrong(place, "there is no journey for them".into());
        }
    }
    load(&topology.load, &mut wrong);
    if topology.clients.is_empty() || topology.journeys.is_empty() || topology.load.ids == 0 {
        wrong("load".into(), "needs clients, journeys and ids".into());
    }
    found
}

fn load(load: &LoadSpec, wrong: &mut impl FnMut(String, String)) {
    let mut number = |name: &str, value: f64, most: f64| {
        if !(0.0..=most).contains(&value) {
            wrong(
                format!("load.{name}"),
                format!("{value} is not a number from 0 to {most}"),
            );
        }
    };
    number("journeys_per_second", load.journeys_per_second, 1e6);
    number("daily_swing", load.daily_swing, 1.0);
    number("weekend", load.weekend, 100.0);
    number("time_compression", load.time_compression, 1e6);
}

fn steps(
    topology: &Topology,
    service: &str,
    place: &str,
    all: &[Step],
    wrong: &mut impl FnMut(String, String),
) {
    for step in all {
        match step {
            Step::Work(_) => {}
            Step::Call(call) => {
                if let Some(problem) = call_problem(topology, service, call) {
                    wrong(place.to_owned(), problem);
                }
            }
            Step::Parallel(inner) => steps(topology, service, place, inner, wrong),
            Step::Cached(cached) => {
                if !topology.services[service]
                    .caches
                    .contains_key(&cached.cache)
                {
                    wrong(
                        place.to_owned(),
                        format!("there is no cache `{}`", cached.cache),
                    );
                }
                steps(topology, service, place, &cached.miss, wrong);
            }
            Step::Query(query) => {
                if !topology.services[service].stores.contains_key(&query.store) {
                    wrong(
                        place.to_owned(),
                        format!("there is no store `{}`", query.store),
                    );
                }
            }
            Step::Publish(queue) => {
                if !topology.queues.contains_key(queue) {
                    wrong(place.to_owned(), format!("there is no queue `{queue}`"));
                }
            }
        }
    }
}

fn call_problem(topology: &Topology, caller: &str, call: &CallSpec) -> Option<String> {
    let Some(callee) = topology.services.get(&call.service) else {
        return Some(format!("there is no service `{}`", call.service));
    };
    if !callee.routes.contains_key(&call.route) {
        return Some(format!("`{}` has no route `{}`", call.service, call.route));
    }
    if call.attempts == 0 || call.connections == 0 {
        return Some(format!(
            "a call to `{}` needs an attempt and a connection",
            call.service
        ));
    }
    let ends = [&topology.services[caller].environment, &callee.environment];
    let linked = ends[0] == ends[1]
        || topology
            .links
            .iter()
            .any(|link| link.between.iter().all(|end| ends.contains(&end)));
    (!linked).then(|| format!("no link between `{}` and `{}`", ends[0], ends[1]))
}

fn is_route(route: &str, protocol: Protocol) -> bool {
    match protocol {
        Protocol::Grpc => route.split('/').count() == 2 && !route.contains(' '),
        Protocol::Http1 | Protocol::Http2 => route
            .split_once(' ')
            .is_some_and(|(method, path)| !method.is_empty() && path.starts_with('/')),
    }
}

fn shape(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "a route of gRPC is written `package.Service/Method`",
        Protocol::Http1 | Protocol::Http2 => "a route is written `GET /path/{id}`",
    }
}

#[cfg(test)]
mod tests {
    use crate::topology::{SHOP, Topology};

    #[test]
    fn the_shipped_topology_fits_together() {
        let shop = Topology::parse(SHOP).unwrap_or_else(|error| panic!("{error}"));
        assert!(shop.services.len() >= 14);
        assert_eq!(shop.environments.len(), 3);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let broken = SHOP
            .replace("entry: edge", "entry: front")
            .replace("clients: [partners]", "clients: [browsers]")
            .replace("daily_swing: 0.4", "daily_swing: 1.4");
        let error = Topology::parse(&broken).unwrap_err().to_string();
        assert!(
            error.contains("entry: there is no service `front`"),
            "{error}"
        );
        assert!(error.contains("`front` has no route"), "{error}");
        assert!(
            error.contains("clients[partners]: there is no journey for them"),
            "{error}"
        );
        assert!(
            error.contains("load.daily_swing: 1.4 is not a number from 0 to 1"),
            "{error}"
        );
    }
}
