//! `crosswatch explain`: why an anomaly is one.

use anyhow::bail;
use clap::Args;
use monitor_api::{AnomaliesQuery, Anomaly, Direction, Incident, IncidentsQuery, SearchQuery};
use owo_colors::OwoColorize;

use super::search::Place;

/// Explain an anomaly: what was typical, what came, for how long, and the records behind it.
///
/// Without an id, the incidents with their suspects, and the anomalies, newest first.
#[derive(Args, Debug)]
pub(crate) struct Command {
    /// The anomaly's id, or the beginning of it.
    id: Option<String>,

    #[command(flatten)]
    place: Place,

    /// How many records of evidence to show.
    #[arg(long, default_value_t = 5, value_name = "NUMBER")]
    evidence: u64,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    command.place.ask(async |client| {
        let all = AnomaliesQuery {
            limit: Some(10_000),
            ..AnomaliesQuery::default()
        };
        let anomalies = client.anomalies(&all).await?.items;
        let Some(id) = &command.id else {
            if !command.json {
                incidents(&client.incidents(&IncidentsQuery::default()).await?.items);
            }
            return list(&anomalies, command.json);
        };
        let found: Vec<&Anomaly> = anomalies
            .iter()
            .filter(|anomaly| anomaly.id.starts_with(id.as_str()))
            .collect();
        let anomaly = match found.as_slice() {
            [anomaly] => *anomaly,
            [] => bail!("no anomaly's id begins with `{id}`: `crosswatch explain` lists them"),
            several => bail!(
                "{} anomalies' ids begin with `{id}`: give more of it",
                several.len()
            ),
        };
        if command.json {
            anstream::println!("{}", serde_json::to_string_pretty(anomaly)?);
            return Ok(());
        }
        print(anomaly);
        if command.evidence > 0 {
            let query = SearchQuery {
                query: anomaly.evidence.query.clone(),
                from: Some(anomaly.evidence.from.clone()),
                to: Some(anomaly.evidence.to.clone()),
                limit: Some(command.evidence),
                ..SearchQuery::default()
            };
            let page = client.search(&query).await?;
            anstream::println!(
                "\n{} ({} records; crosswatch search '{}' --from {} --to {})",
                "Evidence".bold(),
                page.total,
                anomaly.evidence.query,
                anomaly.evidence.from,
                anomaly.evidence.to
            );
            for record in page.records {
                anstream::println!("  {} {}", record.time.dimmed(), record.text.trim_end());
            }
        }
        Ok(())
    })
}

fn list(anomalies: &[Anomaly], json: bool) -> anyhow::Result<()> {
    if json {
        anstream::println!("{}", serde_json::to_string_pretty(anomalies)?);
        return Ok(());
    }
    if anomalies.is_empty() {
        anstream::println!("no anomalies");
    }
    for anomaly in anomalies {
        anstream::println!(
            "{} {} {:3.0} {} {}",
            anomaly.id,
            anomaly.start.dimmed(),
            anomaly.score_percent,
            anomaly.subject.name.bold(),
            anomaly.explanation.why
        );
    }
    Ok(())
}

/// What belongs together, and who may have caused it.
fn incidents(incidents: &[Incident]) {
    /// Suspects of each.
    const SHOWN: usize = 3;
    for incident in incidents {
        let services: Vec<&str> = incident
            .services
            .iter()
            .map(|workload| workload.name.as_str())
            .collect();
        let state = match (&incident.ended, &incident.merged_into) {
            (_, Some(home)) => format!("a part of {home}"),
            (Some(ended), None) => format!("ended {ended}"),
            (None, None) => "lasts still".to_owned(),
        };
        anstream::println!(
            "{} {} incident, {state}: {}",
            incident.id,
            incident.began.dimmed(),
            services.join(", ").bold(),
        );
        for suspect in incident.suspects.iter().take(SHOWN) {
            anstream::println!(
                "  {:3.0} {} {}",
                suspect.score * 100.0,
                suspect.workload.name.bold(),
                suspect.why
            );
        }
    }
    if !incidents.is_empty() {
        anstream::println!();
    }
}

fn print(anomaly: &Anomaly) {
    let explanation = &anomaly.explanation;
    let number = |value: Option<f64>| match value {
        Some(value) => format!("{value:.4} {}", explanation.unit),
        None => "unbounded".to_owned(),
    };
    let direction = match anomaly.direction {
        Direction::Above => "above",
        Direction::Below => "below",
    };
    anstream::println!("{}", anomaly.subject.name.bold());
    anstream::println!("{}", explanation.why);
    let rows = [
        (
            "detector",
            format!("{}, {direction} what is expected", anomaly.detector),
        ),
        (
            "score",
            format!(
                "{:.2} (above 1 is anomalous); {:.0} of 100",
                anomaly.score, anomaly.score_percent
            ),
        ),
        (
            "actual",
            format!(
                "{}, from {} observations",
                number(explanation.actual),
                explanation.observations
            ),
        ),
        (
            "typical",
            format!(
                "{}, learned from {}",
                number(explanation.typical),
                explanation.learned_from
            ),
        ),
        (
            "expected",
            format!(
                "{} to {}",
                number(explanation.expected.lower),
                number(explanation.expected.upper)
            ),
        ),
        ("began", anomaly.start.clone()),
        ("detected", anomaly.detected.clone()),
        (
            "ended",
            anomaly
                .end
                .clone()
                .unwrap_or_else(|| "it lasts still".to_owned()),
        ),
        ("lasted", format!("{:.0} s", anomaly.duration_seconds)),
    ];
    for (name, value) in rows {
        anstream::println!("  {name:10} {value}");
    }
    for part in &explanation.contributions {
        anstream::println!(
            "  {} {}: {:.0} % of what was anomalous, usually {:.0} %",
            part.dimension,
            part.value.bold(),
            part.share_ratio * 100.0,
            part.usual_share_ratio * 100.0
        );
    }
}
