//! The whole run as a picture: a lane for each place where something was changed.
//!
//! Along the time axis everything is in percent, across it in pixels, so that the picture fits any
//! width and its letters keep their size. Pure SVG: marks carry titles, bars lead to the details.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::Page;
use super::axis::Axis;
use super::escape::Text;
use crate::clock::Moment;
use crate::score::fault::{FaultScore, Outcome};
use crate::score::heard::Alarm;
use crate::score::totals::{Verdict, verdict};
use crate::score::windows::Window;
use crate::score::words::{length, time_of_day};

/// Heights in pixels. A lane is its name, the faults' numbers, their bars, and three tracks.
const AXIS: u32 = 26;
const LANE: u32 = 84;
const NUMBERS: u32 = 29;
const BARS: u32 = 34;
const ANOMALIES: u32 = 56;
const PAGES: u32 = 66;
const INCIDENTS: u32 = 76;

/// The lane of false alarms has no bars.
const FALSE_LANE_SAVES: u32 = 30;

/// Where false pages and false anomalies go.
const FALSE_LANE: &str = "False alarms";

pub(super) fn write(page: Page<'_>, out: &mut String) -> fmt::Result {
    Page::section("The run", out, |out| {
        legend(out)?;
        picture(page, out)
    })
}

fn legend(out: &mut String) -> fmt::Result {
    out.write_str("<ul class=\"legend\">\n")?;
    for (class, name) in [
        ("bar", "fault, detected"),
        ("bar missed", "fault, missed"),
        ("bar idle", "did not act, or was not judged"),
        ("bar benign", "benign change"),
    ] {
        writeln!(
            out,
            "<li><svg class=\"key\" aria-hidden=\"true\"><rect class=\"{class}\" x=\"1\" y=\"1\" \
             width=\"22\" height=\"12\"/></svg> {name}</li>"
        )?;
    }
    for (mark, name) in [
        (Mark::Anomaly, "anomaly"),
        (Mark::Page, "page"),
        (Mark::Incident, "incident"),
    ] {
        writeln!(
            out,
            "<li><svg class=\"key {}\" aria-hidden=\"true\"><line x1=\"6\" x2=\"24\" y1=\"7\" \
             y2=\"7\"/><svg x=\"6\" y=\"7\" overflow=\"visible\"><path d=\"{}\"/></svg></svg> \
             {name}, until it is over</li>",
            mark.class(),
            mark.shape()
        )?;
    }
    out.write_str("</ul>\n")
}

#[derive(Clone, Copy, Debug)]
enum Mark {
    Anomaly,
    Page,
    Incident,
}

impl Mark {
    fn class(self) -> &'static str {
        match self {
            Mark::Anomaly => "anomaly",
            Mark::Page => "page",
            Mark::Incident => "incident",
        }
    }

    /// Told apart without colours: round, three corners, four.
    fn shape(self) -> &'static str {
        match self {
            Mark::Anomaly => "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
            Mark::Page => "M0-4L4.5 4L-4.5 4z",
            Mark::Incident => "M0-4.5L4.5 0L0 4.5L-4.5 0z",
        }
    }

    fn track(self) -> u32 {
        match self {
            Mark::Anomaly => ANOMALIES,
            Mark::Page => PAGES,
            Mark::Incident => INCIDENTS,
        }
    }
}

