//! Means of the last few values, for several lengths at once.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// A ring of the last values.
    ring: Vec<f32>,
    next: usize,
    held: usize,
}

impl Sums {
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.ring.as_slice())
    }

    pub(super) fn new(longest: usize) -> Sums {
        Sums {
            ring: vec![0.0; longest],
            next: 0,
            held: 0,
        }
    }

    pub(super) fn push(&mut self, value: f32) {
        self.ring[self.next] = value;
        self.next = (self.next + 1) % self.ring.len();
        self.held = (self.held + 1).min(self.ring.len());
    }

    /// The mean of the last `length` values, or of as many as there are. Summed anew each time, so
    /// that no rounding error stays behind when a huge value leaves: O(length), at most 24.
    pub(super) fn mean(&self, length: usize) -> f32 {
        let length = length.min(self.held).max(1);
        let (older, newer) = self.ring.split_at(self.next);
        let from_newest = length.min(older.len());
        let wrapped = length - from_newest;
        let sum: f32 = older[older.len() - from_newest..].iter().sum::<f32>()
            + newer[newer.len() - wrapped..].iter().sum::<f32>();
        sum / length as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_the_last_values_only() {
        let mut sums = Sums::new(4);
        sums.push(1.0);
        assert_eq!(sums.mean(3), 1.0);
        [2.0, 3.0, 4.0, 5.0, 6.0]
            .into_iter()
            .for_each(|value| sums.push(value));
        assert_eq!(sums.mean(1), 6.0);
        assert_eq!(sums.mean(3), 5.0);
        assert_eq!(sums.mean(4), 4.5);
    }
}
