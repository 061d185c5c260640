//! Each fault for itself: what it was, what it did, and what was said about it when.

use std::fmt::{self, Write};

use super::Page;
use super::escape::Text;
use super::tables;
use crate::clock::Moment;
use crate::score::fault::{FaultScore, Outcome};
use crate::score::figures::amount;
use crate::score::heard::{Alarm, Update};
use crate::score::windows::Window;
use crate::score::words::{counted, length, percent, time_of_day};

/// A watcher that says more than this about one fault is not read any more anyway.
const SHOWN: usize = 60;

/// One thing that was said, ready to be written.
#[derive(Debug)]
struct Entry {
    at: Moment,
    kind: &'static str,
    html: String,
    /// It is about the fault by its time only.
    elsewhere: bool,
}

pub(super) fn write(page: Page<'_>, out: &mut String) -> fmt::Result {
    if page.card.faults.is_empty() {
        return Ok(());
    }
    Page::section("What was said about each", out, |out| {
        writeln!(
            out,
            "<p>Times are from the first effect of the fault. An incident is listed when it \
             changes.</p>"
        )?;
        for (index, fault) in page.card.faults.iter().enumerate() {
            article(index, fault, page, out)?;
        }
        Ok(())
    })
}

fn article(index: usize, fault: &FaultScore, page: Page<'_>, out: &mut String) -> fmt::Result {
    let window = &page.windows.all[index];
    let number = index + 1;
    writeln!(
        out,
        "<article id=\"fault-{number}\">\n<h3>{number}. {} {}{}</h3>\n<p>{}</p>\n<dl>",
        Text(&fault.id),
        if fault.outcome == Outcome::Detected {
            "detected after "
        } else {
            ""
        },
        tables::outcome(fault),
        Text(&fault.description)
    )?;
    facts(fault, window, out)?;
    out.write_str("</dl>\n")?;
    let said = said(index, page);
    if said.is_empty() {
        writeln!(out, "<p class=\"nothing\">Nothing was said.</p>")?;
    } else {
        out.write_str("<ol class=\"said\">\n")?;
        for entry in said.iter().take(SHOWN) {
            writeln!(
                out,
                "<li class=\"{}{}\"><span class=\"when\">{}</span> <span class=\"what\">{}</span> \
                 <span>{}{}</span></li>",
                entry.kind,
                if entry.elsewhere { " aside" } else { "" },
                relative(entry.at, window.from),
                entry.kind,
                entry.html,
                if entry.elsewhere {
                    " (it does not show there)"
                } else {
                    ""
                }
            )?;
        }
        out.write_str("</ol>\n")?;
        if said.len() > SHOWN {
            writeln!(
                out,
                "<p class=\"nothing\">And {} more.</p>",
                said.len() - SHOWN
            )?;
        }
    }
    out.write_str("</article>\n")
}

fn facts(fault: &FaultScore, window: &Window<'_>, out: &mut String) -> fmt::Result {
    let mut fact = |name: &str, value: &str| {
        writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(value))
    };
    let truth = window.fault;
    fact("Kind", &fault.kind)?;
    fact("Where", &fault.place)?;
    let mut when = format!(
        "{}, for {}",
        time_of_day(fault.started),
        length(fault.ended.since(fault.started))
    );
    if truth.full > truth.started {
        let full = truth.full.min(truth.ended);
        write!(when, ", growing for {}", length(full.since(truth.started)))?;
    }
    fact("When", &when)?;
    let mut did = if fault.acted {
        let affected = counted(fault.affected, "time", "times");
        format!("{}; took effect {affected}", fault.evidence)
    } else {
        format!("nothing; {}", fault.evidence)
    };
    if let Some(first) = truth.first_affected.filter(|&first| first > truth.started) {
        write!(
            did,
            ", first {} after the start",
            length(first.since(truth.started))
        )?;
    }
    fact("What it did", &did)?;
    if !fault.benign {
        fact("Root cause", &cause(window))?;
        fact("Shows at", &truth.symptoms.join(", "))?;
    }
    if let Some(breached) = truth.breached {
        let mut text = format!(
            "{} after the first effect",
            length(breached.since(window.from))
        );
        match &fault.prediction {
            Some(prediction) => {
                write!(text, ", predicted {} before", length(prediction.lead))?;
                if let Some(share) = prediction.share_of_ramp {
                    write!(text, " ({} of the ramp)", percent(share))?;
                }
            }
            None if fault.foreseeable => text.push_str(", not predicted"),
            None => {}
        }
        fact("Objective broken", &text)?;
    }
    Ok(())
}

