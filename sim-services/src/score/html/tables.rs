//! The faults, the kinds and the false pages, a row each.

use std::fmt::{self, Write};

use super::Page;
use super::escape::Text;
use crate::score::Scorecard;
use crate::score::fault::{FaultScore, Outcome};
use crate::score::totals::KindScore;
use crate::score::words::{NOTHING, length, time_of_day, why_false};

pub(super) fn faults(card: &Scorecard, out: &mut String) -> fmt::Result {
    let heads = [
        ("#", true),
        ("Fault", false),
        ("Where", false),
        ("Affected", true),
        ("Detected after", false),
        ("Root cause", false),
        ("Incidents", true),
        ("Pages", true),
        ("Recovered after", false),
    ];
    Page::section("Faults and changes", out, |out| {
        if card.faults.is_empty() {
            return writeln!(out, "<p>Nothing was injected.</p>");
        }
        open_table("Faults and changes, in order", &heads, out)?;
        for (index, fault) in card.faults.iter().enumerate() {
            let number = index + 1;
            write!(
                out,
                "<tr{}><td class=\"n\">{number}</td><th scope=\"row\"><a \
                 href=\"#fault-{number}\">{}</a>",
                if fault.outcome.is_scored_fault() {
                    ""
                } else {
                    " class=\"aside\""
                },
                Text(&fault.id)
            )?;
            if !fault.id.ends_with(fault.kind.as_str()) {
                write!(out, " <small>{}</small>", Text(&fault.kind))?;
            }
            writeln!(
                out,
                "</th><td>{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td \
                 class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
                Text(&fault.place),
                fault.affected,
                outcome(fault),
                root_cause(fault),
                incidents(fault),
                fault.pages,
                recovered(fault)
            )?;
        }
        close_table(out)
    })
}

pub(super) fn kinds(card: &Scorecard, out: &mut String) -> fmt::Result {
    let heads = [
        ("Kind", false),
        ("Injected", true),
        ("Acted", true),
        ("Detected", true),
        ("Paged for", true),
        ("Median time to detect", false),
        ("Root cause 1st", true),
        ("In first 3", true),
        ("Predicted", true),
        ("Incidents each", true),
        ("Benign", true),
        ("Of these paged for", true),
    ];
    Page::section("By kind", out, |out| {
        open_table("By kind of fault", &heads, out)?;
        for (kind, score) in &card.kinds {
            let KindScore {
                injected,
                acted,
                detected,
                paged,
                right_at_1,
                right_at_3,
                predicted,
                benign,
                benign_paged,
                ..
            } = score;
            let median = score.detect.median.map_or(NOTHING.to_owned(), length);
            let each = score
                .incidents_per_detected
                .map_or(NOTHING.to_owned(), |mean| format!("{mean:.1}"));
            // Zero of none is no result.
            let of = |count: &u64, all: u64| {
                if all == 0 {
                    NOTHING.to_owned()
                } else {
                    count.to_string()
                }
            };
            let faults = |count| of(count, *acted);
            let [detected, paged, right_at_1, right_at_3, predicted] =
                [detected, paged, right_at_1, right_at_3, predicted].map(faults);
            let benign_paged = of(benign_paged, *benign);
            writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{injected}</td><td \
                 class=\"n\">{acted}</td><td class=\"n\">{detected}</td><td \
                 class=\"n\">{paged}</td><td>{median}</td><td class=\"n\">{right_at_1}</td><td \
                 class=\"n\">{right_at_3}</td><td class=\"n\">{predicted}</td><td \
                 class=\"n\">{each}</td><td class=\"n\">{benign}</td><td \
                 class=\"n\">{benign_paged}</td></tr>",
                Text(kind)
            )?;
        }
        close_table(out)
    })
}

pub(super) fn false_pages(card: &Scorecard, out: &mut String) -> fmt::Result {
    let heads = [
        ("When", false),
        ("Where", false),
        ("What was said", false),
        ("Why it is false", false),
    ];
    Page::section("False pages", out, |out| {
        if card.false_pages.is_empty() {
            return writeln!(out, "<p>None.</p>");
        }
        open_table("False pages", &heads, out)?;
        for page in &card.false_pages {
            writeln!(
                out,
                "<tr><td>{}</td><td>{} in {}</td><td>{}</td><td>{}</td></tr>",
                time_of_day(page.at),
                Text(&page.service),
                Text(&page.environment),
                Text(&page.summary),
                Text(why_false(page))
            )?;
        }
        close_table(out)
    })
}

/// `heads` with whether they are above numbers.
fn open_table(caption: &str, heads: &[(&str, bool)], out: &mut String) -> fmt::Result {
    write!(
        out,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\n\
         <thead><tr>"
    )?;
    for (head, number) in heads {
        let class = if *number { " class=\"n\"" } else { "" };
        write!(out, "<th scope=\"col\"{class}>{head}</th>")?;
    }
    out.write_str("</tr></thead>\n<tbody>\n")
}

fn close_table(out: &mut String) -> fmt::Result {
    out.write_str("</tbody></table></div>\n")
}

/// As a badge, with the time when there is one.
pub(super) fn outcome(fault: &FaultScore) -> String {
    let badge = |class: &str, text: &str| format!("<span class=\"badge {class}\">{text}</span>");
    match fault.outcome {
        Outcome::Detected => {
            let after = fault.detected_after.map_or(String::new(), length);
            badge("good", &after)
        }
        Outcome::Missed => badge("bad", "missed"),
        Outcome::LeftAlone => badge("quiet", "benign, no page"),
        Outcome::FalsePage => badge("bad", "benign, false page"),
        Outcome::DidNotAct => badge("quiet", "did not act"),
        Outcome::NotJudged => badge("quiet", "not judged"),
    }
}

fn root_cause(fault: &FaultScore) -> String {
    if !fault.outcome.is_scored_fault() {
        return String::new();
    }
    match (fault.root_cause.rank, &fault.root_cause.incident) {
        (Some(1), _) => "<span class=\"good\">1st</span>".to_owned(),
        (Some(2), _) => "2nd".to_owned(),
        (Some(3), _) => "3rd".to_owned(),
        (Some(rank), _) => format!("<span class=\"bad\">{rank}th</span>"),
        (None, Some(_)) => "<span class=\"bad\">wrong</span>".to_owned(),
        (None, None) if fault.detected => "<span class=\"bad\">no incident</span>".to_owned(),
        (None, None) => String::new(),
    }
}

fn incidents(fault: &FaultScore) -> String {
    let right = fault.incidents == 1 || fault.outcome != Outcome::Detected;
    let class = if right { "" } else { " class=\"bad\"" };
    format!("<span{class}>{}</span>", fault.incidents)
}

fn recovered(fault: &FaultScore) -> String {
    if fault.outcome != Outcome::Detected {
        return String::new();
    }
    match (fault.recovered, fault.over_early, fault.recovered_after) {
        (Some(_), Some(early), _) => format!("{} too early", length(early)),
        (Some(true), None, Some(after)) => format!("<span class=\"good\">{}</span>", length(after)),
        (Some(false), None, Some(after)) => {
            format!("<span class=\"bad\">{}, late</span>", length(after))
        }
        (Some(_), None, None) => "<span class=\"bad\">never</span>".to_owned(),
        (None, _, _) => "cannot tell".to_owned(),
    }
}
