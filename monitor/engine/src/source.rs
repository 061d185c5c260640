//! Chooses which evidence an Api's numbers come from.
//!
//! One request can be seen as a span, as a log line and in a histogram. Counting it once means to
//! believe one kind of evidence at a time: while learning the one with most calls, later the same
//! until it stops while another goes on.

use monitor_core::CallSource;
use serde::{Deserialize, Serialize};

/// In order of preference; probes are never believed.
const CANDIDATES: [CallSource; 3] = [CallSource::Span, CallSource::Log, CallSource::Metric];
/// Another source must have this many times the calls to replace the chosen one while learning:
/// twins that differ by stragglers do not take turns.
const CLEARLY_MORE: f64 = 1.5;
/// The chosen source has stopped when it was quiet for this long …
const STOPPED_SECS: i64 = 60;
/// … while another one saw at least this many calls.
const GOES_ON: u64 = 30;
/// So few calls may belong to the same second as the chosen source's last ones.
const FEW: u64 = 3;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SourceChoice {
    chosen: Option<CallSource>,
    seen: [Seen; CANDIDATES.len()],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    calls: u64,
    /// Calls since the chosen source was last heard of.
    since_chosen: u64,
    last: i64,
}

impl SourceChoice {
    /// The evidence believed, `Span` before there is any.
    pub(crate) fn chosen(&self) -> CallSource {
        self.chosen.unwrap_or(CallSource::Span)
    }

    /// Takes the calls of one second by source. True when the choice changed, which makes all that
    /// was learned worthless: sources differ in what they see.
    pub(crate) fn see(&mut self, second: i64, calls: &[(CallSource, u64)], learning: bool) -> bool {
        let chosen_spoke = calls.iter().any(|(source, _)| Some(*source) == self.chosen);
        for (candidate, seen) in CANDIDATES.iter().zip(&mut self.seen) {
            let n: u64 = calls
                .iter()
                .filter(|(source, _)| source == candidate)
                .map(|(_, n)| n)
                .sum();
            if n > 0 {
                seen.calls += n;
                seen.last = second;
            }
            seen.since_chosen = if chosen_spoke {
                0
            } else {
                seen.since_chosen + n
            };
        }
        let Some(chosen) = self.chosen else {
            self.chosen = self.most(0.0, |seen| seen.calls);
            return false;
        };
        let mine = self.of(chosen);
        let better = if learning {
            self.most(mine.calls as f64 * CLEARLY_MORE, |seen| seen.calls)
        } else if second - mine.last >= STOPPED_SECS {
            self.most((GOES_ON - 1) as f64, |seen| seen.since_chosen)
        } else {
            None
        };
        match better {
            Some(better) if better != chosen => {
                self.chosen = Some(better);
                true
            }
            _ => false,
        }
    }

    /// Whether another source has seen calls since the chosen one fell quiet: then quiet is not
    /// silence.
    pub(crate) fn others_go_on(&self) -> bool {
        self.seen.iter().any(|seen| seen.since_chosen >= FEW)
    }

    fn of(&self, source: CallSource) -> Seen {
        CANDIDATES
            .iter()
            .position(|candidate| *candidate == source)
            .map_or(Seen::default(), |at| self.seen[at])
    }

    /// The source with most, if that is more than `above`; ties go to the preferred one.
    fn most(&self, above: f64, calls: impl Fn(&Seen) -> u64) -> Option<CallSource> {
        let mut best = None;
        let mut most = above;
        for (candidate, seen) in CANDIDATES.iter().zip(&self.seen) {
            if calls(seen) as f64 > most {
                most = calls(seen) as f64;
                best = Some(*candidate);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CallSource::{Log, Span};

    #[test]
    fn twins_prefer_spans_and_do_not_take_turns() {
        let mut choice = SourceChoice::default();
        choice.see(0, &[(Log, 5), (Span, 5)], true);
        assert_eq!(choice.chosen(), Span);
        assert!(!choice.see(1, &[(Log, 6), (Span, 5)], true));
        assert_eq!(choice.chosen(), Span);
    }

    #[test]
    fn sampled_spans_give_way_to_complete_logs_while_learning() {
        let mut choice = SourceChoice::default();
        choice.see(0, &[(Span, 1), (Log, 1)], true);
        assert!(choice.see(1, &[(Log, 9)], true));
        assert_eq!(choice.chosen(), Log);
    }

    #[test]
    fn a_source_that_stops_is_replaced_only_by_one_that_goes_on() {
        let mut choice = SourceChoice::default();
        choice.see(0, &[(Span, 10), (Log, 10)], false);
        for second in 1..59 {
            assert!(!choice.see(second, &[(Log, 10)], false));
        }
        assert!(choice.others_go_on());
        assert!(choice.see(60, &[(Log, 10)], false));
        assert_eq!(choice.chosen(), Log);
    }
}
