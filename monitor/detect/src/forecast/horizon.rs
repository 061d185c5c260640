//! Forecasts for one horizon: made, kept until their time has come, compared.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::FEWEST_COMPARED;
use super::quantiles::Quantiles;
use super::together::Together;
use super::views::{VIEWS, Views};

/// Forecasts that wait for their time; the next is made when there is room in time.
const WAITING: u32 = 8;
/// A view's error counts for about so many comparisons.
const MEMORY: f32 = 24.0;
/// The power of the inverse error that a view weighs.
const POWER: i32 = 4;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Horizon {
    secs: u32,
    waiting: VecDeque<Made>,
    /// Mean error of each view.
    errors: [f32; VIEWS],
    compared: u32,
    quantiles: Quantiles,
}

/// Eight wait at each horizon, so they are 40 bytes each: what was said is kept as distances from the
/// value then, to four thousandths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Made {
    target: f64,
    /// The value when it was made: the first view, and the naive forecast that we are compared with.
    now: f32,
    /// Of the other views.
    views: [Rough; VIEWS - 1],
    quantiles: [Rough; 5],
    usual: f32,
    /// Whether the interval rests on enough to be held to it.
    counts: bool,
}

impl Made {
    fn views(&self) -> [f32; VIEWS] {
        let mut views = [self.now; VIEWS];
        for (view, from_now) in views[1..].iter_mut().zip(self.views) {
            *view += from_now.value();
        }
        views
    }

    fn quantiles(&self) -> [f64; 5] {
        self.quantiles
            .map(|from_now| f64::from(self.now) + f64::from(from_now.value()))
    }
}

/// The upper half of a single-precision number, rounded ("bfloat16"): all of its range, and eight
/// binary digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rough(u16);

impl Rough {
    fn of(value: f32) -> Rough {
        if value.is_nan() {
            return Rough((f32::NAN.to_bits() >> 16) as u16);
        }
        let bits = value.to_bits();
        // Half of the last digit that stays, and ties to even; infinity is left as it is.
        let half = 0x7fff + ((bits >> 16) & 1);
        Rough((bits.saturating_add(half) >> 16) as u16)
    }

