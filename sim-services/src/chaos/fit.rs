//! Whether an experiment fits a topology, and all that it left to be derived.

use super::experiment::{Experiment, Placed};
use super::kind::Fault;
use super::kind::needs::{Need, linked, locking_stores};
use super::kind::parts::callees;
use super::problem::{Problem, unknown};
use crate::change::Target;
use crate::topology::{Dialect, ServiceSpec, Topology};

impl Experiment {
    /// The same with everything said: stores, versions, symptoms, cause. Places in messages begin
    /// with `at`.
    ///
    /// # Errors
    ///
    /// All names that the topology does not have, and all targets that lack what a fault needs.
    pub fn fit(mut self, topology: &Topology, at: &str) -> Result<Experiment, Vec<Problem>> {
        let mut problems = Vec::new();
        for (index, placed) in self.faults.iter_mut().enumerate() {
            let mut check = Check {
                topology,
                place: format!("{at}spec.faults[{index}]"),
                problems: &mut problems,
            };
            check.target(placed);
            check.parameters(placed);
        }
        self.check_expectations(topology, at, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        self.derive(topology);
        Ok(self)
    }

    fn check_expectations(&self, topology: &Topology, at: &str, problems: &mut Vec<Problem>) {
        let mut service = |place: &str, name: &String| {
            if !topology.services.contains_key(name) {
                let what = unknown("service", name, topology.services.keys());
                problems.push(Problem::new(format!("{at}spec.expect.{place}"), what));
            }
        };
        for name in &self.expect.symptoms {
            service("symptoms", name);
        }
        let cause = self.expect.root_cause.as_ref();
        if let Some(name) = cause.and_then(|cause| cause.service.as_ref()) {
            service("rootCause.service", name);
        }
        if let Some(name) = cause.and_then(|cause| cause.environment.as_ref())
            && !topology.environments.contains_key(name)
        {
            let what = unknown("environment", name, topology.environments.keys());
            let place = format!("{at}spec.expect.rootCause.environment");
            problems.push(Problem::new(place, what));
        }
    }

    fn derive(&mut self, topology: &Topology) {
        if self.expect.symptoms.is_empty() {
            let mut symptoms: Vec<String> = self
                .faults
                .iter()
                .flat_map(|placed| placed.fault.symptoms(topology, &placed.target))
                .collect();
            symptoms.sort();
            symptoms.dedup();
            self.expect.symptoms = symptoms;
        }
        if self.expect.root_cause.is_none() {
            self.expect.root_cause = self
                .faults
                .first()
                .map(|placed| placed.fault.cause(topology, &placed.target));
        }
        self.expect.may_page = Some(!self.benign());
    }
}

struct Check<'a> {
    topology: &'a Topology,
    place: String,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn wrong(&mut self, field: &str, what: impl Into<String>) {
        let place = format!("{}.{field}", self.place);
        self.problems.push(Problem::new(place, what));
    }

    fn target(&mut self, placed: &Placed) {
        let before = self.problems.len();
        self.target_names(&placed.target);
        if self.problems.len() > before {
            return;
        }
        let (target, need) = (&placed.target, placed.fault.need());
        let kind = placed.fault.kind();
        let needs = format!("`{kind}` needs {}", need.says());
        match need {
            Need::Clients if *target != Target::default() => {
                self.wrong("target", format!("{needs}; leave it out"));
            }
            Need::Clients => {}
            _ if target.service.is_some() == need.is_environment()
                || !eligible(placed, self.topology) =>
            {
                self.among("target", &needs, &placed.fault);
            }
            Need::Part => {
                let narrow = [
                    target.route.is_some(),
                    target.replica.is_some(),
                    target.client.is_some(),
                    target.tenant.is_some(),
                ];
                if narrow.iter().filter(|given| **given).count() != 1 {
                    self.wrong("target", format!("{needs}; give exactly one"));
                }
            }
            _ => {}
        }
    }

