//! The scorecard as one page: figures, the whole run as a picture, and what was said about each
//! fault.
//!
//! One file without scripts and without anything from elsewhere, so that it can be kept with the
//! run, mailed and printed. Every name in it is somebody else's and is escaped.

mod axis;
mod details;
mod escape;
mod lanes;
mod tables;

use std::fmt::{self, Write};

use self::escape::Text;
use super::figures::{Ratio, Spread};
use super::heard::Heard;
use super::windows::Windows;
use super::words::{NOTHING, counted, figure, length, percent};
use super::{Rules, Scorecard};
use crate::truth::{Said, Timeline};

const STYLE: &str = include_str!("html/page.css");

/// What the sections draw on.
#[derive(Clone, Copy, Debug)]
struct Page<'a> {
    card: &'a Scorecard,
    timeline: &'a Timeline,
    windows: &'a Windows<'a>,
    heard: &'a Heard<'a>,
}

/// `card` must be of this timeline and these statements.
pub fn html(card: &Scorecard, timeline: &Timeline, said: &[Said]) -> String {
    let windows = Windows::new(timeline, &card.rules);
    let heard = Heard::new(timeline, said);
    let page = Page {
        card,
        timeline,
        windows: &windows,
        heard: &heard,
    };
    let mut out = String::new();
    write(page, &mut out).expect("a string can always be written to");
    out
}

fn write(page: Page<'_>, out: &mut String) -> fmt::Result {
    let card = page.card;
    let title = format!("Scorecard of {}, seed {}", card.topology, card.seed);
    let title = Text(&title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n<p>What was said about {} in {} from {} on, compared with what \
         really happened{}. In brackets: 95&#8239;% intervals.</p>\n</header>\n",
        counted(card.apis, "Api", "Apis"),
        length(card.judged),
        card.judged_from
            .timestamp()
            .strftime("%-d %B %Y, %H:%M:%S UTC"),
        if card.virtual_time {
            "; time was fast-forwarded"
        } else {
            ""
        },
    )?;
    headline(card, out)?;
    lanes::write(page, out)?;
    tables::faults(card, out)?;
    tables::kinds(card, out)?;
    tables::false_pages(card, out)?;
    details::write(page, out)?;
    rules(&card.rules, out)?;
    out.write_str("</main>\n</body>\n</html>\n")
}

/// The figures that one would quote.
fn headline(card: &Scorecard, out: &mut String) -> fmt::Result {
    let totals = &card.totals;
    out.write_str("<dl class=\"tiles\">\n")?;
    let mut tile = |name: &str, value: String, more: String| {
        writeln!(
            out,
            "<div><dt>{name}</dt><dd><b>{value}</b> <span>{more}</span></dd></div>"
        )
    };
    let of = |ratio: &Ratio| (counted_of(ratio), interval(ratio));
    let (value, more) = of(&totals.detected);
    tile("Faults detected", value, more)?;
    let (value, more) = soon(&totals.speed.detect_abrupt);
    tile("Time to detect, abrupt faults", value, more)?;
    let (value, more) = soon(&totals.speed.detect_ramp);
    tile("Time to detect, growing faults", value, more)?;
    let (value, more) = of(&totals.root_cause.at_1_of_detected);
    tile("Root cause named first, of detected", value, more)?;
    let (value, more) = of(&totals.root_cause.at_3_of_detected);
    tile("Root cause in the first three", value, more)?;
    let (value, more) = of(&totals.one_incident);
    tile("Exactly one incident", value, more)?;
    let rate = &totals.pages.false_per_api_day;
    let more = match (rate.per_api_day, rate.low, rate.high) {
        (Some(per), Some(low), Some(high)) => format!(
            "{} per Api-day ({}–{})",
            figure(per),
            figure(low),
            figure(high)
        ),
        _ => String::new(),
    };
    tile("False pages", rate.count.to_string(), more)?;
    let (value, more) = of(&totals.benign_paged);
    tile("Benign changes paged for", value, more)?;
    let (value, more) = of(&totals.recovered_in_time);
    tile("Recovered in time", value, more)?;
    let (value, more) = of(&totals.predictions.predicted);
    let more = match totals.predictions.lead.median {
        Some(lead) => format!("{more}, median {} before", length(lead)),
        None => more,
    };
    tile("Breaches predicted", value, more)?;
    out.write_str("</dl>\n")
}

impl Page<'_> {
    /// Writes `<section>` around what `inside` writes.
    fn section(
        title: &str,
        out: &mut String,
        inside: impl FnOnce(&mut String) -> fmt::Result,
    ) -> fmt::Result {
        writeln!(out, "<section>\n<h2>{title}</h2>")?;
        inside(out)?;
        out.write_str("</section>\n")
    }
}

fn counted_of(ratio: &Ratio) -> String {
    if ratio.of == 0 {
        NOTHING.to_owned()
    } else {
        format!("{} of {}", ratio.count, ratio.of)
    }
}

fn interval(ratio: &Ratio) -> String {
    match (ratio.share, ratio.low, ratio.high) {
        (Some(share), Some(low), Some(high)) => format!(
            "{} ({}–{})",
            percent(share),
            percent(low).trim_end_matches(" %"),
            percent(high)
        ),
        _ => "none to tell by".to_owned(),
    }
}

fn soon(spread: &Spread) -> (String, String) {
    match (spread.median, spread.p90) {
        (Some(median), Some(p90)) => (
            length(median),
            format!("median of {}; 90 % within {}", spread.count, length(p90)),
        ),
        _ => (NOTHING.to_owned(), "none detected".to_owned()),
    }
}

fn rules(rules: &Rules, out: &mut String) -> fmt::Result {
    Page::section("What counts", out, |out| {
        writeln!(
            out,
            "<p>A fault is on from the first request it affects. It is detected by an anomaly or a \
             page that opens where it shows, until {} after its end; what is said until {} after \
             its end, or until the next one sets in, is taken to be about it. Its root cause is the \
             suspect that its largest incident named last within that first time. It recovered in \
             time when everything said about it was over {} after its last effect. Pages on benign \
             changes, at services where no fault showed, and when nothing was on are false. Faults \
             that did not act count neither way.</p>",
            length(rules.grace),
            length(rules.settle),
            length(rules.recovery)
        )
    })
}