    fn value(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// One forecast, and what came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Seconds.
    pub horizon: u32,
    /// What was said: values at 5, 25, 50, 75 and 95 %.
    pub quantiles: [f64; 5],
    pub actual: f64,
    /// The value at the time when it was said: the forecast that needs no model.
    pub naive: f64,
    /// A few forecasts had been compared before at this horizon, so it can be held to its word.
    pub counts: bool,
}

impl Scored {
    pub fn is_inside(&self) -> bool {
        (self.quantiles[0]..=self.quantiles[4]).contains(&self.actual)
    }
}

impl Horizon {
    pub(super) fn new(secs: u32) -> Horizon {
        Horizon {
            secs,
            waiting: VecDeque::new(),
            errors: [0.0; VIEWS],
            compared: 0,
            quantiles: Quantiles::new(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Horizon>() + self.waiting.capacity() * size_of::<Made>()
    }

    pub(super) fn secs(&self) -> f64 {
        f64::from(self.secs)
    }

    /// Values come often enough to be forecast this far.
    pub(super) fn is_for(&self, step: f64) -> bool {
        step > 0.0 && self.secs() >= step * 0.75
    }

    /// What this horizon's errors are like, for the next longer one to begin with.
    pub(super) fn scale(&self, usual: f32) -> f32 {
        if self.quantiles.seen() < FEWEST_COMPARED {
            usual
        } else {
            self.quantiles.size(usual)
        }
    }

    /// Takes out what was forecast for now, and learns from it.
    pub(super) fn compare(
        &mut self,
        secs: f64,
        value: f32,
        step: f64,
        origin: f64,
        scored: &mut Vec<Scored>,
    ) {
        while let Some(made) = self.waiting.front() {
            // Half a step early is the nearest value there will be.
            if made.target > secs + step * 0.5 {
                break;
            }
            let Some(made) = self.waiting.pop_front() else {
                break;
            };
            // In a gap nothing came that it could be compared with.
            if secs - made.target > (step * 1.5).max(self.secs() * 0.1) {
                continue;
            }
            scored.push(Scored {
                horizon: self.secs,
                quantiles: made.quantiles().map(|quantile| quantile + origin),
                actual: f64::from(value) + origin,
                naive: f64::from(made.now) + origin,
                counts: made.counts,
            });
            let views = made.views();
            let point = self.combine(&views);
            let weight = (1.0 / (self.compared as f32 + 1.0)).max(1.0 / MEMORY);
            for (error, view) in self.errors.iter_mut().zip(views) {
                let new = (value - view).abs();
                // One that could not say starts where the others are.
                if new.is_nan() {
                    continue;
                }
                *error += weight.max(if *error == 0.0 { 1.0 } else { 0.0 }) * (new - *error);
            }
            self.compared = self.compared.saturating_add(1);
            self.quantiles.learn(value - point, made.usual);
        }
    }

    /// Makes the next forecast when it is time for one.
    pub(super) fn issue(&mut self, secs: f64, views: &Views, usual: f32, together: &Together) {
        let every = self.secs() / f64::from(WAITING);
        let target = secs + self.secs();
        if self.waiting.len() >= WAITING as usize
            || self
                .waiting
                .back()
                .is_some_and(|last| target - last.target < every * 0.99)
        {
            return;
        }
        let all = views.at(target, self.secs());
        let (quantiles, seen) = self.quantiles(&all, usual, views.least(), together);
        let [now, others @ ..] = all;
        self.waiting.push_back(Made {
            target,
            now,
            views: others.map(|view| Rough::of(view - now)),
            quantiles: quantiles.map(|quantile| Rough::of((quantile - f64::from(now)) as f32)),
            usual,
            counts: seen >= FEWEST_COMPARED,
        });
    }

    /// Values at the quantiles' shares, from what the views say; and how many comparisons they
    /// rest on.
    pub(super) fn quantiles(
        &self,
        views: &[f32; VIEWS],
        usual: f32,
        least: f32,
        together: &Together,
    ) -> ([f64; 5], u32) {
        let point = self.combine(views);
        let errors = self.quantiles.errors(usual, least);
        let mut quantiles = errors.map(|error| f64::from(point + error));
        together.widen(self.secs, &mut quantiles);
        (quantiles, self.quantiles.seen())
    }

    /// The mean of the views, weighted by how little they have erred here.
    fn combine(&self, views: &[f32; VIEWS]) -> f32 {
        let known = |error: f32| self.compared > 2 && error > 0.0;
        let best = self
            .errors
            .iter()
            .copied()
            .filter(|error| known(*error))
            .fold(f32::NAN, f32::min);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (view, error) in views.iter().zip(self.errors) {
            if view.is_nan() {
                continue;
            }
            // Who has not been compared yet is taken to be twice as bad as the best.
            let relative = match (known(error), best.is_nan()) {
                (_, true) => 1.0,
                (true, false) => (error / best).max(1.0),
                (false, false) => 2.0,
            };
            let weight = relative.powi(-POWER);
            sum += weight * view;
            weights += weight;
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_roughly_is_within_four_thousandths(value in -1e30f32..1e30) {
            let kept = Rough::of(value).value();
            prop_assert!((kept - value).abs() <= value.abs() / 256.0 + 1e-38, "{} {}", kept, value);
        }
    }

    #[test]
    fn nothing_and_what_cannot_be_said_are_kept_as_they_are() {
        assert_eq!(Rough::of(0.0).value(), 0.0);
        assert!(Rough::of(f32::NAN).value().is_nan());
        assert_eq!(Rough::of(f32::INFINITY).value(), f32::INFINITY);
        assert_eq!(size_of::<Made>(), 40);
    }
}
