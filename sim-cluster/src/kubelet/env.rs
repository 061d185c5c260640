//! The environment variables of a container.
//!
//! Decides from objects that were read before; what is missing is said as the kubelet says it, for
//! the state `CreateContainerConfigError`.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use base64::Engine as _;
use serde_json::Value;

use super::{
    Ports,
    downward::{self, Placed},
    expand::expand,
};
use crate::object::{at, list, name, namespace, text};

/// Objects of the pod's namespace that its containers may refer to.
pub(super) trait Referred {
    fn config_map(&self, name: &str) -> Option<Arc<Value>>;
    fn secret(&self, name: &str) -> Option<Arc<Value>>;
}

/// All variables of a container: of services, then `envFrom`, then `env`, where later ones win and
/// may refer to earlier ones.
pub(super) fn environment(
    pod: &Value,
    container: &Value,
    placed: &Placed,
    services: &BTreeMap<String, String>,
    referred: &dyn Referred,
) -> Result<BTreeMap<String, String>, String> {
    let mut variables = services.clone();
    for source in list(container, &["envFrom"]) {
        from_all(source, referred, &mut variables)?;
    }
    for entry in list(container, &["env"]) {
        let value = match entry.get("valueFrom") {
            None => Some(expand(text(entry, &["value"]), &variables)),
            Some(from) => one_value(pod, container, placed, from, referred)?,
        };
        if let Some(value) = value {
            variables.insert(text(entry, &["name"]).to_owned(), value);
        }
    }
    Ok(variables)
}

fn from_all(
    source: &Value,
    referred: &dyn Referred,
    variables: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let prefix = text(source, &["prefix"]);
    let (data, is_optional) = if let Some(reference) = source.get("configMapRef") {
        let named = text(reference, &["name"]);
        let data = referred
            .config_map(named)
            .map(|map| texts(&map))
            .ok_or_else(|| format!("configmap \"{named}\" not found"));
        (data, reference["optional"] == true)
    } else if let Some(reference) = source.get("secretRef") {
        let named = text(reference, &["name"]);
        let data = referred
            .secret(named)
            .map(|secret| texts_of_secret(&secret))
            .ok_or_else(|| format!("secret \"{named}\" not found"));
        (data, reference["optional"] == true)
    } else {
        return Ok(());
    };
    match data {
        Ok(data) => {
            variables.extend(
                data.into_iter()
                    .map(|(key, value)| (format!("{prefix}{key}"), value)),
            );
            Ok(())
        }
        Err(_) if is_optional => Ok(()),
        Err(missing) => Err(missing),
    }
}

/// None when it is optional and absent.
fn one_value(
    pod: &Value,
    container: &Value,
    placed: &Placed,
    from: &Value,
    referred: &dyn Referred,
) -> Result<Option<String>, String> {
    if let Some(reference) = from.get("fieldRef") {
        return downward::field(pod, placed, text(reference, &["fieldPath"])).map(Some);
    }
    if let Some(reference) = from.get("resourceFieldRef") {
        let (resource, divisor) = (
            text(reference, &["resource"]),
            text(reference, &["divisor"]),
        );
        return downward::resource(container, placed, resource, divisor).map(Some);
    }
    let (kind, reference, data) = if let Some(reference) = from.get("configMapKeyRef") {
        let data = referred.config_map(text(reference, &["name"]));
        ("ConfigMap", reference, data.map(|map| texts(&map)))
    } else if let Some(reference) = from.get("secretKeyRef") {
        let data = referred.secret(text(reference, &["name"]));
        (
            "Secret",
            reference,
            data.map(|secret| texts_of_secret(&secret)),
        )
    } else {
        return Err("a variable has a source that is not supported".to_owned());
    };
    let (named, key) = (text(reference, &["name"]), text(reference, &["key"]));
    let value = match data {
        None => Err(format!("{} \"{named}\" not found", kind.to_lowercase())),
        Some(mut data) => data.remove(key).ok_or_else(|| {
            format!(
                "couldn't find key {key} in {kind} {}/{named}",
                namespace(pod)
            )
        }),
    };
    match value {
        Ok(value) => Ok(Some(value)),
        Err(_) if reference["optional"] == true => Ok(None),
        Err(missing) => Err(missing),
    }
}

