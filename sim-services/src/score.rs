//! Compares what really happened with what a watcher said, and shows the result.
//!
//! Called when a run is over, by whoever has its [`Timeline`] and the watcher's [`Said`]. Pure: no
//! clock, no files, no idea who watched. The same truth and the same statements give the same card,
//! in whatever order they are handed in (statements of one moment keep their order).
//!
//! What counts as right is in [`Rules`] and in `windows`; a fault that did not act, or began
//! before the watcher could know what is normal, is listed but counts neither for nor against it.

mod fault;
mod figures;
mod heard;
pub mod html;
mod rules;
pub mod text;
mod totals;
mod windows;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::fault::{FaultScore, Outcome, Prediction, RootCause};
pub use self::figures::{Rate, Ratio, Spread};
pub use self::rules::Rules;
pub use self::totals::{
    Alarms, FalseAlarm, KindScore, Predictions, RootCauses, Speed, Totals, WhyFalse,
};

use self::heard::Heard;
use self::windows::Windows;
use crate::clock::Moment;
use crate::truth::{Said, Timeline};

/// Of [`Scorecard`]'s JSON; another number means that names or meanings have changed.
pub const VERSION: u32 = 1;

/// How a watcher did in one run. Lengths of time are in seconds, shares from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scorecard {
    pub version: u32,
    pub topology: String,
    pub seed: u64,
    pub virtual_time: bool,
    pub judged_from: Moment,
    pub ended: Moment,
    #[serde(rename = "judged_seconds", with = "figures::seconds")]
    pub judged: Duration,
    pub apis: u64,
    pub rules: Rules,
    /// Statements from before the time that is judged, and from after it.
    pub ignored: Ignored,
    pub totals: Totals,
    pub kinds: BTreeMap<String, KindScore>,
    /// In the order in which they began.
    pub faults: Vec<FaultScore>,
    /// Every false page, so that it can be looked into.
    pub false_pages: Vec<FalseAlarm>,
}

/// Statements that were not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Made while the watcher was still learning what is normal.
    pub while_learning: u64,
    /// Made when nothing ran any more, and so silence was no fault.
    pub after_the_end: u64,
}

impl Scorecard {
    pub fn new(timeline: &Timeline, said: &[Said], rules: &Rules) -> Scorecard {
        let heard = Heard::new(timeline, said);
        let windows = Windows::new(timeline, rules);
        let faults: Vec<FaultScore> = (0..windows.all.len())
            .map(|index| fault::score(index, &windows, &heard, timeline, rules))
            .collect();
        let (totals, false_pages) = totals::totals(timeline, &windows, &heard, &faults);
        Scorecard {
            version: VERSION,
            topology: timeline.topology.clone(),
            seed: timeline.seed,
            virtual_time: timeline.virtual_time,
            judged_from: timeline.judged_from,
            ended: timeline.ended,
            judged: timeline.ended.since(timeline.judged_from),
            apis: figures::amount(timeline.apis.len()),
            rules: *rules,
            ignored: heard.ignored,
            totals,
            kinds: totals::kinds(&faults),
            faults,
            false_pages,
        }
    }
}
