//! The evidence against a suspect, in sentences.

use super::flow::Flow;
use super::habit::Kind;
use super::{Blamed, Node, Unit};

/// Below this part, callees explain nothing worth a word.
const WORTH_A_WORD: f64 = 0.1;

pub(super) fn why(
    nodes: &[Node<'_>],
    target: usize,
    unit: Unit,
    suspect: &Blamed,
    flow: &Flow,
) -> Vec<String> {
    let node = &nodes[suspect.node];
    let excess = &node.excess;
    let mut why = Vec::new();
    match excess.kind {
        Kind::Measured => {
            why.push(match unit {
                Unit::Seconds => format!(
                    "its calls take {} instead of {}",
                    seconds(excess.now),
                    seconds(excess.before)
                ),
                Unit::Failures => format!(
                    "{} of its calls fail, before {}",
                    percent(excess.now),
                    percent(excess.before)
                ),
            });
            why.push(beyond(suspect.beyond));
            why.push(explained(flow.explained[suspect.node]));
        }
        Kind::Newcomer => why.push(match unit {
            Unit::Seconds => format!(
                "no normal days are known of it; its calls take {}",
                seconds(excess.now)
            ),
            Unit::Failures => format!(
                "no normal days are known of it; {} of its calls fail",
                percent(excess.now)
            ),
        }),
        Kind::Silent => why.push("calls of it ceased, and its caller is in trouble".to_owned()),
        Kind::Unknown => {}
    }
    let whole = percent(suspect.share);
    let of = &nodes[target].name;
    why.push(match (suspect.node == target, flow.by[suspect.node]) {
        (true, _) => format!("{whole} of the trouble is its own"),
        (false, Some(by)) if by != target => format!(
            "{whole} of the trouble of {of} is its own, most of it by way of {}",
            nodes[by].name
        ),
        (false, _) => format!("{whole} of the trouble of {of} is its own"),
    });
    why
}

fn beyond(times: f64) -> String {
    if times >= 100.0 {
        "normal days show next to nothing of the kind".to_owned()
    } else if times >= 1.05 {
        format!("this is {times:.1}× the most in such a time on normal days")
    } else {
        "normal days show as much at times".to_owned()
    }
}

fn explained(part: f64) -> String {
    if part < WORTH_A_WORD {
        "nothing that it calls explains it".to_owned()
    } else if part >= 0.995 {
        "what it calls explains it, and has trouble of its own".to_owned()
    } else {
        format!("what it calls explains {} of it", percent(part))
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

fn seconds(secs: f64) -> String {
    if secs < 0.0095 {
        format!("{:.2} ms", secs * 1_000.0)
    } else if secs < 0.995 {
        format!("{:.0} ms", secs * 1_000.0)
    } else {
        format!("{secs:.2} s")
    }
}
