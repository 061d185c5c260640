//! Addresses and node ports of services: each is given once.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::object;
use crate::status::{Cause, Status};

/// Kubernetes' default `--service-node-port-range`.
const NODE_PORTS: RangeInclusive<u16> = 30_000..=32_767;

#[derive(Debug)]
pub(crate) struct Addresses {
    range: RangeInclusive<Ipv4Addr>,
    given: Mutex<Given>,
}

#[derive(Debug, Default)]
struct Given {
    addresses: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<u16>,
}

impl Addresses {
    pub(crate) fn new(range: RangeInclusive<Ipv4Addr>) -> Addresses {
        Addresses {
            range,
            given: Mutex::default(),
        }
    }

    /// Completes a service with what it has, or else with something free. What a service asks for
    /// by itself must be free and within the range. What is newly taken is free again unless it is
    /// kept.
    pub(super) fn allocate(
        &self,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Taken<'_>, Status> {
        let kind = object::text(service, &["spec", "type"]).to_owned();
        if kind == "ExternalName" {
            return Ok(Taken::nothing(self));
        }
        let mut given = self.given();
        let had = old
            .map(|old| object::text(old, &["spec", "clusterIP"]))
            .unwrap_or("");
        let asked = object::text(service, &["spec", "clusterIP"]).to_owned();
        let address = match (asked.as_str(), had) {
            (asked, had) if !asked.is_empty() && !had.is_empty() && asked != had => {
                let cause = Cause {
                    field: "spec.clusterIPs[0]".to_owned(),
                    reason: "FieldValueInvalid",
                    message: format!("Invalid value: [\"{asked}\"]: may not change once set"),
                };
                return Err(Status::invalid("Service", object::name(service), &[cause]));
            }
            ("None", _) => None,
            ("", "") | ("", "None") => Some(
                given
                    .free_address(&self.range)
                    .ok_or_else(|| exhausted("addresses"))?,
            ),
            ("", had) => had.parse().ok(),
            (asked, had) if asked == had => asked.parse().ok(),
            (asked, _) => Some(self.check(service, asked, &given)?),
        };
        let written = address.map_or_else(|| "None".to_owned(), |it| it.to_string());
        service["spec"]["clusterIP"] = json!(written);
        service["spec"]["clusterIPs"] = json!([written]);
        let mut ports = BTreeSet::new();
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
            ports = given.complete_ports(service, old)?;
        } else if old.is_some_and(|old| object::text(old, &["spec", "type"]) != kind)
            && let Some(ports) = service["spec"]["ports"].as_array_mut()
        {
            for port in ports.iter_mut().filter_map(Value::as_object_mut) {
                port.remove("nodePort");
            }
        }
        let mut taken = Taken::nothing(self);
        if !dry_run {
            taken.address = address.filter(|it| given.addresses.insert(*it));
            ports.retain(|it| given.ports.insert(*it));
            taken.ports = ports;
        }
        Ok(taken)
    }

    /// Takes back what a service had and no longer has.
    pub(super) fn settle(&self, new: Option<&Value>, old: Option<&Value>) {
        let mut given = self.given();
        for object in old.into_iter() {
            let (addresses, ports) = held(object);
            given.addresses.retain(|it| Some(*it) != addresses);
            given.ports.retain(|it| !ports.contains(it));
        }
        for object in new.into_iter() {
            let (address, ports) = held(object);
            given.addresses.extend(address);
            given.ports.extend(ports);
        }
    }

    fn check(&self, service: &Value, asked: &str, given: &Given) -> Result<Ipv4Addr, Status> {
        let refuse = |message: String| {
            let cause = Cause {
                field: "spec.clusterIPs".to_owned(),
                reason: "FieldValueInvalid",
                message: format!("Invalid value: [\"{asked}\"]: {message}"),
            };
            Status::invalid("Service", object::name(service), &[cause])
        };
        let address: Ipv4Addr = asked
            .parse()
            .map_err(|_| refuse("must be a valid IP address".to_owned()))?;
        if !self.range.contains(&address) {
            let (first, last) = (self.range.start(), self.range.end());
            return Err(refuse(format!(
                "failed to allocate IP {asked}: the provided IP is not in the valid range. The \
                 range of valid IPs is {first}-{last}"
            )));
        }
        if given.addresses.contains(&address) {
            return Err(refuse(format!(
                "failed to allocate IP {asked}: provided IP is already allocated"
            )));
        }
        Ok(address)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    fn free_address(&self, range: &RangeInclusive<Ipv4Addr>) -> Option<Ipv4Addr> {
        let (first, last) = (range.start().to_bits(), range.end().to_bits());
        (first..=last).map(Ipv4Addr::from_bits).find(|address| {
            // Names of networks and broadcast addresses of /24s are left alone, as people expect.
            !matches!(address.octets()[3], 0 | 255) && !self.addresses.contains(address)
        })
    }

    fn complete_ports(
        &self,
        service: &mut Value,
        old: Option<&Value>,
    ) -> Result<BTreeSet<u16>, Status> {
        let had: BTreeSet<u16> = old.map(|old| held(old).1).unwrap_or_default();
        let name = object::name(service).to_owned();
        let mut taken = held(service).1;
        if let Some(port) = taken
            .difference(&had)
            .find(|port| self.ports.contains(port))
        {
            let cause = Cause {
                field: "spec.ports[0].nodePort".to_owned(),
                reason: "FieldValueInvalid",
                message: format!("Invalid value: {port}: provided port is already allocated"),
            };
            return Err(Status::invalid("Service", &name, &[cause]));
        }
        let ports = service["spec"]["ports"].as_array_mut();
        for port in ports.into_iter().flatten() {
            if port["nodePort"].as_u64().unwrap_or(0) != 0 {
                continue;
            }
            let kept = old.and_then(|old| {
                object::list(old, &["spec", "ports"])
                    .iter()
                    .find(|it| it["port"] == port["port"] && it["protocol"] == port["protocol"])
                    .and_then(|it| it["nodePort"].as_u64())
                    .and_then(|it| u16::try_from(it).ok())
            });
            let free = || {
                NODE_PORTS
                    .clone()
                    .find(|it| !self.ports.contains(it) && !taken.contains(it))
            };
            let chosen = kept.or_else(free).ok_or_else(|| exhausted("node ports"))?;
            port["nodePort"] = json!(chosen);
            taken.insert(chosen);
        }
        Ok(taken)
    }
}