fn texts(config_map: &Value) -> BTreeMap<String, String> {
    let pairs = config_map["data"].as_object().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn texts_of_secret(secret: &Value) -> BTreeMap<String, String> {
    let pairs = secret["data"].as_object().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| {
            let bytes = decoded(value.as_str()?)?;
            Some((key.clone(), String::from_utf8_lossy(&bytes).into_owned()))
        })
        .collect()
}

/// The bytes of a Secret's value; none when it is not base64.
pub(super) fn decoded(value: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(value).ok()
}

/// The variables that tell of services: those of the pod's namespace unless it wants none, and
/// always the API server.
///
/// Names follow Docker's links: `WEB_SERVICE_HOST`, `WEB_PORT_80_TCP_ADDR`, …
pub(super) fn of_services(
    pod: &Value,
    services: &[Arc<Value>],
    api: SocketAddr,
    listening: Ports,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let wants_links = at(pod, &["spec", "enableServiceLinks"]) != &Value::Bool(false);
    for service in services.iter().filter(|_| wants_links) {
        let address = text(service, &["spec", "clusterIP"]);
        let is_kubernetes = name(service) == "kubernetes" && namespace(service) == "default";
        if namespace(service) != namespace(pod)
            || address.is_empty()
            || address == "None"
            || is_kubernetes
        {
            continue;
        }
        let ports: Vec<(String, u64, String)> = list(service, &["spec", "ports"])
            .iter()
            .map(|port| {
                let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
                let number = port["port"].as_u64().unwrap_or(0);
                let moved = u16::try_from(number).map(|port| listening.listening(port));
                let number = moved.map_or(number, u64::from);
                (text(port, &["name"]).to_owned(), number, protocol)
            })
            .collect();
        links(&mut variables, name(service), address, &ports);
    }
    let port = u64::from(api.port());
    let ports = [("https".to_owned(), port, "TCP".to_owned())];
    links(&mut variables, "kubernetes", &api.ip().to_string(), &ports);
    variables
}

