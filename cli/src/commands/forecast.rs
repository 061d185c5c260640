//! `crosswatch forecast`: what will break next, what to expect of an Api, and how true such words have been.

use anyhow::bail;
use clap::Args;
use jiff::{Span, SpanRound, Unit};
use monitor_api::client::Client;
use monitor_api::{
    Api, ApiForecast, ApisQuery, FailureRecord, JourneyChance, Measure, Predictions,
    PredictionsQuery, Risk, SignalForecast, TrackRecord,
};
use monitor_core::Stretches;
use owo_colors::OwoColorize;
use serde::Serialize;

use super::search::Place;

/// Chances of types of journeys below this are not worth a word.
const LIKELY: f64 = 0.05;
/// Apis of which forecasts are shown.
const APIS: usize = 10;

const TRAFFIC: &str = "traffic";
const RESPONSE_TIME: &str = "response time";

/// What will break next, what to expect of an Api, and how true such words have been.
///
/// Without an Api: which limits will be crossed and when, which journeys are likely to fail, and what
/// came of what was said before. With one: its traffic and response time from five minutes to seven
/// days ahead, between which nine of ten values will lie, and the chance that it fails soon.
///
/// Examples:
///   crosswatch forecast
///   crosswatch forecast shop/orders
///   crosswatch forecast 'cloud-a POST /orders' --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Command {
    /// An Api's id, or words that its environment, service, method or route contain.
    #[arg(value_name = "API")]
    api: Option<String>,

    #[command(flatten)]
    place: Place,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is expected of one of the Apis that were meant.
#[derive(Debug, Serialize)]
struct Expected {
    api: Api,
    forecast: ApiForecast,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    command.place.ask(async |client| match &command.api {
        None => {
            let found = client.predictions(&PredictionsQuery::default()).await?;
            if command.json {
                anstream::println!("{}", serde_json::to_string_pretty(&found)?);
            } else {
                anstream::print!("{}", predictions(&found));
            }
            Ok(())
        }
        Some(wanted) => {
            let (apis, others) = meant(client, wanted).await?;
            let mut found = Vec::new();
            for api in apis {
                let forecast = client.api_forecast(&api.id).await?;
                found.push(Expected { api, forecast });
            }
            if command.json {
                anstream::println!("{}", serde_json::to_string_pretty(&found)?);
            } else {
                let texts: Vec<String> = found.iter().map(expected).collect();
                anstream::print!("{}", texts.join("\n"));
            }
            if others > 0 {
                anstream::eprintln!("{others} more have `{wanted}`: give more of it");
            }
            Ok(())
        }
    })
}

/// The first Apis that are meant, and how many more.
async fn meant(client: &Client, wanted: &str) -> anyhow::Result<(Vec<Api>, usize)> {
    let all = ApisQuery {
        limit: Some(10_000),
        ..ApisQuery::default()
    };
    let mut apis = client.apis(&all).await?.items;
    apis.retain(|api| is_meant(api, wanted));
    if apis.is_empty() {
        bail!("no Api has `{wanted}` as its id or in its name, such as `shop/orders GET /orders`");
    }
    let others = apis.len().saturating_sub(APIS);
    apis.truncate(APIS);
    Ok((apis, others))
}

fn is_meant(api: &Api, wanted: &str) -> bool {
    let name = name(api).to_lowercase();
    let mut words = wanted.split_whitespace();
    api.id == wanted || words.all(|word| name.contains(&word.to_lowercase()))
}

fn name(api: &Api) -> String {
    let service = match api.namespace.as_str() {
        "" => api.service.clone(),
        namespace => format!("{namespace}/{}", api.service),
    };
    let operation = format!("{} {}", api.method, api.route);
    format!("{service} {} @ {}", operation.trim(), api.environment)
}

