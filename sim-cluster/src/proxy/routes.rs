//! Which addresses a service listens on, and who answers there. Pure.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use serde_json::Value;

use crate::{
    kubelet::Ports,
    object::{list, text},
};

/// Ready endpoints by the address that leads to them; an address without any is left out.
pub(super) type Routes = BTreeMap<SocketAddr, Vec<SocketAddr>>;

/// The routes of one service with its endpoint slices.
pub(super) fn of(service: &Value, slices: &[&Value], ports: Ports, nodes: &[Ipv4Addr]) -> Routes {
    let mut routes = Routes::new();
    let Ok(address) = text(service, &["spec", "clusterIP"]).parse::<IpAddr>() else {
        return routes;
    };
    let number = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    for port in list(service, &["spec", "ports"]) {
        if !matches!(text(port, &["protocol"]), "" | "TCP") {
            continue;
        }
        let endpoints = ready(slices, text(port, &["name"]));
        if endpoints.is_empty() {
            continue;
        }
        if let Some(number) = number(&port["port"]) {
            let listen = SocketAddr::new(address, ports.listening(number));
            routes.insert(listen, endpoints.clone());
        }
        if let Some(number) = number(&port["nodePort"]).filter(|port| *port > 0) {
            for node in nodes {
                routes.insert(SocketAddr::new((*node).into(), number), endpoints.clone());
            }
        }
    }
    routes
}

fn ready(slices: &[&Value], port_name: &str) -> Vec<SocketAddr> {
    let mut ready = Vec::new();
    for slice in slices {
        let named = list(slice, &["ports"])
            .iter()
            .find(|port| text(port, &["name"]) == port_name);
        let port = named
            .and_then(|port| port["port"].as_u64())
            .and_then(|port| u16::try_from(port).ok());
        let Some(port) = port else { continue };
        for endpoint in list(slice, &["endpoints"]) {
            // Nothing said means ready.
            if endpoint["conditions"]["ready"] == false {
                continue;
            }
            let addresses = list(endpoint, &["addresses"]).iter();
            let addresses = addresses.filter_map(|address| address.as_str()?.parse().ok());
            ready.extend(addresses.map(|address: IpAddr| SocketAddr::new(address, port)));
        }
    }
    ready.sort();
    ready.dedup();
    ready
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(service: &Value, expected: &Expect) {
        let slice = json!({
            "ports": [{ "name": "http", "port": 8080 }, { "name": "admin", "port": 9090 }],
            "endpoints": [
                { "addresses": ["127.20.64.2"], "conditions": { "ready": true } },
                { "addresses": ["127.20.64.1"] },
                { "addresses": ["127.20.64.3"], "conditions": { "ready": false } },
            ],
        });
        let nodes = [Ipv4Addr::new(127, 20, 0, 2)];
        let ports = Ports { first_free: 1024 };
        let said: String = of(service, &[&slice], ports, &nodes)
            .iter()
            .map(|(listen, endpoints)| format!("{listen} -> {endpoints:?}\n"))
            .collect();
        expected.assert_eq(&said);
    }

    #[test]
    fn every_port_leads_to_the_ready_endpoints_of_its_name() {
        check(
            &json!({ "spec": { "clusterIP": "127.20.1.1", "ports": [
                { "name": "http", "port": 80, "nodePort": 30080 },
                { "name": "admin", "port": 9000 },
                { "name": "other", "port": 9001 },
                { "name": "http", "port": 53, "protocol": "UDP" },
            ] } }),
            &expect![[r#"
                127.20.0.2:30080 -> [127.20.64.1:8080, 127.20.64.2:8080]
                127.20.1.1:9000 -> [127.20.64.1:9090, 127.20.64.2:9090]
                127.20.1.1:20080 -> [127.20.64.1:8080, 127.20.64.2:8080]
            "#]],
        );
        check(
            &json!({ "spec": { "clusterIP": "None", "ports": [{ "name": "http", "port": 80 }] } }),
            &expect![""],
        );
    }
}
