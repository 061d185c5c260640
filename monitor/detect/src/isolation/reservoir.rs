//! The rows that the forest is grown from: a bounded sample of about the last day.
//!
//! J. Vitter's algorithm R ("Random sampling with a reservoir", ACM TOMS 11, 1985), in which what was
//! seen counts for less as it grows older: every row of the last day is as likely to be kept whether ten
//! Apis or a hundred thousand tell of it, and older ones fade (C. Aggarwal, "On biased reservoir
//! sampling in the presence of stream evolution", VLDB 2006).

use serde::{Deserialize, Serialize};

use super::random::Chance;
use super::row::Row;

/// Rows kept: 24 KiB.
pub(super) const ROWS: usize = 2_048;
/// Minutes that the count of rows remembers.
const MEMORY: f64 = 1_440.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Reservoir {
    pub(super) rows: Vec<Row>,
    /// Rows offered over about the last day.
    offered: f64,
}

impl Reservoir {
    /// Whether it was kept.
    pub(super) fn offer(&mut self, row: Row, chance: &mut Chance) -> bool {
        self.offered += 1.0;
        if self.rows.len() < ROWS {
            self.rows.push(row);
            return true;
        }
        let kept = chance.unit() < ROWS as f64 / self.offered;
        if kept {
            let place = chance.below(ROWS);
            self.rows[place] = row;
        }
        kept
    }

    /// A minute has passed.
    pub(super) fn pass(&mut self) {
        self.offered *= 1.0 - 1.0 / MEMORY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::row::FEATURES;

    /// Days of so many rows a minute; each row tells its half-day.
    fn kept(days: i8, a_minute: usize) -> Vec<i8> {
        let (mut reservoir, mut chance) = (Reservoir::default(), Chance::new(7));
        for half in 0..2 * days {
            for _ in 0..720 {
                for _ in 0..a_minute {
                    reservoir.offer([half; FEATURES], &mut chance);
                }
                reservoir.pass();
            }
        }
        assert_eq!(reservoir.rows.len(), ROWS);
        reservoir.rows.iter().map(|row| row[0]).collect()
    }

    #[test]
    fn the_last_day_is_kept_however_many_rows_it_has() {
        for a_minute in [10, 200] {
            let kept = kept(5, a_minute);
            let share = |from: i8| {
                kept.iter().filter(|half| **half >= from).count() as f64 / kept.len() as f64
            };
            assert!((0.55..0.72).contains(&share(8)), "{a_minute} {}", share(8));
            assert!(share(2) > 0.95, "{a_minute} {}", share(2));
        }
    }
}
