//! The answer to "why is this pod watched, or not, and under which name?", as text.
//!
//! Printed by `crosswatch explain pod/NAME`, which adds what the cluster's resources say.

use std::fmt::Write as _;

use crate::decision::{self, Decision, Mode};
use crate::facts::Subject;
use crate::hints::{self, Hints};
use crate::identity::{self, Identity, IdentityOptions};
use crate::source::Sourced;

/// Everything that is decided about a pod, with reasons; ends with a line feed.
pub fn explain(subject: &Subject<'_>, mode: Mode, options: &IdentityOptions) -> String {
    let pod = subject.pod;
    let decision = decision::decide(subject, mode);
    let container = pod.containers.first().map_or("", |it| it.name.as_str());
    let identity = identity::identity(subject, container, options);
    let hints = hints::hints(subject);
    let mut text = String::new();
    let verdict = match (decision.watched, decision.finished) {
        (true, false) => "is watched",
        (true, true) => "is read to its end (it has finished)",
        (false, _) => "is not watched",
    };
    line(
        &mut text,
        format_args!(
            "pod {}/{} {verdict}: {}.",
            pod.namespace, pod.name, decision.reason
        ),
    );
    let owner = subject.owner();
    let between = owner.between.map(|it| format!(" through {it}"));
    line(
        &mut text,
        format_args!(
            "It belongs to {}{}.",
            owner.workload,
            between.unwrap_or_default()
        ),
    );
    asked(&mut text, &decision);
    who(&mut text, &identity);
    place(&mut text, &identity);
    how(&mut text, &hints);
    let mut notes: Vec<&String> = [
        &decision.notes,
        &identity.notes,
        &identity.environment.notes,
        &hints.notes,
    ]
    .into_iter()
    .flatten()
    .collect();
    notes.sort();
    notes.dedup();
    if !notes.is_empty() {
        text.push_str("\nNot used\n");
        for note in notes {
            line(&mut text, format_args!("  {note}"));
        }
    }
    text
}

fn asked(text: &mut String, decision: &Decision) {
    text.push_str("\nDecision (the first that says anything decides)\n");
    for (rule, found) in &decision.asked {
        let mark = if *rule == decision.rule { '>' } else { ' ' };
        line(text, format_args!("{mark} {:47} {found}", rule.as_str()));
    }
    for (container, by) in &decision.excluded_containers {
        line(
            text,
            format_args!("  container {container} is left out: {}", by.source),
        );
    }
}

fn who(text: &mut String, identity: &Identity) {
    text.push_str("\nIdentity\n");
    row(text, "service.name", Some(&identity.service_name));
    row(text, "service.namespace", Some(&identity.service_namespace));
    row(text, "service.version", identity.service_version.as_ref());
    row(
        text,
        "service.instance.id",
        Some(&identity.service_instance_id),
    );
    row(text, "service.criticality", identity.criticality.as_ref());
}

fn place(text: &mut String, identity: &Identity) {
    let environment = &identity.environment;
    text.push_str("\nEnvironment\n");
    row(text, "name", Some(&environment.name));
    row(text, "kind", environment.kind.as_ref());
    row(text, "provider", environment.provider.as_ref());
    row(text, "platform", environment.platform.as_ref());
    row(text, "region", environment.region.as_ref());
    row(text, "zone", environment.zone.as_ref());
    row(text, "site", environment.site.as_ref());
    row(text, "cluster", environment.cluster.as_ref());
}

fn how(text: &mut String, hints: &Hints) {
    let latency = hints.slo_latency.clone().map(|it| {
        it.map(|it| {
            // Percentiles as people write them: p99.9, not p99.90000000000001.
            let percent = (it.quantile * 1e9).round() / 1e7;
            format!("p{percent} below {} s", it.threshold.as_secs_f64())
        })
    });
    let availability = hints.slo_availability.clone();
    let availability =
        availability.map(|it| it.map(|it| format!("{} %", (it * 1e9).round() / 1e7)));
    let paths = hints.exclude_paths.clone();
    let paths = paths.map(|it| it.map(|paths| paths.join(", ")));
    let mut rows = String::new();
    row(&mut rows, "latency objective", latency.as_ref());
    row(&mut rows, "availability objective", availability.as_ref());
    row(&mut rows, "journey", hints.journey.as_ref());
    row(&mut rows, "log format", hints.log_format.as_ref());
    row(&mut rows, "excluded paths", paths.as_ref());
    row(&mut rows, "owner", hints.owner.as_ref());
    row(&mut rows, "runbook", hints.runbook_url.as_ref());
    row(&mut rows, "display name", hints.display_name.as_ref());
    row(&mut rows, "category", hints.category.as_ref());
    if !rows.is_empty() {
        text.push_str("\nWishes\n");
        text.push_str(&rows);
    }
}

fn row<T: std::fmt::Display>(text: &mut String, name: &str, found: Option<&Sourced<T>>) {
    if let Some(found) = found {
        let value = found.value.to_string();
        line(
            text,
            format_args!("  {name:22} {value:32} {}", found.source),
        );
    }
}

/// One line, without blanks at its end.
fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let from = text.len();
    // Writing to a string cannot fail.
    _ = text.write_fmt(arguments);
    text.truncate(from + text[from..].trim_end().len());
    text.push('\n');
}