fn cause(window: &Window<'_>) -> String {
    let cause = &window.fault.cause;
    let mut text = match (&cause.service, &cause.environment) {
        (Some(service), Some(environment)) => format!("{service} in {environment}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    };
    if !cause.also.is_empty() {
        if !text.is_empty() {
            text.push_str(", or ");
        }
        text += &cause.also.join(", ");
    }
    text
}

/// `+4.2 s`; what came before is marked so, though a window holds nothing that did.
fn relative(at: Moment, from: Moment) -> String {
    if at < from {
        format!("−{}", length(from.since(at)))
    } else {
        format!("+{}", length(at.since(from)))
    }
}

/// In order of time.
fn said(index: usize, page: Page<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (kind, all) in [
        ("anomaly", &page.heard.anomalies),
        ("page", &page.heard.pages),
    ] {
        for alarm in all {
            if let Some(elsewhere) = here(index, page, alarm.opened, &[alarm.service]) {
                alarm_entries(kind, alarm, elsewhere, &mut entries);
            }
        }
    }
    for incident in &page.heard.incidents {
        let mut before: Option<&Update<'_>> = None;
        let mut mine = false;
        for update in &incident.updates {
            let changed = before.is_none_or(|before| {
                before.services != update.services || before.suspects != update.suspects
            });
            before = Some(update);
            let Some(elsewhere) = here(index, page, update.at, &update.services) else {
                continue;
            };
            mine = true;
            if changed {
                entries.push(Entry {
                    at: update.at,
                    kind: "incident",
                    html: incident_html(incident.id, update, &page.windows.all[index]),
                    elsewhere,
                });
            }
        }
        if let (true, Some(over)) = (mine, incident.over) {
            entries.push(Entry {
                at: over,
                kind: "incident",
                html: format!("{} is over", Text(incident.id)),
                elsewhere: false,
            });
        }
    }
    for risk in &page.heard.risks {
        if let Some(elsewhere) = here(index, page, risk.at, &[risk.service]) {
            entries.push(Entry {
                at: risk.at,
                kind: "risk",
                html: format!(
                    "at {}, expected in {} with {}",
                    Text(risk.service),
                    length(risk.expected.since(risk.at)),
                    percent(risk.probability)
                ),
                elsewhere,
            });
        }
    }
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// None when it is not about this fault; else whether it is so by its time only.
fn here(index: usize, page: Page<'_>, at: Moment, services: &[&str]) -> Option<bool> {
    let belongs = page.windows.about(index, at, services)?;
    Some(!belongs.at_symptom)
}

fn alarm_entries(kind: &'static str, alarm: &Alarm<'_>, elsewhere: bool, entries: &mut Vec<Entry>) {
    entries.push(Entry {
        at: alarm.opened,
        kind,
        html: format!(
            "{} in {}: {}",
            Text(alarm.service),
            Text(alarm.environment),
            Text(alarm.text)
        ),
        elsewhere,
    });
    if let Some(over) = alarm.over {
        entries.push(Entry {
            at: over,
            kind,
            html: format!("{} is over: {}", Text(alarm.service), Text(alarm.text)),
            elsewhere,
        });
    }
}

fn incident_html(id: &str, update: &Update<'_>, window: &Window<'_>) -> String {
    let mut html = format!(
        "{} of {}: {}",
        Text(id),
        counted(amount(update.services.len()), "service", "services"),
        Text(update.services.join(", "))
    );
    if update.suspects.is_empty() {
        html += "; no suspect";
    } else {
        html += "<ol class=\"suspects\">";
        for suspect in update.suspects.iter().take(5) {
            let (class, mark) = if window.is_right(suspect) {
                (" class=\"good\"", " <b>(right)</b>")
            } else {
                ("", "")
            };
            html += &format!(
                "<li{class}>{} in {}{mark}: {}</li>",
                Text(&suspect.service),
                Text(&suspect.environment),
                Text(&suspect.why)
            );
        }
        html += "</ol>";
    }
    html
}
