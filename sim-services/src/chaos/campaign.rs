//! A random but repeatable programme of faults, with changes among them that are none.
//!
//! The same seed and topology give the same plan. As many different kinds as fit take part; for
//! every five faults there is one benign change besides.

mod draw;
mod intensity;

use std::time::Duration;

use draw::Draw;

use super::kind::Fault;
use super::plan::{Plan, Step};
use crate::random::Dice;
use crate::topology::Topology;

/// Programmes of a seed.
#[derive(Debug)]
pub struct Campaign;

impl Campaign {
    /// Plans so many faults, and benign changes besides them: one for every five, at least one.
    /// With as many faults as there are kinds or more, every kind comes at least once; a kind
    /// that has no place in this topology is left out.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a campaign is a plan once it is drawn"
    )]
    pub fn new(topology: &Topology, seed: u64, faults: usize) -> Plan {
        let draw = Draw::new(topology, seed);
        let (bad, benign) = Fault::KINDS.split_at(Fault::KINDS.len() - Fault::BENIGN);
        let mut dice = Dice::new(seed, "chaos campaign");
        let mut kinds = choose(&draw, bad, faults, &mut dice);
        kinds.extend(choose(&draw, benign, faults.div_ceil(5), &mut dice));
        shuffle(&mut kinds, &mut dice);
        plan(draw, kinds, &mut dice)
    }

    /// Only faults that grow, over very different lengths of time, and one benign change for every
    /// three: is what can be foreseen foreseen, and nothing else?
    pub fn of_ramps(topology: &Topology, seed: u64, faults: usize) -> Plan {
        let draw = Draw::new(topology, seed).with_ramps_of(RAMP_SECS);
        let (bad, benign) = Fault::KINDS.split_at(Fault::KINDS.len() - Fault::BENIGN);
        let growing: Vec<&'static str> = bad
            .iter()
            .copied()
            .filter(|kind| draw::is_foreseeable(kind))
            .collect();
        let mut dice = Dice::new(seed, "chaos ramps");
        let mut kinds: Vec<&'static str> = Vec::new();
        while kinds.len() < faults && !growing.is_empty() {
            let more = choose(&draw, &growing, faults - kinds.len(), &mut dice);
            if more.is_empty() {
                break;
            }
            kinds.extend(more);
        }
        kinds.extend(choose(&draw, benign, faults.div_ceil(3), &mut dice));
        shuffle(&mut kinds, &mut dice);
        plan(draw, kinds, &mut dice)
    }
}

/// How long a fault of [`Campaign::of_ramps`] lasts, in seconds.
const RAMP_SECS: (u64, u64) = (240, 2_400);

/// One after another, with time to recover between them.
fn plan(mut draw: Draw<'_>, kinds: Vec<&'static str>, dice: &mut Dice) -> Plan {
    // The watcher is judged from the start; the first fault is to be compared with something.
    let mut at = Duration::from_secs(dice.between(45, 75));
    let mut steps = Vec::new();
    for (index, kind) in kinds.into_iter().enumerate() {
        let experiment = draw.experiment(kind, index);
        let next = at + experiment.duration + experiment.recovery;
        steps.push(Step { at, experiment });
        at = next;
    }
    Plan::new(steps)
}

/// Each once before any comes twice.
fn choose(
    draw: &Draw<'_>,
    kinds: &[&'static str],
    count: usize,
    dice: &mut Dice,
) -> Vec<&'static str> {
    let possible: Vec<&'static str> = kinds
        .iter()
        .copied()
        .filter(|kind| draw.possible(kind))
        .collect();
    let mut chosen = Vec::new();
    while chosen.len() < count && !possible.is_empty() {
        let mut round = possible.clone();
        shuffle(&mut round, dice);
        round.truncate(count - chosen.len());
        chosen.append(&mut round);
    }
    chosen
}

/// Fisher and Yates'.
fn shuffle<T>(all: &mut [T], dice: &mut Dice) {
    for end in (1..all.len()).rev() {
        let other = usize::try_from(dice.between(0, end as u64 + 1)).unwrap_or(end);
        all.swap(end, other);
    }
}