fn picture(page: Page<'_>, out: &mut String) -> fmt::Result {
    let axis = Axis::of(page.timeline);
    let lanes = Lanes::of(page);
    let height = AXIS + LANE * lanes.count() - FALSE_LANE_SAVES;
    writeln!(
        out,
        "<svg class=\"run\" role=\"group\" height=\"{height}\" aria-label=\"{} changes in {} from \
         {} to {}; the tables below say the same\">",
        page.card.faults.len(),
        length(axis.to.since(axis.from)),
        time_of_day(axis.from),
        time_of_day(axis.to)
    )?;
    out.write_str(
        "<defs><linearGradient id=\"ramp\"><stop class=\"from\" offset=\"0\"/><stop class=\"to\" \
         offset=\"1\"/></linearGradient><linearGradient id=\"benign-ramp\"><stop class=\"from\" \
         offset=\"0\"/><stop class=\"to\" offset=\"1\"/></linearGradient><pattern id=\"hatch\" \
         width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect class=\"stripe\" width=\"2\" height=\"6\"/></pattern></defs>\n",
    )?;
    let judged = axis.x(page.timeline.judged_from);
    if judged > 0.0 {
        writeln!(
            out,
            "<rect class=\"learning\" y=\"{AXIS}\" width=\"{judged:.3}%\" height=\"{}\"><title>\
             learning: not judged</title></rect>",
            height - AXIS
        )?;
    }
    for tick in axis.ticks() {
        let x = axis.x(tick);
        let anchor = if x > 95.0 { "end" } else { "middle" };
        writeln!(
            out,
            "<line class=\"tick\" x1=\"{x:.3}%\" x2=\"{x:.3}%\" y1=\"18\" y2=\"{height}\"/><text \
             class=\"time\" x=\"{x:.3}%\" y=\"12\" text-anchor=\"{anchor}\">{}</text>",
            time_of_day(tick)
        )?;
    }
    for (name, &row) in &lanes.rows {
        let y = AXIS + LANE * row;
        writeln!(
            out,
            "<line class=\"edge\" x1=\"0\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/><text class=\"name\" \
             x=\"4\" y=\"{}\">{}</text>",
            y + 15,
            Text(name)
        )?;
    }
    for (index, window) in page.windows.all.iter().enumerate() {
        for name in places(window) {
            bar(index, page, axis, lanes.y(&name), out)?;
        }
    }
    alarms(
        page,
        axis,
        &lanes,
        Mark::Anomaly,
        &page.heard.anomalies,
        out,
    )?;
    alarms(page, axis, &lanes, Mark::Page, &page.heard.pages, out)?;
    incidents(page, axis, &lanes, out)?;
    out.write_str("</svg>\n")
}

/// The rows, by when they are first needed; the false alarms come last.
#[derive(Debug)]
struct Lanes {
    rows: BTreeMap<String, u32>,
}

impl Lanes {
    fn of(page: Page<'_>) -> Lanes {
        let mut rows = BTreeMap::new();
        let mut add = |name: String| {
            let next = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            rows.entry(name).or_insert(next);
        };
        for window in &page.windows.all {
            places(window).into_iter().for_each(&mut add);
        }
        add(FALSE_LANE.to_owned());
        Lanes { rows }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    fn y(&self, name: &str) -> u32 {
        AXIS + LANE * self.rows.get(name).copied().unwrap_or_default()
    }

    /// From where the heights of the tracks count.
    fn tracks(&self, name: &str) -> u32 {
        let saved = if name == FALSE_LANE {
            FALSE_LANE_SAVES
        } else {
            0
        };
        self.y(name) - saved
    }
}

/// The services that a fault was done to; what has none is named as it is.
fn places(window: &Window<'_>) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for target in &window.fault.targets {
        let place = target.service.clone().unwrap_or_else(|| target.to_string());
        if !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        places.push(
            window
                .fault
                .cause
                .service
                .clone()
                .unwrap_or_else(|| "everything".to_owned()),
        );
    }
    places
}