    fn among(&mut self, field: &str, needs: &str, fault: &Fault) {
        let mut names: Vec<String> = fault
            .eligible(self.topology)
            .into_iter()
            .filter_map(|target| target.service.or(target.environment))
            .collect();
        names.dedup();
        let names = if names.is_empty() {
            "there is none here".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        self.wrong(field, format!("{needs}; {names}"));
    }

    fn target_names(&mut self, target: &Target) {
        let topology = self.topology;
        if let Some(name) = &target.environment
            && !topology.environments.contains_key(name)
        {
            let what = unknown("environment", name, topology.environments.keys());
            self.wrong("target.environment", what);
        }
        if let Some(name) = &target.service {
            match topology.services.get(name) {
                Some(service) => self.within_service(target, name, service),
                None => {
                    let what = unknown("service", name, topology.services.keys());
                    self.wrong("target.service", what);
                }
            }
        }
        let tenants = || topology.clients.iter().flat_map(|class| &class.tenants);
        if let Some(name) = &target.tenant
            && !tenants().any(|tenant| tenant == name)
        {
            let mut known: Vec<String> = tenants().cloned().collect();
            known.sort();
            known.dedup();
            self.wrong("target.tenant", unknown("tenant", name, &known));
        }
        if let Some(name) = &target.client
            && !topology.clients.iter().any(|class| {
                name.strip_prefix(&format!("{}-", class.name))
                    .and_then(|number| number.parse::<u32>().ok())
                    .is_some_and(|number| number < class.count)
            })
        {
            let known: Vec<String> = topology
                .clients
                .iter()
                .map(|class| format!("{0}-0 to {0}-{1}", class.name, class.count - 1))
                .collect();
            self.wrong("target.client", unknown("client", name, &known));
        }
    }

    fn within_service(&mut self, target: &Target, name: &str, service: &ServiceSpec) {
        if let Some(route) = &target.route
            && !service.routes.contains_key(route)
        {
            let what = unknown("route", route, service.routes.keys());
            self.wrong("target.route", what);
        }
        if let Some(replica) = target.replica
            && replica >= service.replicas
        {
            let last = service.replicas - 1;
            let what = format!("`{name}` has replicas 0 to {last} only");
            self.wrong("target.replica", what);
        }
        if let Some(environment) = &target.environment
            && *environment != service.environment
        {
            let what = format!("`{name}` is in {}", service.environment);
            self.wrong("target.environment", what);
        }
    }

    /// Names within the parameters; those that can be derived are.
    fn parameters(&mut self, placed: &mut Placed) {
        let topology = self.topology;
        let name = placed.target.service.clone().unwrap_or_default();
        let Placed { fault, target } = placed;
        let service = topology.services.get(&name);
        match fault {
            Fault::DatabaseSlow { store, .. } | Fault::PoolExhaustion { store, .. } => {
                let known: Vec<String> = service
                    .map(|service| service.stores.keys().cloned().collect())
                    .unwrap_or_default();
                self.one_of("store", store, &known);
            }
            Fault::LockContention { store, .. } => {
                let known: Vec<String> = service
                    .map(|service| locking_stores(service).into_iter().collect())
                    .unwrap_or_default();
                self.one_of("store", store, &known);
            }
            Fault::CacheFailure { cache } | Fault::CacheStampede { cache, .. } => {
                let known: Vec<String> = service
                    .map(|service| service.caches.keys().cloned().collect())
                    .unwrap_or_default();
                self.one_of("cache", cache, &known);
            }
            Fault::BadDeployment { version, .. } | Fault::BenignDeployment { version } => {
                let present = service.map_or("", |service| service.version.as_str());
                if version.as_deref() == Some(present) {
                    let what = format!("`{name}` is at {present} already");
                    self.wrong("parameters.version", what);
                }
                version.get_or_insert_with(|| next_version(present));
            }
            Fault::ConfigurationChange {
                callee: Some(callee),
                ..
            } => {
                let known: Vec<String> = callees(topology, &name).into_iter().collect();
                if !known.contains(callee) {
                    let what = unknown("call to a service", callee, &known);
                    self.wrong("parameters.callee", what);
                }
            }
            Fault::TrafficSurge { clients, .. } | Fault::TrafficDrop { clients, .. } => {
                let known: Vec<String> = topology
                    .clients
                    .iter()
                    .map(|class| class.name.clone())
                    .collect();
                if !clients.is_empty() && !known.contains(clients) {
                    let what = unknown("class of clients", clients, &known);
                    self.wrong("parameters.clients", what);
                }
            }
            Fault::LinkLatency { to, .. }
            | Fault::LinkLoss { to, .. }
            | Fault::Partition { to } => {
                let from = target.environment.as_deref().unwrap_or_default();
                let known = linked(topology, from);
                if !to.is_empty() && !known.contains(to) {
                    let what = unknown("link that calls go over to", to, &known);
                    self.wrong("parameters.to", what);
                }
            }
            Fault::LogFormatChange { dialect } => {
                let present = service.map(|service| service.log.dialect);
                if dialect.is_some() && *dialect == present {
                    self.wrong("parameters.dialect", format!("`{name}` writes so already"));
                }
                let other = if present == Some(Dialect::Logfmt) {
                    Dialect::Zap
                } else {
                    Dialect::Logfmt
                };
                dialect.get_or_insert(other);
            }
            _ => {}
        }
    }

    /// The only one when none is given.
    fn one_of(&mut self, what: &str, given: &mut Option<String>, known: &[String]) {
        match (given.as_ref(), known) {
            (Some(name), _) if !known.contains(name) => {
                self.wrong(&format!("parameters.{what}"), unknown(what, name, known));
            }
            (Some(_), _) | (None, []) => {}
            (None, [only]) => *given = Some(only.clone()),
            (None, several) => {
                let which = format!("say which: {}", several.join(", "));
                self.wrong(&format!("parameters.{what}"), which);
            }
        }
    }
}

/// Whether the service or environment has what the fault needs.
fn eligible(placed: &Placed, topology: &Topology) -> bool {
    let (name, need) = (&placed.target, placed.fault.need());
    if need == Need::Part {
        return name
            .service
            .as_ref()
            .and_then(|name| topology.services.get(name))
            .is_some_and(|service| !service.routes.is_empty());
    }
    placed.fault.eligible(topology).iter().any(|target| {
        target.service == name.service
            && (name.service.is_some() || target.environment == name.environment)
    })
}

/// The last number of a version, one higher.
fn next_version(present: &str) -> String {
    let digits = present.len() - present.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (head, last) = present.split_at(present.len() - digits);
    match last.parse::<u64>() {
        Ok(last) => format!("{head}{}", last + 1),
        Err(_) => format!("{present}-1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_a_next_one() {
        let next = ["2.9.4", "1998.4", "v9", "main", "1.0.0-rc"].map(next_version);
        assert_eq!(next, ["2.9.5", "1998.5", "v10", "main-1", "1.0.0-rc-1"]);
    }
}