fn expected(of: &Expected) -> String {
    let forecast = &of.forecast;
    let mut text = format!("{}\n", name(&of.api).bold());
    text.push_str(&match forecast.failure_probability {
        Some(chance) => format!(
            "fails within {} with a chance of {}\n",
            lasting(forecast.failure_horizon_seconds),
            percent(chance).bold()
        ),
        None => "too little is known to say whether it fails\n".to_owned(),
    });
    if forecast.forecasts.is_empty() {
        text.push_str("no forecasts yet: they begin after some twenty minutes\n");
        return text;
    }
    text.push_str(&format!(
        "\n{:<14}  {:>6}  {:>15}  {:>33}  {:>11}\n",
        "of", "ahead", "median", "nine of ten between", "held so far"
    ));
    for signal in &forecast.forecasts {
        text.push_str(&row(signal));
    }
    text
}

fn row(signal: &SignalForecast) -> String {
    let what = match signal.measure {
        Measure::Rate => TRAFFIC,
        Measure::Latency => RESPONSE_TIME,
        _ => "other",
    };
    let value = |value| value_in(value, &signal.unit);
    let held = signal.coverage_ratio.map_or("-".to_owned(), percent);
    let between = match (signal.lower, signal.upper) {
        (None, None) => "not tried yet".to_owned(),
        (lower, upper) => format!("{} and {}", value(lower), value(upper)),
    };
    format!(
        "{what:<14}  {:>6}  {:>15}  {between:>33}  {held:>11}\n",
        lasting(signal.horizon_seconds),
        value(signal.median),
    )
}

fn predictions(all: &Predictions) -> String {
    let open: Vec<&Risk> = all.risks.iter().filter(|risk| risk.open).collect();
    let mut text = String::new();
    if open.is_empty() {
        text.push_str("nothing is foreseen to break\n");
    }
    for risk in open {
        text.push_str(&format!(
            "{}: {} about {}, between {} and {}, with a chance of {}\n  {}\n",
            risk.subject.name.bold(),
            risk.statistic,
            risk.expected,
            risk.earliest,
            risk.latest.as_deref().unwrap_or("never"),
            percent(risk.probability).bold(),
            risk.why,
        ));
    }
    text.push_str(&journeys(&all.journeys, &all.track_record.journeys));
    text.push('\n');
    text.push_str(&record(&all.track_record));
    text
}

fn journeys(all: &[JourneyChance], record: &FailureRecord) -> String {
    let within = lasting(record.horizon_seconds);
    let likely = all.iter().filter(|of| of.probability >= LIKELY);
    let mut text: String = likely
        .map(|of| match of.probability {
            1.0.. => format!("{}: its journeys fail or are late now\n", of.name.bold()),
            chance => format!(
                "{}: its journeys fail within {within} with a chance of {}\n",
                of.name.bold(),
                percent(chance).bold()
            ),
        })
        .collect();
    if text.is_empty() && !all.is_empty() {
        text = format!(
            "none of {} types of journeys is likely to fail within {within}\n",
            all.len()
        );
    }
    text
}

