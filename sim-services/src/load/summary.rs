//! How the platform was for its clients, for people as a table and for machines as JSON.

use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub from: Moment,
    pub to: Moment,
    /// That began.
    pub journeys: u64,
    /// That did not begin because too many were under way.
    pub shed: u64,
    /// Requests that were not over yet (or were given up when the load stopped); in none of the
    /// other figures.
    pub under_way: u64,
    /// By how much requests were sent after they were meant to be. It is within the latencies;
    /// more than a few milliseconds tell of a generator that had too little time itself.
    pub late: Latency,
    pub all: RouteSummary,
    /// By name.
    pub routes: Vec<RouteSummary>,
}

/// Requests that were over in the time of the summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteSummary {
    pub route: String,
    pub requests: u64,
    pub per_second: f64,
    /// Answered with 5xx, or not at all.
    pub failed_ratio: f64,
    /// Answered with 429.
    pub throttled_ratio: f64,
    /// Of all, however they ended.
    pub latency: Latency,
}

/// With three digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Latency {
    pub(super) fn of(micros: &Histogram<u64>) -> Latency {
        let at = |quantile| micros.value_at_quantile(quantile) as f64 / 1e3;
        Latency {
            mean_ms: micros.mean() / 1e3,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: micros.max() as f64 / 1e3,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.to.since(self.from).as_secs_f64();
        write!(
            f,
            "{} journeys in {length:.1} s; {} requests ({:.1}/s), {} failed, {} throttled",
            self.journeys,
            self.all.requests,
            self.all.per_second,
            percent(self.all.failed_ratio),
            percent(self.all.throttled_ratio),
        )?;
        if self.under_way > 0 {
            write!(f, "; {} under way", self.under_way)?;
        }
        if self.shed > 0 {
            write!(f, "; {} journeys shed, too many were under way", self.shed)?;
        }
        let title = "latency in ms";
        let width = (self.routes.iter().map(|route| route.route.as_str()))
            .chain([title])
            .map(|name| name.chars().count())
            .max()
            .unwrap_or_default();
        write!(
            f,
            "\n\n{:width$}  {:>8}  {:>8}  {:>7}  {:>9}",
            title, "requests", "per s", "failed", "throttled",
        )?;
        for column in ["p50", "p90", "p99", "p99.9", "max"] {
            write!(f, "  {column:>8}")?;
        }
        for route in self.routes.iter().chain([&self.all]) {
            write!(
                f,
                "\n{:width$}  {:>8}  {:>8.1}  {:>7}  {:>9}",
                route.route,
                route.requests,
                route.per_second,
                percent(route.failed_ratio),
                percent(route.throttled_ratio),
            )?;
            let latency = route.latency;
            for ms in [
                latency.p50_ms,
                latency.p90_ms,
                latency.p99_ms,
                latency.p999_ms,
                latency.max_ms,
            ] {
                write!(f, "  {ms:>8.1}")?;
            }
        }
        write!(
            f,
            "\n\nsent late by (within the latencies): p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
            self.late.p50_ms, self.late.p99_ms, self.late.max_ms,
        )
    }
}

fn percent(ratio: f64) -> String {
    format!("{:.2} %", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::*;

    fn route(route: &str, requests: u64, factor: f64) -> RouteSummary {
        RouteSummary {
            route: route.into(),
            requests,
            per_second: requests as f64 / 60.0,
            failed_ratio: 0.0125 * factor,
            throttled_ratio: 0.0,
            latency: Latency {
                mean_ms: 9.0 * factor,
                p50_ms: 8.1 * factor,
                p90_ms: 14.25 * factor,
                p99_ms: 40.5 * factor,
                p999_ms: 1_200.0 * factor,
                max_ms: 8_003.0,
            },
        }
    }

    fn summary() -> Summary {
        let from = Moment::from_secs(1_767_571_200);
        Summary {
            from,
            to: from + Duration::from_secs(60),
            journeys: 1_213,
            shed: 0,
            under_way: 0,
            late: Latency {
                mean_ms: 0.5,
                p50_ms: 0.51,
                p90_ms: 0.9,
                p99_ms: 1.02,
                p999_ms: 1.1,
                max_ms: 3.2,
            },
            all: route("all", 3_012, 1.0),
            routes: vec![
                route("GET /api/products/{id}", 2_012, 0.5),
                route("POST /api/checkout", 1_000, 2.0),
            ],
        }
    }

    #[test]
    fn people_read_a_table() {
        expect![[r#"
            1213 journeys in 60.0 s; 3012 requests (50.2/s), 1.25 % failed, 0.00 % throttled

            latency in ms           requests     per s   failed  throttled       p50       p90       p99     p99.9       max
            GET /api/products/{id}      2012      33.5   0.62 %     0.00 %       4.0       7.1      20.2     600.0    8003.0
            POST /api/checkout          1000      16.7   2.50 %     0.00 %      16.2      28.5      81.0    2400.0    8003.0
            all                         3012      50.2   1.25 %     0.00 %       8.1      14.2      40.5    1200.0    8003.0

            sent late by (within the latencies): p50 0.5 ms, p99 1.0 ms, at most 3.2 ms"#]].assert_eq(&summary().to_string());
    }

    #[test]
    fn what_was_left_out_is_said() {
        let text = Summary {
            shed: 17,
            under_way: 4,
            ..summary()
        }
        .to_string();
        let first = text.lines().next().unwrap();
        expect!["1213 journeys in 60.0 s; 3012 requests (50.2/s), 1.25 % failed, 0.00 % throttled; 4 under way; 17 journeys shed, too many were under way"].assert_eq(first);
    }

    #[test]
    fn machines_read_json() {
        let json = serde_json::to_string(&summary()).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary());
    }
}