/// What one write has newly taken: free again when this is dropped, for most writes that fail do
/// so after they have passed here.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    from: &'a Addresses,
    address: Option<Ipv4Addr>,
    ports: BTreeSet<u16>,
}

impl<'a> Taken<'a> {
    pub(super) fn nothing(from: &'a Addresses) -> Taken<'a> {
        Taken {
            from,
            address: None,
            ports: BTreeSet::new(),
        }
    }

    /// The write has happened.
    pub(crate) fn keep(mut self) {
        self.address = None;
        self.ports.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.address.is_none() && self.ports.is_empty() {
            return;
        }
        let mut given = self.from.given();
        if let Some(address) = &self.address {
            given.addresses.remove(address);
        }
        for port in &self.ports {
            given.ports.remove(port);
        }
    }
}

fn held(service: &Value) -> (Option<Ipv4Addr>, BTreeSet<u16>) {
    let address = object::text(service, &["spec", "clusterIP"]).parse().ok();
    let ports = object::list(service, &["spec", "ports"])
        .iter()
        .filter_map(|port| port["nodePort"].as_u64())
        .filter_map(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0)
        .collect();
    (address, ports)
}

fn exhausted(what: &str) -> Status {
    Status::internal(format!(
        "failed to allocate: no free {what} are left; delete some services"
    ))
}
