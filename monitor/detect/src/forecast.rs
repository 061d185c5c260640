//! What comes next? One signal's future, with intervals that are true as often as they say.
//!
//! Several simple views of the future are kept side by side: the latest value, means over shorter and
//! longer times, a damped trend (Gardner, McKenzie, "Forecasting trends in time series", Management
//! Science 31, 1985), the time of day and of the week, all there has ever been. Each is scored at each
//! horizon by what came, and the forecast is their mean, weighted by how well they have done there of
//! late: combinations of simple methods did best in the M competitions (Makridakis, Spiliotis,
//! Assimakopoulos, "The M4 competition", International Journal of Forecasting 36, 2020), and a season
//! is so found by its being useful, not configured.
//!
//! Intervals are [`quantiles`] of the own past errors at that horizon, so they assume no distribution.
//! A forecast is scored when its time comes, which [`Forecaster::observe`] hands out as [`Scored`].
//!
//! Pure and online: bounded memory, time is an argument. The engine gives it a value a minute; what
//! comes at another pace is as good. Used for levels; whether something grows towards its end is asked
//! of [`trend`], which needs minutes instead of days.

mod horizon;
mod quantiles;
mod together;
pub mod trend;
mod views;

use serde::{Deserialize, Serialize};

use self::horizon::Horizon;
pub use self::horizon::Scored;
pub use self::together::Together;
use self::views::Views;

/// From five minutes to seven days, in seconds.
pub const HORIZONS: [u32; 6] = [300, 1_800, 7_200, 21_600, 86_400, 604_800];

/// Forecasts at a horizon that have to have been compared with what came before its intervals are held to
/// their word.
const FEWEST_COMPARED: u32 = 5;

/// What is known of one signal: 3.6 kB once a week is learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecaster {
    /// Subtracted from every value, so that single precision is enough for what is left.
    origin: Option<f64>,
    latest: f64,
    views: Views,
    horizons: Vec<Horizon>,
}

/// What a signal will be at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Unix time in seconds.
    pub at: f64,
    pub median: f64,
    /// With these chances it is below: 5, 25, 50, 75, 95 %.
    pub quantiles: [f64; 5],
    /// How many forecasts at this horizon have been compared with what came.
    pub scored: u32,
}

impl Forecast {
    /// Nine of ten values lie within. `None` as long as too few such forecasts were compared with what came:
    /// before, its width is what nearer horizons have, which a week may not keep after an hour.
    pub fn interval(&self) -> Option<(f64, f64)> {
        (self.scored >= FEWEST_COMPARED).then_some((self.quantiles[0], self.quantiles[4]))
    }

    /// The chance of a value above `limit`: linear between the quantiles, and beyond them as an
    /// exponential tail that continues the outer quarter.
    pub fn chance_above(&self, limit: f64) -> f64 {
        quantiles::chance_above(&self.quantiles, limit)
    }
}

impl Forecaster {
    pub fn new() -> Forecaster {
        Forecaster::default()
    }

    /// What it takes in memory, heap included.
    pub fn bytes(&self) -> usize {
        size_of::<Forecaster>()
            + self.views.bytes()
            + self.horizons.iter().map(Horizon::bytes).sum::<usize>()
    }

    /// Learns the value at `secs` of Unix time, and tells how the forecasts that were made for this
    /// time have done. Times ascend; what is not finite, or not later than the last, is left out.
    pub fn observe(&mut self, secs: f64, value: f64) -> Vec<Scored> {
        self.observe_among(secs, value, &Together::default())
    }

    /// The same for one of many signals of a kind, whose intervals keep their word together.
    pub fn observe_among(&mut self, secs: f64, value: f64, together: &Together) -> Vec<Scored> {
        let mut scored = Vec::new();
        if !value.is_finite() || !secs.is_finite() || (self.origin.is_some() && secs <= self.latest)
        {
            return scored;
        }
        let origin = *self.origin.get_or_insert(value);
        let relative = (value - origin).clamp(-1e30, 1e30) as f32;
        self.latest = secs;
        if self.horizons.is_empty() {
            self.horizons = HORIZONS.iter().map(|&secs| Horizon::new(secs)).collect();
        }
        let step = self.views.step_secs();
        for horizon in &mut self.horizons {
            horizon.compare(secs, relative, step, origin, &mut scored);
        }
        self.views.learn(secs, relative);
        if self.views.is_ready() {
            let step = self.views.step_secs();
            let mut wider = self.views.spread();
            for horizon in &mut self.horizons {
                if horizon.is_for(step) {
                    horizon.issue(secs, &self.views, wider, together);
                    wider = wider.max(horizon.scale(wider));
                }
            }
        }
        scored
    }

    /// The value `after` seconds from the last one; horizons between those of [`HORIZONS`] lie between
    /// their forecasts. `None` before there is enough to say, and beyond seven days.
    pub fn forecast(&self, after: f64) -> Option<Forecast> {
        self.forecast_among(after, &Together::default())
    }

    /// The same for one of many signals of a kind.
    pub fn forecast_among(&self, after: f64, together: &Together) -> Option<Forecast> {
        let origin = self.origin?;
        if !self.views.is_ready() || !(0.0..=f64::from(HORIZONS[5])).contains(&after) {
            return None;
        }
        let step = self.views.step_secs();
        let usable = || self.horizons.iter().filter(|horizon| horizon.is_for(step));
        let longer = usable().find(|horizon| horizon.secs() >= after)?;
        let shorter = usable().rev().find(|horizon| horizon.secs() < after);
        let views = self.views.at(self.latest + after, after);
        let (spread, least) = (self.views.spread(), self.views.least());
        let (mut quantiles, scored) = longer.quantiles(&views, spread, least, together);
        if let Some(shorter) = shorter {
            let (near, _) = shorter.quantiles(&views, spread, least, together);
            // Errors grow about with the root of the horizon.
            let part = (after.sqrt() - shorter.secs().sqrt())
                / (longer.secs().sqrt() - shorter.secs().sqrt());
            for (far, near) in quantiles.iter_mut().zip(near) {
                *far = near + part * (*far - near);
            }
        }
        let quantiles = quantiles.map(|quantile| quantile + origin);
        Some(Forecast {
            at: self.latest + after,
            median: quantiles[2],
            quantiles,
            scored,
        })
    }
}

#[cfg(test)]
mod tests;
