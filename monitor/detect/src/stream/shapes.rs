//! Short shapes that a signal has shown, and how unlike all of them the present one is.
//!
//! A leader clustering with plasticity where the new is unlike the known, in the manner of adaptive
//! resonance (G. A. Carpenter, S. Grossberg, D. B. Rosen, "Fuzzy ART", Neural Networks 4, 1991): a
//! shape near a prototype refines it, one that is far becomes a prototype itself, in place of the
//! one that has explained least of late.

use serde::{Deserialize, Serialize};

const PROTOTYPES: usize = 48;
/// A distance of so many usual ones founds a prototype while there is room (at two, a smooth wave
/// would be one prototype for ever: nothing in it is twice as far as usual) …
const NEW: f32 = 1.0;
/// … and of so many replaces one when there is none.
const REPLACES: f32 = 3.0;
/// The least that a shape weighs in its prototype, and in the usual distance.
const RATE: f32 = 0.02;
const USUAL_RATE: f32 = 0.005;
/// A shape explained now counts so much more than one explained a value ago.
const FRESHER: f32 = 1.000_5;
/// Before counts grow beyond what an `f32` can add to.
const RESCALE: f32 = 1e6;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shapes {
    length: usize,
    /// The last `length` values, latest first.
    recent: Vec<f32>,
    /// Coordinate by coordinate, so that distances to all are computed side by side.
    prototypes: Vec<f32>,
    known: usize,
    explained: Vec<f32>,
    freshness: f32,
    usual: f32,
    seen: f32,
}

impl Shapes {
    pub(super) fn bytes(&self) -> usize {
        let numbers = self.recent.capacity() + self.prototypes.len() + self.explained.len();
        numbers * size_of::<f32>()
    }

    pub(super) fn new(length: usize) -> Shapes {
        Shapes {
            length,
            recent: Vec::with_capacity(length),
            prototypes: vec![0.0; length * PROTOTYPES],
            known: 0,
            explained: vec![0.0; PROTOTYPES],
            freshness: 1.0,
            usual: 0.0,
            seen: 0.0,
        }
    }

    /// Distance (root mean square) of the last values from the nearest known shape; learns them.
    pub(super) fn novelty(&mut self, value: f32) -> f32 {
        if self.recent.is_empty() {
            self.recent.resize(self.length, value);
        } else {
            self.recent.rotate_right(1);
            self.recent[0] = value;
        }
        if self.known == 0 {
            self.found(0);
            self.known = 1;
            return 0.0;
        }
        let (nearest, distance) = self.nearest();
        self.seen += 1.0;
        self.usual += USUAL_RATE.max(1.0 / self.seen) * (distance - self.usual);
        if distance > NEW * self.usual && self.known < PROTOTYPES {
            self.found(self.known);
            self.known += 1;
        } else if distance > REPLACES * self.usual {
            self.found(self.least_explaining());
        } else {
            self.refine(nearest);
        }
        self.freshness *= FRESHER;
        if self.freshness > RESCALE {
            self.explained.iter_mut().for_each(|e| *e /= self.freshness);
            self.freshness = 1.0;
        }
        distance
    }

    fn nearest(&self) -> (usize, f32) {
        let mut squares = [0.0f32; PROTOTYPES];
        for (row, value) in self.prototypes.chunks_exact(PROTOTYPES).zip(&self.recent) {
            for (square, prototype) in squares.iter_mut().zip(row) {
                let difference = value - prototype;
                *square += difference * difference;
            }
        }
        let (nearest, square) = squares[..self.known].iter().enumerate().fold(
            (0, f32::INFINITY),
            |best, (at, square)| {
                if *square < best.1 {
                    (at, *square)
                } else {
                    best
                }
            },
        );
        (nearest, (square / self.length as f32).sqrt())
    }

    fn least_explaining(&self) -> usize {
        let explained = self.explained[..self.known].iter().enumerate();
        explained
            .fold((0, f32::INFINITY), |least, (at, explained)| {
                if *explained < least.1 {
                    (at, *explained)
                } else {
                    least
                }
            })
            .0
    }

    fn found(&mut self, at: usize) {
        for (row, value) in self
            .prototypes
            .chunks_exact_mut(PROTOTYPES)
            .zip(&self.recent)
        {
            row[at] = *value;
        }
        self.explained[at] = self.freshness;
    }

    fn refine(&mut self, at: usize) {
        self.explained[at] += self.freshness;
        let weight = RATE.max(self.freshness / self.explained[at]);
        for (row, value) in self
            .prototypes
            .chunks_exact_mut(PROTOTYPES)
            .zip(&self.recent)
        {
            row[at] += weight * (value - row[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_known_after_a_while_and_a_flat_stretch_in_it_is_not() {
        let mut shapes = Shapes::new(6);
        let wave = |i: u16| (f32::from(i) * 0.5).sin();
        let usual = (0..5_000)
            .map(|i| shapes.novelty(wave(i)))
            .skip(4_000)
            .fold(0.0, f32::max);
        let flat = (0..6).map(|_| shapes.novelty(0.9)).fold(0.0, f32::max);
        assert!(flat > 2.0 * usual, "{flat} against {usual}");
    }

    #[test]
    fn prototypes_are_replaced_when_there_is_no_room() {
        let mut shapes = Shapes::new(4);
        let mut value = 1.0f32;
        for i in 0..2_000u16 {
            value = (value * 1.7 + f32::from(i % 13)) % 1_000.0;
            shapes.novelty(value);
        }
        assert!(shapes.known <= PROTOTYPES);
        assert!(shapes.novelty(1e6) > 1e5);
        (0..4).for_each(|_| {
            shapes.novelty(1e6);
        });
        assert!(shapes.novelty(1e6) < 1e3, "it was learned");
    }
}
