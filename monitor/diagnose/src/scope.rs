//! Systemic or local: in which environments an incident is, in words.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::{Culprit, Name, ServiceKey, Suspect, Workload};

use crate::topology::Topology;

/// `only in cloud-a`, `in all 3 environments of shop/orders`, `in cloud-a and cloud-b of the 3
/// environments of shop/orders`, `between cloud-a and on-prem`. Empty without services.
pub(crate) fn scope(services: &[Workload], suspects: &[Suspect], topology: &Topology) -> String {
    match suspects.first().map(|suspect| &suspect.culprit) {
        Some(Culprit::Link { one, other }) => return format!("between {one} and {other}"),
        Some(Culprit::Environment { name }) => {
            return format!("between {name} and all others");
        }
        Some(Culprit::Service) | None => {}
    }
    let mut where_is: BTreeMap<&ServiceKey, BTreeSet<&Name>> = BTreeMap::new();
    for workload in services {
        where_is
            .entry(&workload.service)
            .or_default()
            .insert(&workload.environment);
    }
    // The suspect, if it is of several environments; else whoever is in most of them.
    let first = suspects.first().map(|suspect| &suspect.workload.service);
    let widest = where_is
        .iter()
        .filter(|(_, environments)| environments.len() > 1)
        .max_by_key(|(service, environments)| {
            (
                Some(**service) == first,
                environments.len(),
                std::cmp::Reverse(**service),
            )
        });
    if let Some((service, environments)) = widest {
        let known = topology.environments(service);
        return if known.len() <= environments.len() {
            format!("in all {} environments of {service}", environments.len())
        } else {
            format!(
                "in {} of the {} environments of {service}",
                several(environments.iter().copied()),
                known.len()
            )
        };
    }
    if let Some(service) = first
        && let Some(environments) = where_is.get(service)
        && let Some(only) = environments.first()
        && topology.environments(service).len() > 1
    {
        return format!(
            "only in {only}, of the {} environments of {service}",
            topology.environments(service).len()
        );
    }
    let environments: BTreeSet<&Name> = services
        .iter()
        .map(|workload| &workload.environment)
        .collect();
    match environments.len() {
        0 => String::new(),
        1 => format!("only in {}", several(environments.into_iter())),
        _ => format!("in {}", several(environments.into_iter())),
    }
}

fn several<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let names: Vec<&str> = names.map(|name| &**name).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
