//! How far a stream has been read, by time: resuming repeats nothing and misses nothing.
//!
//! The API takes a time to begin from with the precision of a second, so that lines come again.
//! Lines of one time are counted, because several may have the same.

use monitor_core::Time;
use serde::{Deserialize, Serialize};

/// The last line that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    nanos: i64,
    /// Lines with exactly this time.
    lines: u64,
}

/// Reads one stream from its beginning; tells which lines are new.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    before: Option<Seen>,
    /// Of this reading.
    current: Seen,
}

impl Cursor {
    pub fn new(before: Option<Seen>) -> Cursor {
        Cursor {
            before,
            current: Seen::default(),
        }
    }

    /// Where the API should begin.
    pub fn since(&self) -> Option<Time> {
        self.before.map(|seen| Time::from_nanos(seen.nanos))
    }

    /// Takes the next line's time. `true`: it is new.
    pub fn take(&mut self, time: Time) -> bool {
        let nanos = time.as_nanos();
        if self.current.nanos == nanos {
            self.current.lines += 1;
        } else {
            self.current = Seen { nanos, lines: 1 };
        }
        match self.before {
            Some(before) => {
                nanos > before.nanos || (nanos == before.nanos && self.current.lines > before.lines)
            }
            None => true,
        }
    }

    /// What to begin from next time.
    pub fn seen(&self) -> Option<Seen> {
        let current = Some(self.current).filter(|it| it.lines > 0);
        match (self.before, current) {
            (Some(before), Some(current)) => {
                let further = (current.nanos, current.lines) > (before.nanos, before.lines);
                Some(if further { current } else { before })
            }
            (before, current) => before.or(current),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However often the stream breaks, each line is taken once.
        #[test]
        fn resuming_repeats_nothing_and_misses_nothing(
            steps in prop::collection::vec(0i64..3, 0..50),
            breaks in prop::collection::vec(0usize..50, 0..6),
        ) {
            const SECOND: i64 = 1_000_000_000;
            // Times never go back; several lines may share one.
            let mut nanos = SECOND;
            let times: Vec<i64> = steps
                .iter()
                .map(|step| {
                    nanos += step * SECOND / 3;
                    nanos
                })
                .collect();
            let mut taken = Vec::new();
            let mut seen = None;
            for until in breaks.into_iter().chain([times.len()]) {
                let mut cursor = Cursor::new(seen);
                // The server rounds down to the second.
                let since = cursor.since().map_or(0, |it| it.as_nanos() / SECOND * SECOND);
                let offered = times.iter().enumerate().filter(|(_, nanos)| **nanos >= since);
                for (line, nanos) in offered.take_while(|(line, _)| *line < until) {
                    if cursor.take(Time::from_nanos(*nanos)) {
                        taken.push(line);
                    }
                }
                seen = cursor.seen();
            }
            prop_assert_eq!(taken, (0..times.len()).collect::<Vec<_>>());
        }
    }
}
