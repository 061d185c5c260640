//! The experiments that come with the project: one file a scenario, for the topology `shop`.

/// `(name, YAML)` of each, by name.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    SHIPPED
}

macro_rules! files {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../../chaos/", $name, ".yaml"))),)*]
    };
}

const SHIPPED: &[(&str, &str)] = files![
    "cart-benign-deployment",
    "cart-clock-skew",
    "cart-error-burst",
    "catalog-cache-failure",
    "catalog-cache-stampede",
    "catalog-latency-constant",
    "catalog-log-flood",
    "checkout-bad-deployment",
    "cloud-a-cloud-b-link-lossy",
    "cloud-a-on-prem-link-slow",
    "cloud-a-on-prem-partition",
    "demo",
    "edge-too-few-workers",
    "inventory-latency-heavy-tail",
    "ledger-database-slow",
    "ledger-dns-failure",
    "legacy-core-down",
    "marketing-peak",
    "on-prem-planned-batch",
    "orders-pool-exhaustion",
    "orders-refund-route-failing",
    "orders-silent",
    "partner-client-failing",
    "payments-certificate-expiry",
    "payments-retry-storm",
    "payments-timeout-too-short",
    "recommendations-memory-leak",
    "search-cpu-contention",
    "search-latency-jitter",
    "search-log-format-change",
    "search-rate-limiting",
    "shipping-consumer-stopped",
    "slow-link-and-bad-deployment",
    "statements-authentication-failure",
    "statements-slow-ramp",
    "stock-lock-contention",
    "tenant-acme-failing",
    "traffic-drop",
    "traffic-surge",
    "web-one-replica-failing",
];
