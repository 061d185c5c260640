//! When evidence is worth an alarm: above what is ordinary for this very signal, and not again soon.
//!
//! A signal of rare spikes reaches high evidence every day and a smooth one never does, so evidence
//! is measured from the median of the highest of each of the last ten blocks (block maxima, as in
//! extreme value theory; an anomaly in up to four of them does not move the median). An alarm is
//! not repeated while the trouble lasts: a value counts only if it is the highest of the last
//! [`SPAN`] × [`SPANS`] or so.

use serde::{Deserialize, Serialize};

/// Values of one block, which is half a day of five-minute ones.
const BLOCK: u32 = 144;
const BLOCKS: usize = 10;
/// How much of an ordinary peak is forgiven. With all of it, what the length of a block is matters;
/// with none, signals of rare spikes alarm daily.
const ORDINARY: f32 = 0.7;
/// Blocks before their median says anything.
const FEWEST_BLOCKS: usize = 2;
/// The time in which only the highest counts, in spans of so many values: about thirty hours of
/// five-minute ones.
const SPAN: u32 = 24;
const SPANS: usize = 15;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Peaks {
    values: u32,
    /// The same blocks twice, half a block apart, so that it does not matter where one ends.
    blocks: [Blocks; 2],
    /// What an ordinary block reaches; until there are blocks, the highest so far.
    ordinary: Option<f32>,
    /// The highest excess of each of the last spans, oldest first; the last one is not over.
    spans: [f32; SPANS],
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Blocks {
    highest: f32,
    /// Oldest first.
    past: Vec<f32>,
}

impl Peaks {
    pub(super) fn bytes(&self) -> usize {
        let past = self.blocks.iter().map(|blocks| blocks.past.capacity());
        past.sum::<usize>() * size_of::<f32>()
    }

    pub(super) fn new() -> Peaks {
        Peaks {
            values: 0,
            blocks: [Blocks::default(), Blocks::default()],
            ordinary: None,
            spans: [0.0; SPANS],
        }
    }

    /// How far the evidence exceeds the ordinary peak, or 0 if it was as far not long ago.
    pub(super) fn alarm(&mut self, evidence: f32) -> f32 {
        let ordinary = self.ordinary.unwrap_or(evidence);
        let excess = (evidence - ORDINARY * ordinary).max(0.0);
        self.values = self.values.wrapping_add(1);
        self.learn(evidence);
        if self.values.is_multiple_of(SPAN) {
            self.spans.rotate_left(1);
            self.spans[SPANS - 1] = 0.0;
        }
        let highest = self.spans.iter().copied().fold(0.0, f32::max);
        self.spans[SPANS - 1] = self.spans[SPANS - 1].max(excess);
        if excess > highest { excess } else { 0.0 }
    }

    fn learn(&mut self, evidence: f32) {
        let mut ended = false;
        for (shift, blocks) in [0, BLOCK / 2].into_iter().zip(&mut self.blocks) {
            blocks.highest = blocks.highest.max(evidence);
            if self.values.wrapping_add(shift).is_multiple_of(BLOCK) {
                if blocks.past.len() == BLOCKS {
                    blocks.past.remove(0);
                }
                blocks.past.push(blocks.highest);
                blocks.highest = 0.0;
                ended = true;
            }
        }
        if ended {
            let medians = self.blocks.iter().filter_map(Blocks::median);
            let (sum, count) = medians.fold((0.0, 0.0f32), |(sum, count), median| {
                (sum + median, count + 1.0)
            });
            if count > 0.0 {
                self.ordinary = Some(sum / count);
            }
        }
        if self.blocks[0].past.len() < FEWEST_BLOCKS && self.blocks[1].past.len() < FEWEST_BLOCKS {
            self.ordinary = Some(
                self.ordinary
                    .map_or(evidence, |highest| highest.max(evidence)),
            );
        }
    }
}

impl Blocks {
    fn median(&self) -> Option<f32> {
        if self.past.len() < FEWEST_BLOCKS {
            return None;
        }
        let mut sorted = self.past.clone();
        sorted.sort_by(f32::total_cmp);
        let middle = sorted.len() / 2;
        Some(if sorted.len().is_multiple_of(2) {
            0.5 * (sorted[middle - 1] + sorted[middle])
        } else {
            sorted[middle]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_every_day_is_ordinary_and_more_than_that_is_not() {
        let mut peaks = Peaks::new();
        let daily = |i: u32| if i % 100 == 7 { 3.0 } else { 0.2 };
        (0..2_000).for_each(|i| {
            peaks.alarm(daily(i));
        });
        assert_eq!(peaks.alarm(3.0), 0.0, "as yesterday");
        assert!(peaks.alarm(5.0) > 2.0);
    }

    #[test]
    fn an_alarm_is_not_repeated_unless_it_gets_worse() {
        let mut peaks = Peaks::new();
        (0..2_000).for_each(|_| {
            peaks.alarm(0.2);
        });
        assert!(peaks.alarm(5.0) > 4.0);
        assert!((0..300).all(|_| peaks.alarm(4.9) == 0.0));
        assert!(peaks.alarm(6.0) > 5.0);
    }
}
