//! Scores assembled journeys against what each request really passed.
//!
//! A journey is right when all of its passages are in one assembled journey, nothing of another is,
//! and each is below the passage that really asked for it. Half-right ones count as wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

/// One request or message that one replica dealt with, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    pub journey: u64,
    pub parent: Option<u64>,
}

/// Where an assembler put a passage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Put {
    pub journey: usize,
    /// The passage that it is below.
    pub parent: Option<u64>,
    /// Of the whole assembled journey.
    pub confidence: f64,
}

/// By how much an environment's clock is found to be wrong, and is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clock {
    pub environment: String,
    pub found_ms: f64,
    pub true_ms: f64,
}

/// Journeys of about the same stated confidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    pub from: f64,
    pub journeys: u64,
    pub stated: f64,
    pub right: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub evidence: String,
    pub journeys: u64,
    pub right: u64,
    pub share: f64,
    /// Wilson's interval of `share`, 95 %.
    pub share_interval: [f64; 2],
    /// Passages below another one, and how many of them are below the right one.
    pub connections: u64,
    pub connections_right: f64,
    /// Mean difference of stated confidence and share right, over bins; 0 is calibrated.
    pub calibration_error: f64,
    pub brier: f64,
    pub calibration: Vec<Bin>,
    pub clocks: Vec<Clock>,
    pub worst_clock_error_ms: Option<f64>,
    /// Share right, by the route where they enter.
    pub by_entry: BTreeMap<String, f64>,
    /// The journeys that are not right, by their number, the first ones first.
    #[serde(skip)]
    pub wrong: Vec<u64>,
}

/// `seen`: the passages that there was evidence of; of a passage whose parent there was none of, the
/// next above it counts.
pub fn score(
    evidence: &str,
    truth: &BTreeMap<u64, Passed>,
    seen: &BTreeSet<u64>,
    put: &BTreeMap<u64, Put>,
    entry: impl Fn(u64) -> String,
    clocks: Vec<Clock>,
) -> Score {
    let above = |passage: u64| -> Option<u64> {
        let mut at = truth.get(&passage)?.parent;
        while let Some(parent) = at.filter(|parent| !seen.contains(parent)) {
            at = truth.get(&parent)?.parent;
        }
        at
    };
    let mut journeys: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for passage in seen {
        if let Some(passed) = truth.get(passage) {
            journeys.entry(passed.journey).or_default().push(*passage);
        }
    }
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for (passage, place) in put {
        if seen.contains(passage) {
            *sizes.entry(place.journey).or_default() += 1;
        }
    }
    let (mut right, mut connections, mut connected) = (0, 0, 0);
    let mut bins = [(0_u64, 0_u64, 0.0); 10];
    let mut brier = 0.0;
    let mut entries: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (journey, passages) in &journeys {
        let places: BTreeSet<Option<usize>> = passages
            .iter()
            .map(|passage| put.get(passage).map(|place| place.journey))
            .collect();
        let mut good = places.len() == 1
            && places.first().is_some_and(|place| {
                place.is_some_and(|place| sizes.get(&place) == Some(&passages.len()))
            });
        for passage in passages {
            let real = above(*passage);
            let same = put.get(passage).is_some_and(|place| place.parent == real);
            good &= same;
            if real.is_some() {
                connections += 1;
                connected += u64::from(same);
            }
        }
        let stated = passages
            .iter()
            .find_map(|passage| put.get(passage))
            .map_or(0.0, |place| place.confidence);
        right += u64::from(good);
        if !good {
            wrong.push(*journey);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 10"
        )]
        let bin = &mut bins[((stated.clamp(0.0, 1.0) * 10.0) as usize).min(9)];
        bin.0 += 1;
        bin.1 += u64::from(good);
        bin.2 += stated;
        brier += (stated - f64::from(u8::from(good))).powi(2);
        let known = entries.entry(entry(*journey)).or_default();
        known.0 += 1;
        known.1 += u64::from(good);
    }
    let count = journeys.len() as u64;
    let calibration: Vec<Bin> = (0_u8..)
        .zip(bins)
        .filter(|(_, bin)| bin.0 > 0)
        .map(|(place, (journeys, right, stated))| Bin {
            from: f64::from(place) / 10.0,
            journeys,
            stated: rounded(stated / real(journeys)),
            right: rounded(share(right, journeys)),
        })
        .collect();
    let off: f64 = calibration
        .iter()
        .map(|bin| real(bin.journeys) * (bin.stated - bin.right).abs())
        .sum();
    Score {
        evidence: evidence.to_owned(),
        journeys: count,
        right,
        share: rounded(share(right, count)),
        share_interval: wilson(right, count).map(rounded),
        connections,
        connections_right: rounded(share(connected, connections)),
        calibration_error: rounded(off / real(count.max(1))),
        brier: rounded(brier / real(count.max(1))),
        calibration,
        worst_clock_error_ms: worst(&clocks),
        clocks,
        by_entry: entries
            .into_iter()
            .map(|(entry, (all, right))| (entry, rounded(share(right, all))))
            .collect(),
        wrong,
    }
}

