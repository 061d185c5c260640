//! The scorecard as a person reads it in a terminal.
//!
//! Names come from files and from the watcher, so what a terminal would obey is taken out of them.

mod table;

use std::fmt::{self, Write};

use owo_colors::{OwoColorize, Style as Paint};

use self::table::{Cell, Column, Table};
use super::fault::{FaultScore, Outcome};
use super::figures::{Ratio, Spread};
use super::totals::Alarms;
use super::words::{NOTHING, clean, counted, figure, length, percent, time_of_day, why_false};
use super::{FalseAlarm, Scorecard};

/// How to write for whom.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With escape sequences; whoever calls knows whether that is a terminal.
    pub colour: bool,
    /// Columns of the terminal; columns of the table are left out rather than broken.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Style {
        Style {
            colour: false,
            width: 110,
        }
    }
}

/// Without colours, for 110 columns.
impl fmt::Display for Scorecard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self, Style::default()))
    }
}

pub fn text(card: &Scorecard, style: Style) -> String {
    let mut out = String::new();
    write(card, style, &mut out).expect("a string can always be written to");
    out
}

const GOOD: Paint = Paint::new().green();
const BAD: Paint = Paint::new().red();
const QUIET: Paint = Paint::new().dimmed();
const PLAIN: Paint = Paint::new();

fn write(card: &Scorecard, style: Style, out: &mut String) -> fmt::Result {
    let title = format!("Scorecard of {}, seed {}", clean(&card.topology), card.seed);
    writeln!(out, "{}", painted(&title, Paint::new().bold(), style))?;
    writeln!(
        out,
        "{} judged, {}{}",
        length(card.judged),
        counted(card.apis, "Api", "Apis"),
        if card.virtual_time {
            ", fast-forwarded"
        } else {
            ""
        }
    )?;
    writeln!(out)?;
    if card.faults.is_empty() {
        writeln!(out, "Nothing was injected.")?;
    } else {
        faults(&card.faults).write(style, out)?;
    }
    writeln!(out)?;
    totals(card, style, out)?;
    false_pages(&card.false_pages, style, out)
}

fn faults(faults: &[FaultScore]) -> Table {
    let mut table = Table::new(vec![
        Column::name("fault"),
        Column::name("kind").first_to_go(4),
        Column::name("where").first_to_go(2),
        Column::number("affected").first_to_go(3),
        Column::text("detected after"),
        Column::text("root cause"),
        Column::number("incidents"),
        Column::number("pages"),
        Column::text("recovered after").first_to_go(1),
    ]);
    for fault in faults {
        table.row(row(fault));
    }
    table
}

fn row(fault: &FaultScore) -> Vec<Cell> {
    let scored = fault.outcome.is_scored_fault();
    let quiet = if scored { PLAIN } else { QUIET };
    let count = |count: u64, right: bool| {
        let paint = match (scored, right) {
            (true, true) | (false, _) => quiet,
            (true, false) => BAD,
        };
        Cell::new(count.to_string(), paint)
    };
    let found = match fault.outcome {
        Outcome::Detected => Cell::new(fault.detected_after.map_or_else(String::new, length), GOOD),
        Outcome::Missed => Cell::new("missed", BAD),
        Outcome::LeftAlone => Cell::new("benign: no page", GOOD),
        Outcome::FalsePage => Cell::new("false page", BAD),
        Outcome::DidNotAct => Cell::new("did not act", QUIET),
        Outcome::NotJudged => Cell::new("not judged", QUIET),
    };
    vec![
        Cell::new(clean(&fault.id), quiet),
        Cell::new(clean(&fault.kind), quiet),
        Cell::new(clean(&fault.place), quiet),
        Cell::new(fault.affected.to_string(), quiet),
        found,
        root_cause(fault),
        count(fault.incidents, fault.incidents == 1 || !fault.detected),
        if fault.outcome == Outcome::FalsePage {
            Cell::new(fault.pages.to_string(), BAD)
        } else {
            count(fault.pages, true)
        },
        recovered(fault),
    ]
}

fn root_cause(fault: &FaultScore) -> Cell {
    if !fault.outcome.is_scored_fault() {
        return Cell::new("", PLAIN);
    }
    match (fault.root_cause.rank, &fault.root_cause.incident) {
        (Some(1), _) => Cell::new("1st", GOOD),
        (Some(2), _) => Cell::new("2nd", PLAIN),
        (Some(3), _) => Cell::new("3rd", PLAIN),
        (Some(rank), _) => Cell::new(format!("{rank}th"), BAD),
        (None, Some(_)) => Cell::new("wrong", BAD),
        (None, None) if fault.detected => Cell::new("no incident", BAD),
        (None, None) => Cell::new("", PLAIN),
    }
}

fn recovered(fault: &FaultScore) -> Cell {
    if fault.outcome != Outcome::Detected {
        return Cell::new("", PLAIN);
    }
    match (fault.recovered, fault.over_early, fault.recovered_after) {
        (Some(_), Some(early), _) => Cell::new(format!("{} too early", length(early)), PLAIN),
        (Some(true), None, Some(after)) => Cell::new(length(after), GOOD),
        (Some(false), None, Some(after)) => Cell::new(format!("{}, late", length(after)), BAD),
        (Some(_), None, None) => Cell::new("never", BAD),
        (None, _, _) => Cell::new("cannot tell", QUIET),
    }
}

