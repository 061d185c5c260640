//! A logistic regression that learns from one outcome after another.
//!
//! Steps are scaled for each weight by the gradients so far (Duchi, Hazan, Singer, "Adaptive subgradient
//! methods for online learning and stochastic optimization", JMLR 12, 2011), so that what rarely
//! happens still teaches when it does. The weights begin at what an operator would guess and are
//! slowly pulled back there, so that a few coincidences do not turn them.

use serde::{Deserialize, Serialize};

/// A step's length at first, where each outcome is one of its own …
const RATE: f64 = 0.25;
/// … and where a failure is the outcome of all that was said of several Apis in several minutes.
const RATE_IN_BUNCHES: f64 = 0.05;
/// Pull to the first guess, as a part of the distance to it that is added to each gradient. Steps
/// shrink as outcomes come, and it with them: otherwise it would in the end outweigh what comes.
const PULL: f64 = 1e-3;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Learner {
    /// How far each weight is from the first guess.
    moved: Vec<f64>,
    gradients: Vec<f64>,
}

impl Learner {
    /// From 0 to 1; `guess` are the weights before anything was learned.
    pub(crate) fn chance<const N: usize>(&self, guess: &[f64; N], x: &[f64; N]) -> f64 {
        let sum: f64 = (0..N)
            .map(|at| (guess[at] + self.moved.get(at).copied().unwrap_or(0.0)) * x[at])
            .sum();
        // No chance is nothing or everything.
        (1.0 / (1.0 + (-sum).exp())).clamp(0.001, 0.999)
    }

    /// Learns whether what `x` describes came.
    pub(crate) fn learn<const N: usize>(&mut self, guess: &[f64; N], x: &[f64; N], came: bool) {
        self.step(guess, x, came, RATE);
    }

    /// The same of outcomes that come in bunches.
    pub(crate) fn learn_of_bunches<const N: usize>(
        &mut self,
        guess: &[f64; N],
        x: &[f64; N],
        came: bool,
    ) {
        self.step(guess, x, came, RATE_IN_BUNCHES);
    }

    fn step<const N: usize>(&mut self, guess: &[f64; N], x: &[f64; N], came: bool, rate: f64) {
        if !x.iter().all(|value| value.is_finite()) {
            return;
        }
        self.moved.resize(N, 0.0);
        self.gradients.resize(N, 0.0);
        let error = self.chance(guess, x) - f64::from(u8::from(came));
        let weights = self.moved.iter_mut().zip(&mut self.gradients).zip(x);
        for ((moved, gradients), x) in weights {
            let gradient = error * x;
            *gradients += gradient * gradient;
            let step = rate / (1.0 + *gradients).sqrt();
            *moved -= step * (gradient + PULL * *moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_become_what_comes() {
        let (mut learner, guess) = (Learner::default(), [-4.0, 0.0]);
        // With the sign nine of ten come, without one of twenty.
        for at in 0..4_000u32 {
            let sign = f64::from(u8::from(at % 3 == 0));
            let came = if at % 3 == 0 {
                at % 10 != 0
            } else {
                at % 20 == 1
            };
            learner.learn(&guess, &[1.0, sign], came);
        }
        let (without, with) = (
            learner.chance(&guess, &[1.0, 0.0]),
            learner.chance(&guess, &[1.0, 1.0]),
        );
        assert!((without - 0.05).abs() < 0.03, "{without}");
        assert!((with - 0.9).abs() < 0.05, "{with}");
    }

    #[test]
    fn nonsense_teaches_nothing() {
        let mut learner = Learner::default();
        learner.learn(&[0.0; 2], &[1.0, f64::NAN], true);
        assert_eq!(learner, Learner::default());
    }
}