fn links(
    variables: &mut BTreeMap<String, String>,
    service: &str,
    address: &str,
    ports: &[(String, u64, String)],
) {
    let upper = |name: &str| name.to_uppercase().replace('-', "_");
    let prefix = upper(service);
    let mut set = |name: String, value: String| variables.insert(name, value);
    set(format!("{prefix}_SERVICE_HOST"), address.to_owned());
    for (index, (port_name, port, protocol)) in ports.iter().enumerate() {
        let lower = protocol.to_lowercase();
        if index == 0 {
            set(format!("{prefix}_SERVICE_PORT"), port.to_string());
            set(
                format!("{prefix}_PORT"),
                format!("{lower}://{address}:{port}"),
            );
        }
        if !port_name.is_empty() {
            set(
                format!("{prefix}_SERVICE_PORT_{}", upper(port_name)),
                port.to_string(),
            );
        }
        let link = format!("{prefix}_PORT_{port}_{protocol}");
        set(format!("{link}_ADDR"), address.to_owned());
        set(format!("{link}_PORT"), port.to_string());
        set(format!("{link}_PROTO"), lower.clone());
        set(link, format!("{lower}://{address}:{port}"));
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    struct Shelf;

    impl Referred for Shelf {
        fn config_map(&self, name: &str) -> Option<Arc<Value>> {
            (name == "app")
                .then(|| Arc::new(json!({ "data": { "LEVEL": "info", "REGION": "eu" } })))
        }

        fn secret(&self, name: &str) -> Option<Arc<Value>> {
            (name == "keys").then(|| Arc::new(json!({ "data": { "token": "c2VjcmV0" } })))
        }
    }

    fn check(container: &Value, expected: &Expect) {
        let pod = json!({ "metadata": { "name": "a-1", "namespace": "shop" } });
        let placed = Placed {
            pod_ip: "127.20.64.5".to_owned(),
            host_ip: "127.20.0.2".to_owned(),
            allocatable_cores: 4.0,
            allocatable_bytes: 1e9,
        };
        let services = [("WEB_SERVICE_HOST".to_owned(), "127.20.1.1".to_owned())];
        let got = environment(
            &pod,
            container,
            &placed,
            &services.into_iter().collect(),
            &Shelf,
        );
        let said = match got {
            Ok(variables) => variables
                .iter()
                .map(|(name, value)| format!("{name}={value}\n"))
                .collect(),
            Err(error) => error,
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn later_variables_refer_to_earlier_ones_and_win_over_them() {
        check(
            &json!({
                "envFrom": [
                    { "configMapRef": { "name": "app" }, "prefix": "APP_" },
                    { "secretRef": { "name": "none", "optional": true } },
                ],
                "env": [
                    { "name": "POD_IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
                    { "name": "LISTEN", "value": "$(POD_IP):80" },
                    { "name": "APP_LEVEL", "value": "debug" },
                    { "name": "WEB", "value": "http://$(WEB_SERVICE_HOST) $(LATER)" },
                    { "name": "LATER", "value": "x" },
                    { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "token" } } },
                    { "name": "GONE", "valueFrom": { "configMapKeyRef": { "name": "app", "key": "x", "optional": true } } },
                ],
            }),
            &expect![[r#"
                APP_LEVEL=debug
                APP_REGION=eu
                LATER=x
                LISTEN=127.20.64.5:80
                POD_IP=127.20.64.5
                TOKEN=secret
                WEB=http://127.20.1.1 $(LATER)
                WEB_SERVICE_HOST=127.20.1.1
            "#]],
        );
    }

    #[test]
    fn what_is_missing_is_said_as_the_kubelet_says_it() {
        let from = |source: Value| json!({ "env": [{ "name": "A", "valueFrom": source }] });
        check(
            &from(json!({ "configMapKeyRef": { "name": "none", "key": "x" } })),
            &expect![[r#"configmap "none" not found"#]],
        );
        check(
            &from(json!({ "secretKeyRef": { "name": "keys", "key": "x" } })),
            &expect!["couldn't find key x in Secret shop/keys"],
        );
        check(
            &json!({ "envFrom": [{ "secretRef": { "name": "none" } }] }),
            &expect![[r#"secret "none" not found"#]],
        );
    }

    #[test]
    fn services_of_the_namespace_are_told_as_links() {
        let service = |name: &str, namespace: &str, address: &str| {
            Arc::new(json!({
                "metadata": { "name": name, "namespace": namespace },
                "spec": { "clusterIP": address, "ports": [{ "name": "http-api", "port": 8080 }, { "port": 81 }] },
            }))
        };
        let services = [
            service("web-shop", "shop", "127.20.1.1"),
            service("headless", "shop", "None"),
            service("elsewhere", "other", "127.20.1.2"),
        ];
        let pod = json!({ "metadata": { "namespace": "shop" } });
        let api: SocketAddr = "127.0.0.1:6443".parse().unwrap();
        let said: String = of_services(&pod, &services, api, Ports { first_free: 1024 })
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        expect![[r#"
            KUBERNETES_PORT=tcp://127.0.0.1:6443
            KUBERNETES_PORT_6443_TCP=tcp://127.0.0.1:6443
            KUBERNETES_PORT_6443_TCP_ADDR=127.0.0.1
            KUBERNETES_PORT_6443_TCP_PORT=6443
            KUBERNETES_PORT_6443_TCP_PROTO=tcp
            KUBERNETES_SERVICE_HOST=127.0.0.1
            KUBERNETES_SERVICE_PORT=6443
            KUBERNETES_SERVICE_PORT_HTTPS=6443
            WEB_SHOP_PORT=tcp://127.20.1.1:8080
            WEB_SHOP_PORT_20081_TCP=tcp://127.20.1.1:20081
            WEB_SHOP_PORT_20081_TCP_ADDR=127.20.1.1
            WEB_SHOP_PORT_20081_TCP_PORT=20081
            WEB_SHOP_PORT_20081_TCP_PROTO=tcp
            WEB_SHOP_PORT_8080_TCP=tcp://127.20.1.1:8080
            WEB_SHOP_PORT_8080_TCP_ADDR=127.20.1.1
            WEB_SHOP_PORT_8080_TCP_PORT=8080
            WEB_SHOP_PORT_8080_TCP_PROTO=tcp
            WEB_SHOP_SERVICE_HOST=127.20.1.1
            WEB_SHOP_SERVICE_PORT=8080
            WEB_SHOP_SERVICE_PORT_HTTP_API=8080
        "#]]
        .assert_eq(&said);
    }
}