fn totals(card: &Scorecard, style: Style, out: &mut String) -> fmt::Result {
    let totals = &card.totals;
    let mut line = |name: &str, value: String| -> fmt::Result {
        writeln!(out, "{} {value}", painted(&pad(name, 28), QUIET, style))
    };
    let mut injected = format!(
        "{}; {} acted, {} benign",
        counted(totals.injected, "change", "changes"),
        totals.acted,
        totals.benign
    );
    for (count, what) in [
        (totals.did_not_act, "did not act"),
        (totals.not_judged, "not judged"),
    ] {
        if count > 0 {
            write!(injected, ", {count} {what}")?;
        }
    }
    line("injected", injected)?;
    line("detected", share(&totals.detected))?;
    line("paged for", share(&totals.paged))?;
    let speed = &totals.speed;
    line("time to detect, abrupt", spread(&speed.detect_abrupt))?;
    line("time to detect, ramps", spread(&speed.detect_ramp))?;
    line("time to page, abrupt", spread(&speed.page_abrupt))?;
    line("time to page, ramps", spread(&speed.page_ramp))?;
    let cause = &totals.root_cause;
    line(
        "root cause 1st, of detected",
        share(&cause.at_1_of_detected),
    )?;
    line("root cause 1st, of acted", share(&cause.at_1_of_acted))?;
    line("  in first 3, of detected", share(&cause.at_3_of_detected))?;
    line("  in first 3, of acted", share(&cause.at_3_of_acted))?;
    line("exactly one incident", share(&totals.one_incident))?;
    line(
        "a detected fault makes",
        match (totals.incidents_per_detected, totals.pages_per_detected) {
            (Some(incidents), Some(pages)) => {
                format!("{incidents:.1} incidents and {pages:.1} pages on average")
            }
            _ => NOTHING.to_owned(),
        },
    )?;
    line("recovered in time", share(&totals.recovered_in_time))?;
    if totals.over_early.count > 0 {
        line("  over while still on", share(&totals.over_early))?;
    }
    let predictions = &totals.predictions;
    line("ramps predicted", share(&predictions.predicted))?;
    if let Some(lead) = predictions.lead.median {
        let part = predictions
            .median_share_of_ramp
            .map(|share| format!(", {} of the ramp", percent(share)))
            .unwrap_or_default();
        line(
            "  before the breach",
            format!("median {}{part}", length(lead)),
        )?;
    }
    if predictions.risks > 0 {
        line(
            "  risks stated in vain",
            format!("{} of {}", predictions.false_risks, predictions.risks),
        )?;
    }
    line("benign changes paged for", share(&totals.benign_paged))?;
    line("false pages", false_alarms(&totals.pages))?;
    line("pages that are right", share(&totals.pages.precision))?;
    line("false anomalies", false_alarms(&totals.anomalies))?;
    line(
        "anomalies that are right",
        share(&totals.anomalies.precision),
    )?;
    let f1 = |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), |f1| format!("{f1:.2}"));
    line(
        "F1",
        format!(
            "{} by pages, {} by anomalies",
            f1(totals.f1_pages),
            f1(totals.f1_anomalies)
        ),
    )?;
    let ignored = card.ignored;
    if ignored.while_learning + ignored.after_the_end > 0 {
        line(
            "statements not judged",
            format!(
                "{} while learning, {} after the end",
                ignored.while_learning, ignored.after_the_end
            ),
        )?;
    }
    writeln!(
        out,
        "{}",
        painted("In brackets: 95 % intervals.", QUIET, style)
    )
}

fn false_pages(pages: &[FalseAlarm], style: Style, out: &mut String) -> fmt::Result {
    /// As many as a screen holds; the JSON and the page have all of them.
    const SHOWN: usize = 10;
    if pages.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", painted("False pages", BAD, style))?;
    for page in pages.iter().take(SHOWN) {
        let line = format!(
            "  {} {} in {}: {} ({})",
            time_of_day(page.at),
            clean(&page.service),
            clean(&page.environment),
            clean(&page.summary),
            why_false(page)
        );
        writeln!(out, "{}", table::cut(&line, style.width))?;
    }
    if pages.len() > SHOWN {
        writeln!(out, "  and {} more", pages.len() - SHOWN)?;
    }
    Ok(())
}

/// `24 of 27, 89 % (72–96 %)`.
fn share(ratio: &Ratio) -> String {
    match (ratio.share, ratio.low, ratio.high) {
        (Some(share), Some(low), Some(high)) => format!(
            "{} of {}, {} ({}–{})",
            ratio.count,
            ratio.of,
            percent(share),
            percent(low).trim_end_matches(" %"),
            percent(high)
        ),
        _ => NOTHING.to_owned(),
    }
}

/// `3; 0.8 per Api-day (0.2–2.3)`.
fn false_alarms(alarms: &Alarms) -> String {
    let rate = &alarms.false_per_api_day;
    let mut text = format!("{} of {}", alarms.wrong, alarms.opened);
    if let (Some(per), Some(low), Some(high)) = (rate.per_api_day, rate.low, rate.high) {
        text += &format!(
            "; {} per Api-day ({}–{})",
            figure(per),
            figure(low),
            figure(high)
        );
    }
    if alarms.wrong > 0 {
        text += &format!(
            "; {} on benign changes, {} elsewhere, {} out of nothing",
            alarms.on_benign, alarms.elsewhere, alarms.out_of_nothing
        );
    }
    if alarms.neither > 0 {
        text += &format!("; {} not judged", alarms.neither);
    }
    text
}

fn spread(spread: &Spread) -> String {
    match (spread.median, spread.p90) {
        (Some(median), Some(p90)) => format!(
            "median {}, 90 % within {} (of {})",
            length(median),
            length(p90),
            spread.count
        ),
        _ => NOTHING.to_owned(),
    }
}

fn painted(text: &str, paint: Paint, style: Style) -> String {
    if style.colour {
        text.style(paint).to_string()
    } else {
        text.to_owned()
    }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}
