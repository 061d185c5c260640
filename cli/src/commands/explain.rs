//! `crosswatch explain`: why an anomaly is one, why a pod is watched or is not.

use agent::explain::ExplainOptions;
use anyhow::{Context as _, bail};
use clap::Args;
use monitor_api::{AnomaliesQuery, Anomaly, Direction, Incident, IncidentsQuery, SearchQuery};
use operator_meta::decision::Mode;
use operator_meta::identity::IdentityOptions;
use owo_colors::OwoColorize;

use super::search::Place;
use crate::terminal;

/// Explain an anomaly: what was typical, what came, for how long, and the records behind it.
///
/// Without an id, the incidents with their suspects, and the anomalies, newest first.
///
/// `crosswatch explain pod/NAME -n NAMESPACE` asks the cluster of KUBECONFIG instead: whether that
/// pod is watched, under which name and environment, where each of these comes from, and what the
/// operator says of it.
#[derive(Args, Debug)]
pub(crate) struct Command {
    /// The anomaly's id, or the beginning of it; or `pod/NAME`.
    id: Option<String>,

    #[command(flatten)]
    pod: PodArgs,

    #[command(flatten)]
    place: Place,

    /// How many records of evidence to show.
    #[arg(long, default_value_t = 5, value_name = "NUMBER")]
    evidence: u64,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a pod is explained.
#[derive(Args, Debug)]
#[command(next_help_heading = "Of a pod")]
struct PodArgs {
    /// The pod's namespace; that of the kubeconfig when absent.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// The installation watches only pods that ask for it.
    #[arg(long, env = "CROSSWATCH_OPT_IN")]
    opt_in: bool,

    /// The installation takes no names from app.kubernetes.io/* and tags.datadoghq.com/* labels.
    #[arg(long, env = "CROSSWATCH_IGNORE_WELL_KNOWN_LABELS")]
    ignore_well_known_labels: bool,

    /// The name that the installation gives the cluster.
    #[arg(long, env = "CROSSWATCH_CLUSTER_NAME", value_name = "NAME")]
    cluster_name: Option<String>,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let pod = command.id.as_deref().and_then(|id| id.strip_prefix("pod/"));
    if let Some(name) = pod {
        return explain_pod(name, &command.pod);
    }
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

/// Asks the cluster that `kubectl` would ask.
fn explain_pod(name: &str, args: &PodArgs) -> anyhow::Result<()> {
    let options = ExplainOptions {
        mode: match args.opt_in {
            true => Mode::OptIn,
            false => Mode::OptOut,
        },
        identity: IdentityOptions {
            well_known_labels: !args.ignore_well_known_labels,
        },
        cluster_name: args.cluster_name.clone(),
    };
    let text = terminal::runtime()?.block_on(async {
        let client = kube::Client::try_default().await;
        let client = client.context("finding the Kubernetes API, by KUBECONFIG")?;
        let of_config = client.default_namespace().to_owned();
        let namespace = args.namespace.as_deref().unwrap_or(&of_config);
        agent::explain::pod(&client, namespace, name, &options).await
    })?;
    anstream::print!("{text}");
    Ok(())
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
            "severity",
            format!("{:.0} of 100, for those who call", anomaly.severity_percent),
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
