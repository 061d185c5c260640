//! Metrics of Apis: what is measured, what is expected, and how unusual it is.

use monitor_core::{ApiState, ApiView, SignalView};

use super::exposition::{Exposition, Kind};

/// Apis that have series of their own. Each has about forty, so this is some 80 000 series: what a
/// small Prometheus takes well. The engine's limit is higher; what is beyond this one is summed.
const MOST_APIS: usize = 2_000;

/// Visible, so that nobody wonders where the calls are.
const OTHER: &str = "~other";

pub(super) fn write(out: &mut Exposition, apis: &[ApiView]) {
    // By age, not by trouble: a series must not come and go as others get better or worse.
    let mut apis: Vec<&ApiView> = apis.iter().collect();
    apis.sort_by(|a, b| (a.first_seen, &a.key).cmp(&(b.first_seen, &b.key)));
    let others = apis.split_off(apis.len().min(MOST_APIS));

    let mut requests = out.family(
        "crosswatch_api_requests_total",
        Kind::Counter,
        "Finished requests to an Api, as its logs, spans or metrics tell.",
    );
    for api in &apis {
        requests.sample(&labels(api), api.calls_total as f64);
    }
    if !others.is_empty() {
        let sum: u64 = others.iter().map(|api| api.calls_total).sum();
        requests.sample(&OTHER_LABELS, sum as f64);
    }

    let mut errors = out.family(
        "crosswatch_api_errors_total",
        Kind::Counter,
        "Requests that ended in a server error.",
    );
    for api in &apis {
        errors.sample(&labels(api), api.errors_total as f64);
    }
    if !others.is_empty() {
        let sum: u64 = others.iter().map(|api| api.errors_total).sum();
        errors.sample(&OTHER_LABELS, sum as f64);
    }

    let mut durations = out.family(
        "crosswatch_api_request_duration_seconds",
        Kind::Summary,
        "Response times of the last minute.",
    );
    for api in &apis {
        for (quantile, value) in [("0.5", api.p50), ("0.95", api.p95), ("0.99", api.p99)] {
            if let Some(value) = value {
                durations.sample(&with(labels(api), "quantile", quantile), value);
            }
        }
    }

    write_state(out, &apis);
    write_signals(out, &apis);

    out.family(
        "crosswatch_api_overflowing",
        Kind::Gauge,
        "Apis without series of their own, summed under ~other because there are too many.",
    )
    .sample(&[], others.len() as f64);
}

fn write_state(out: &mut Exposition, apis: &[&ApiView]) {
    let mut states = out.family(
        "crosswatch_api_state",
        Kind::Gauge,
        "1 for the state that an Api is in, 0 for the others.",
    );
    for api in apis {
        for state in ApiState::ALL {
            let is = f64::from(u8::from(api.state == state));
            states.sample(&with(labels(api), "state", state.as_str()), is);
        }
    }
    let mut last_seen = out.family(
        "crosswatch_api_last_seen_timestamp_seconds",
        Kind::Gauge,
        "When the last request to an Api ended.",
    );
    for api in apis {
        last_seen.sample(&labels(api), seconds(api.last_seen));
    }
}

/// The names and the scale are those of vmanomaly: a score above 1 is anomalous.
fn write_signals(out: &mut Exposition, apis: &[&ApiView]) {
    type Read = fn(&SignalView) -> Option<f64>;
    let families: [(&str, &str, Read); 5] = [
        (
            "crosswatch_api_anomaly_score",
            "How unusual a signal of an Api is: at most 1 is normal.",
            |signal| Some(signal.score.get()),
        ),
        (
            "crosswatch_api_y",
            "A signal of an Api now, in the unit that the label `for` names.",
            |signal| signal.actual,
        ),
        (
            "crosswatch_api_yhat",
            "What is expected of a signal of an Api.",
            |signal| signal.typical,
        ),
        (
            "crosswatch_api_yhat_lower",
            "The lower end of what is expected of a signal of an Api.",
            |signal| signal.band.map(|band| band.lower),
        ),
        (
            "crosswatch_api_yhat_upper",
            "The upper end of what is expected of a signal of an Api.",
            |signal| signal.band.map(|band| band.upper),
        ),
    ];
    for (name, help, read) in families {
        let mut family = out.family(name, Kind::Gauge, help);
        for api in apis {
            for (signal, view) in [
                ("calls_per_second", &api.rate_signal),
                ("error_ratio", &api.error_signal),
                ("latency_seconds", &api.latency_signal),
            ] {
                if let Some(value) = read(view) {
                    family.sample(&with(labels(api), "for", signal), value);
                }
            }
        }
    }
}

const OTHER_LABELS: [(&str, &str); 5] = [
    ("service", OTHER),
    ("namespace", ""),
    ("environment", OTHER),
    ("method", ""),
    ("route", OTHER),
];

fn labels(api: &ApiView) -> [(&str, &str); 5] {
    let key = &api.key;
    [
        ("service", &key.service.name),
        ("namespace", &key.service.namespace),
        ("environment", &key.environment),
        ("method", &key.method),
        ("route", &key.route),
    ]
}

fn with<'a>(
    labels: [(&'a str, &'a str); 5],
    name: &'a str,
    value: &'a str,
) -> [(&'a str, &'a str); 6] {
    let [a, b, c, d, e] = labels;
    [a, b, c, d, e, (name, value)]
}

pub(super) fn seconds(time: monitor_core::Time) -> f64 {
    time.as_millis() as f64 / 1e3
}
