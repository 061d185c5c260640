//! Small conversions from the monitor's words to those of the wire, used by several endpoints.

use std::collections::BTreeMap;

use monitor_api as wire;
use monitor_core::{ApiKey, ApiState, ServiceKey, Time, View};

/// The stable name of an Api: FNV-1a, 64 bits, over the parts of its key, each with its length
/// before it so that no two keys read the same.
pub(crate) fn api_id(key: &ApiKey) -> String {
    let parts = [
        &key.environment,
        &key.service.namespace,
        &key.service.name,
        &key.method,
        &key.route,
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for part in parts {
        eat(&(part.len() as u64).to_le_bytes());
        eat(part.as_bytes());
    }
    format!("{hash:016x}")
}

/// `None` before the first record: a watermark at the epoch means that there is none.
pub(crate) fn watermark(view: &View) -> Option<String> {
    (view.at > Time::EPOCH).then(|| view.at.to_string())
}

/// JSON has neither infinity nor NaN: what is not finite is not known.
pub(crate) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// For numbers that are always there.
pub(crate) fn or_zero(value: f64) -> f64 {
    finite(value).unwrap_or(0.0)
}

pub(crate) fn state(state: ApiState) -> wire::ApiState {
    match state {
        ApiState::Learning => wire::ApiState::Learning,
        ApiState::Ok => wire::ApiState::Ok,
        ApiState::AtRisk => wire::ApiState::AtRisk,
        ApiState::Anomalous => wire::ApiState::Anomalous,
        ApiState::Silent => wire::ApiState::Silent,
        ApiState::Paused => wire::ApiState::Paused,
    }
}

pub(crate) fn band(band: monitor_core::Band) -> wire::Band {
    wire::Band {
        lower: finite(band.lower),
        upper: finite(band.upper),
    }
}

/// Adds one to a state's count.
pub(crate) fn count_state(counts: &mut BTreeMap<wire::ApiState, u64>, of: ApiState) {
    *counts.entry(state(of)).or_insert(0) += 1;
}

/// The filters that most lists share.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) service: Option<&'a str>,
    pub(crate) environment: Option<&'a str>,
}

impl Place<'_> {
    /// A service is named `name` in any namespace, or `namespace/name`.
    pub(crate) fn holds(&self, service: &ServiceKey, environment: &str) -> bool {
        self.environment.is_none_or(|wanted| wanted == environment) && self.is_service(service)
    }

    pub(crate) fn is_service(&self, service: &ServiceKey) -> bool {
        self.service.is_none_or(|wanted| {
            *service.name == *wanted
                || wanted
                    .strip_suffix(&*service.name)
                    .and_then(|rest| rest.strip_suffix('/'))
                    .is_some_and(|namespace| *namespace == *service.namespace)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str, name: &str, route: &str) -> ApiKey {
        ApiKey {
            environment: "cloud-a".into(),
            service: ServiceKey::new(namespace, name),
            method: "GET".into(),
            route: route.into(),
        }
    }

    #[test]
    fn ids_are_stable_and_tell_keys_apart() {
        assert_eq!(
            api_id(&key("shop", "orders", "/orders")),
            "0bc42b14d30481a0"
        );
        assert_ne!(api_id(&key("a", "bc", "/")), api_id(&key("ab", "c", "/")));
    }

    #[test]
    fn services_are_found_by_either_name() {
        let orders = ServiceKey::new("shop", "orders");
        for (wanted, found) in [
            ("orders", true),
            ("shop/orders", true),
            ("other/orders", false),
            ("shop/", false),
            ("", false),
        ] {
            let place = Place {
                service: Some(wanted),
                environment: None,
            };
            assert_eq!(place.is_service(&orders), found, "{wanted}");
        }
    }
}