/// Clocks are compared with one another: all of them may be off by the same.
fn worst(clocks: &[Clock]) -> Option<f64> {
    let errors = || clocks.iter().map(|clock| clock.found_ms - clock.true_ms);
    let (least, most) = errors().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), error| {
        (a.min(error), b.max(error))
    });
    (clocks.len() > 1).then(|| rounded(most - least))
}

/// For people.
pub fn table(scores: &[Score]) -> String {
    let mut out = String::from(
        "evidence                      journeys    right   95 % interval  connections  calibration error  worst clock\n",
    );
    for score in scores {
        let clock = match score.worst_clock_error_ms {
            Some(error) => format!("{error:.1} ms"),
            None => "-".to_owned(),
        };
        let [low, high] = score.share_interval;
        let (share, connections) = (score.share * 100.0, score.connections_right * 100.0);
        let (low, high) = (low * 100.0, high * 100.0);
        // Writing to a string cannot fail.
        writeln!(
            out,
            "{:<29} {:>8} {share:>7.2}%  {low:>5.1} to {high:>5.1}% {connections:>11.2}% {:>18.3} {clock:>12}",
            score.evidence, score.journeys, score.calibration_error,
        )
        .unwrap_or_default();
    }
    for score in scores.iter().filter(|score| score.calibration.len() > 1) {
        writeln!(
            out,
            "\n{}: stated confidence and share right",
            score.evidence
        )
        .unwrap_or_default();
        for bin in &score.calibration {
            writeln!(
                out,
                "  {:.1} to {:.1} {:>8} journeys   stated {:.3}   right {:.3}",
                bin.from,
                bin.from + 0.1,
                bin.journeys,
                bin.stated,
                bin.right
            )
            .unwrap_or_default();
        }
    }
    out
}

/// Wilson's score interval (Wilson, 1927) at 95 %.
fn wilson(right: u64, all: u64) -> [f64; 2] {
    if all == 0 {
        return [0.0, 1.0];
    }
    let (n, p, z) = (real(all), share(right, all), 1.959_964);
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    [(middle - half) / scale, (middle + half) / scale]
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    real(part) / real(all)
}

fn real(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let n = n as f64;
    n
}

fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passages 1 to 3 of one journey, each below the one before; 4 is another journey.
    fn truth() -> BTreeMap<u64, Passed> {
        let passed = |journey, parent| Passed { journey, parent };
        BTreeMap::from([
            (1, passed(1, None)),
            (2, passed(1, Some(1))),
            (3, passed(1, Some(2))),
            (4, passed(4, None)),
        ])
    }

    fn scored(seen: &[u64], put: &[(u64, usize, Option<u64>)]) -> Score {
        let put = put
            .iter()
            .map(|(passage, journey, parent)| {
                let place = Put {
                    journey: *journey,
                    parent: *parent,
                    confidence: 1.0,
                };
                (*passage, place)
            })
            .collect();
        let seen = seen.iter().copied().collect();
        score("test", &truth(), &seen, &put, |_| String::new(), Vec::new())
    }

    #[test]
    fn all_in_one_and_nothing_of_another() {
        let right = [(1, 7, None), (2, 7, Some(1)), (3, 7, Some(2)), (4, 8, None)];
        assert_eq!(scored(&[1, 2, 3, 4], &right).right, 2);
        let torn = [(1, 7, None), (2, 7, Some(1)), (3, 9, None), (4, 8, None)];
        assert_eq!(scored(&[1, 2, 3, 4], &torn).right, 1);
        let mixed = [(1, 7, None), (2, 7, Some(1)), (3, 7, Some(2)), (4, 7, None)];
        assert_eq!(scored(&[1, 2, 3, 4], &mixed).right, 0);
        let elsewhere = [(1, 7, None), (2, 7, Some(1)), (3, 7, Some(1)), (4, 8, None)];
        assert_eq!(scored(&[1, 2, 3, 4], &elsewhere).right, 1);
    }

    #[test]
    fn what_nobody_told_of_is_passed_over() {
        let put = [(1, 7, None), (3, 7, Some(1)), (4, 8, None)];
        let score = scored(&[1, 3, 4], &put);
        assert_eq!((score.right, score.connections), (2, 1));
    }

    #[test]
    fn clocks_are_judged_by_their_differences() {
        let clock = |found_ms, true_ms| Clock {
            environment: String::new(),
            found_ms,
            true_ms,
        };
        assert_eq!(worst(&[clock(0.0, 3.0), clock(-45.0, -40.0)]), Some(2.0));
    }
}