fn bar(index: usize, page: Page<'_>, axis: Axis, y: u32, out: &mut String) -> fmt::Result {
    let fault = &page.card.faults[index];
    let truth = page.windows.all[index].fault;
    let class = match fault.outcome {
        Outcome::Detected => "",
        Outcome::Missed => " missed",
        Outcome::LeftAlone | Outcome::FalsePage => " benign",
        Outcome::DidNotAct | Outcome::NotJudged => " idle",
    };
    let (from, full, to) = (
        axis.x(truth.started),
        axis.x(truth.full.min(truth.ended)),
        axis.x(truth.ended),
    );
    let number = index + 1;
    writeln!(
        out,
        "<a href=\"#fault-{number}\"><title>{}</title>",
        Text(title(fault))
    )?;
    let (top, height) = (y + BARS, 14);
    if full > from {
        writeln!(
            out,
            "<rect class=\"bar ramp{class}\" x=\"{from:.3}%\" y=\"{top}\" width=\"{:.3}%\" \
             height=\"{height}\"/>",
            full - from
        )?;
    }
    let full = full.max(from);
    writeln!(
        out,
        "<rect class=\"bar{class}\" x=\"{full:.3}%\" y=\"{top}\" \
         style=\"width:max(2px,{:.3}%)\" height=\"{height}\"/><text class=\"number\" \
         x=\"{from:.3}%\" y=\"{}\">{number}</text></a>",
        (to - full).max(0.0),
        y + NUMBERS
    )
}

/// `3 database-slow at ledger in on-prem, 2 min 0 s: detected`.
fn title(fault: &FaultScore) -> String {
    let outcome = match fault.outcome {
        Outcome::Detected => "detected",
        Outcome::Missed => "missed",
        Outcome::LeftAlone => "benign, nobody was paged",
        Outcome::FalsePage => "benign, and somebody was paged",
        Outcome::DidNotAct => "did not act",
        Outcome::NotJudged => "not judged",
    };
    format!(
        "{} at {}, for {}: {outcome}",
        fault.id,
        fault.place,
        length(fault.ended.since(fault.started))
    )
}

fn alarms(
    page: Page<'_>,
    axis: Axis,
    lanes: &Lanes,
    mark: Mark,
    all: &[Alarm<'_>],
    out: &mut String,
) -> fmt::Result {
    for alarm in all {
        let (verdict, fault) = verdict(alarm, page.windows);
        let place = match (verdict, fault) {
            (Verdict::Right | Verdict::Neither, Some(fault)) => {
                places(&page.windows.all[fault]).swap_remove(0)
            }
            _ => FALSE_LANE.to_owned(),
        };
        let wrong = if matches!(verdict, Verdict::False(_)) {
            "false "
        } else {
            ""
        };
        let title = format!(
            "{wrong}{} at {}: {}, {}",
            mark.class(),
            alarm.service,
            alarm.text,
            time_of_day(alarm.opened)
        );
        stretch(
            axis,
            lanes.tracks(&place),
            mark,
            (alarm.opened, alarm.over),
            &title,
            out,
        )?;
    }
    Ok(())
}

fn incidents(page: Page<'_>, axis: Axis, lanes: &Lanes, out: &mut String) -> fmt::Result {
    for incident in &page.heard.incidents {
        let Some(first) = incident.updates.first() else {
            continue;
        };
        let place = match page.windows.of(first.at, &first.services) {
            Some(belongs) if belongs.at_symptom => {
                places(&page.windows.all[belongs.to]).swap_remove(0)
            }
            _ => FALSE_LANE.to_owned(),
        };
        let title = format!(
            "incident {} at {}, {}",
            incident.id,
            first.services.join(", "),
            time_of_day(first.at)
        );
        stretch(
            axis,
            lanes.tracks(&place),
            Mark::Incident,
            (first.at, incident.over),
            &title,
            out,
        )?;
    }
    Ok(())
}

/// A mark where it opened and a line until it was over.
fn stretch(
    axis: Axis,
    y: u32,
    mark: Mark,
    (opened, over): (Moment, Option<Moment>),
    title: &str,
    out: &mut String,
) -> fmt::Result {
    let (from, to) = (axis.x(opened), axis.x(over.unwrap_or(axis.to)));
    let y = y + mark.track();
    writeln!(
        out,
        "<g class=\"{}\"><title>{}</title><line x1=\"{from:.3}%\" x2=\"{to:.3}%\" y1=\"{y}\" \
         y2=\"{y}\"/><svg x=\"{from:.3}%\" y=\"{y}\" overflow=\"visible\"><path \
         d=\"{}\"/></svg></g>",
        mark.class(),
        Text(title),
        mark.shape()
    )
}
