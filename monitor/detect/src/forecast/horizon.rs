//! Forecasts for one horizon: made, kept until their time has come, compared.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::quantiles::Quantiles;
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Made {
    target: f64,
    /// The first is the value when it was made: the naive forecast that we are compared with.
    views: [f32; VIEWS],
    quantiles: [f32; 5],
    usual: f32,
    /// Whether the interval rests on enough to be held to it.
    counts: bool,
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
        if self.quantiles.seen() < 5 {
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
                quantiles: made.quantiles.map(|quantile| f64::from(quantile) + origin),
                actual: f64::from(value) + origin,
                naive: f64::from(made.views[0]) + origin,
                counts: made.counts,
            });
            let point = self.combine(&made.views);
            let weight = (1.0 / (self.compared as f32 + 1.0)).max(1.0 / MEMORY);
            for (error, view) in self.errors.iter_mut().zip(made.views) {
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
    pub(super) fn issue(&mut self, secs: f64, views: &Views, usual: f32) {
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
        let (quantiles, seen) = self.quantiles(&all, usual, views.least());
        self.waiting.push_back(Made {
            target,
            views: all,
            quantiles: quantiles.map(|quantile| quantile as f32),
            usual,
            counts: seen >= 5,
        });
    }

    /// Values at the quantiles' shares, from what the views say; and how many comparisons they
    /// rest on.
    pub(super) fn quantiles(
        &self,
        views: &[f32; VIEWS],
        usual: f32,
        least: f32,
    ) -> ([f64; 5], u32) {
        let point = self.combine(views);
        let errors = self.quantiles.errors(usual, least);
        (
            errors.map(|error| f64::from(point + error)),
            self.quantiles.seen(),
        )
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