/// What was said before, and what came of it.
fn record(all: &TrackRecord) -> String {
    let risks = &all.risks;
    let score = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let mut text = format!(
        "so far {} risks were stated: {} came, {} stopped growing, {} did not come; {} limits were crossed unforeseen\n",
        risks.stated, risks.came, risks.averted, risks.not_come, risks.missed
    );
    for (what, of) in [
        ("an Api fails", &all.failures),
        ("a type of journeys fails", &all.journeys),
    ] {
        if of.judged > 0 {
            text.push_str(&format!(
                "that {what} within {}: said {} times, came {} times; Brier score {}, of the base rate {}\n",
                lasting(of.horizon_seconds),
                of.judged,
                of.failed,
                score(of.brier),
                score(of.base_brier),
            ));
        }
    }
    if !all.forecasts.is_empty() {
        text.push_str(&format!(
            "\n{:<14}  {:>6}  {:>8}  {:>14}\n",
            "forecasts of", "ahead", "compared", "within 90 %"
        ));
    }
    for of in &all.forecasts {
        let what = match of.measure.as_str() {
            "rate" => TRAFFIC,
            "latency" => RESPONSE_TIME,
            other => other,
        };
        let doubt = match of.stretches {
            Stretches::ENOUGH.. => "",
            _ => "  too early to say",
        };
        text.push_str(&format!(
            "{what:<14}  {:>6}  {:>8}  {:>14}{}\n",
            lasting(of.horizon_seconds),
            of.scored,
            of.coverage_ratio.map_or("-".to_owned(), percent),
            doubt.dimmed(),
        ));
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Days have 24 hours here.
fn lasting(seconds: u32) -> String {
    let rounding = SpanRound::new().largest(Unit::Day).days_are_24_hours();
    let span = Span::new().seconds(i64::from(seconds));
    span.round(rounding)
        .map_or_else(|_| format!("{seconds}s"), |span| format!("{span:#}"))
}

fn value_in(value: Option<f64>, unit: &str) -> String {
    match (value, unit) {
        (None, _) => "-".to_owned(),
        (Some(value), "s") if value < 1.0 => format!("{:.1} ms", value * 1e3),
        (Some(value), "s") => format!("{value:.2} s"),
        (Some(value), _) => format!("{value:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use monitor_api::{ApiState, ForecastRecord, RiskRecord, Signals, Subject};

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn api() -> Api {
        Api {
            id: "8c1f6e2d90ab34f7".to_owned(),
            environment: "cloud-a".to_owned(),
            namespace: "shop".to_owned(),
            service: "orders".to_owned(),
            method: "POST".to_owned(),
            route: "/orders".to_owned(),
            state: ApiState::Ok,
            reason: String::new(),
            score: 0.1,
            score_percent: 5.0,
            source: "span".to_owned(),
            calls_per_second: 12.0,
            error_ratio: 0.0,
            latency_p50_seconds: None,
            latency_p95_seconds: None,
            latency_p99_seconds: None,
            signals: Signals::default(),
            calls_total: 0,
            errors_total: 0,
            first_seen: String::new(),
            last_seen: String::new(),
        }
    }

    fn of(forecasts: Vec<SignalForecast>, failure_probability: Option<f64>) -> Expected {
        Expected {
            api: api(),
            forecast: ApiForecast {
                at: None,
                failure_probability,
                failure_horizon_seconds: 300,
                forecasts,
            },
        }
    }

    fn signal(measure: Measure, unit: &str, horizon_seconds: u32, median: f64) -> SignalForecast {
        let tried = horizon_seconds < 3_600;
        SignalForecast {
            measure,
            unit: unit.to_owned(),
            at: String::new(),
            horizon_seconds,
            median: Some(median),
            lower: tried.then_some(median * 0.9),
            upper: tried.then_some(median * 1.2),
            scored: 12,
            coverage_ratio: tried.then_some(0.8973),
        }
    }

    #[test]
    fn what_to_expect_of_an_api_is_a_table() {
        let known = of(
            vec![
                signal(Measure::Rate, "calls/s", 300, 12.5),
                signal(Measure::Rate, "calls/s", 604_800, 11.0),
                signal(Measure::Latency, "s", 1_800, 0.021),
                signal(Measure::Latency, "s", 7_200, 1.5),
            ],
            Some(0.0042),
        );
        expect![[r#"
            shop/orders POST /orders @ cloud-a
            fails within 5m with a chance of 0.4 %

            of               ahead           median                nine of ten between  held so far
            traffic             5m    12.50 calls/s    11.25 calls/s and 15.00 calls/s       89.7 %
            traffic             7d    11.00 calls/s                      not tried yet            -
            response time      30m          21.0 ms                18.9 ms and 25.2 ms       89.7 %
            response time       2h           1.50 s                      not tried yet            -
        "#]]
        .assert_eq(&plain(&expected(&known)));
    }

    #[test]
    fn what_is_not_known_yet_is_said() {
        expect![[r#"
            shop/orders POST /orders @ cloud-a
            too little is known to say whether it fails
            no forecasts yet: they begin after some twenty minutes
        "#]]
        .assert_eq(&plain(&expected(&of(Vec::new(), None))));
    }

    #[test]
    fn an_api_is_meant_by_its_id_or_by_words_of_its_name() {
        for wanted in [
            "8c1f6e2d90ab34f7",
            "shop/orders",
            "cloud-a post /orders",
            "Orders POST",
        ] {
            assert!(is_meant(&api(), wanted), "{wanted}");
        }
        for wanted in ["8c1f", "shop/payments", "cloud-b POST /orders"] {
            assert!(!is_meant(&api(), wanted), "{wanted}");
        }
    }

    #[test]
    fn what_is_foreseen_comes_with_what_came_of_earlier_words() {
        let time = |minute: u32| format!("2026-03-03T10:{minute:02}:00Z");
        let risk = Risk {
            id: "1".to_owned(),
            subject: Subject {
                environment: "cloud-a".to_owned(),
                namespace: "shop".to_owned(),
                service: "payments".to_owned(),
                api_id: None,
                method: None,
                route: None,
                name: "shop/payments POST /payments @ cloud-a".to_owned(),
            },
            measure: Measure::Latency,
            statistic: "p95".to_owned(),
            unit: "s".to_owned(),
            limit: Some(0.3),
            typical: Some(0.1),
            actual: Some(0.2),
            growth_per_hour: Some(0.4),
            objective: None,
            open: true,
            stated: time(0),
            updated: time(1),
            expected: time(15),
            earliest: time(12),
            latest: None,
            probability: 0.81,
            first_expected: time(15),
            first_probability: 0.7,
            ended: None,
            outcome: None,
            why: "It grows by 400 ms an hour.".to_owned(),
        };
        let ended = Risk {
            open: false,
            ..risk.clone()
        };
        let chance = |name: &str, probability| JourneyChance {
            r#type: "9c1f".to_owned(),
            name: name.to_owned(),
            probability,
        };
        let failures = |judged| FailureRecord {
            horizon_seconds: 300,
            judged,
            failed: 4,
            brier: Some(0.0102),
            base_brier: Some(0.03),
            reliability: Vec::new(),
        };
        let forecasts = |measure: &str, horizon_seconds, stretches| ForecastRecord {
            measure: measure.to_owned(),
            horizon_seconds,
            scored: 260,
            stretches,
            coverage_ratio: Some(0.903),
            relative_error: None,
        };
        let mut all = Predictions {
            at: None,
            risks: vec![risk, ended],
            journeys: vec![
                chance("POST /orders", 1.0),
                chance("GET /orders", 0.31),
                chance("GET /items", 0.01),
            ],
            track_record: TrackRecord {
                risks: RiskRecord {
                    stated: 9,
                    came: 6,
                    averted: 2,
                    not_come: 0,
                    missed: 1,
                    in_time: 5,
                    mean_lead_seconds: None,
                    brier: None,
                },
                failures: failures(400),
                journeys: failures(0),
                forecasts: vec![forecasts("rate", 300, 40), forecasts("latency", 7_200, 2)],
            },
        };
        expect![[r#"
            shop/payments POST /payments @ cloud-a: p95 about 2026-03-03T10:15:00Z, between 2026-03-03T10:12:00Z and never, with a chance of 81.0 %
              It grows by 400 ms an hour.
            POST /orders: its journeys fail or are late now
            GET /orders: its journeys fail within 5m with a chance of 31.0 %

            so far 9 risks were stated: 6 came, 2 stopped growing, 0 did not come; 1 limits were crossed unforeseen
            that an Api fails within 5m: said 400 times, came 4 times; Brier score 0.0102, of the base rate 0.0300

            forecasts of     ahead  compared     within 90 %
            traffic             5m       260          90.3 %
            response time       2h       260          90.3 %  too early to say
        "#]].assert_eq(&plain(&predictions(&all)));
        all.risks.clear();
        all.journeys.truncate(0);
        all.journeys.push(chance("GET /items", 0.01));
        all.track_record.forecasts.clear();
        expect![[r#"
            nothing is foreseen to break
            none of 1 types of journeys is likely to fail within 5m

            so far 9 risks were stated: 6 came, 2 stopped growing, 0 did not come; 1 limits were crossed unforeseen
            that an Api fails within 5m: said 400 times, came 4 times; Brier score 0.0102, of the base rate 0.0300
        "#]].assert_eq(&plain(&predictions(&all)));
    }
}
