//! Is this value normal for this signal, whatever it measures?
//!
//! One model for any single signal of numbers, for which nothing is configured: it looks from many
//! sides (deviation from the time of day, the week, the envelope, the median; means over several
//! lengths; shapes of the last values), each side says how surprising the value is among all that it
//! has seen there, and the mean of the surprises is the evidence. Similar sides are kept side by
//! side on purpose: the mean of several mediocre opinions that err differently is better than the
//! best of them, and leaving out any one of them changes little, where picking the best few would fit
//! the data that they were picked on. (The mean is Fisher's combination of p-values, "Statistical
//! methods for research workers", 1932; its null distribution is not used, since the sides depend on
//! each other and the signal's own ordinary peaks tell better what is unusual.) [`peaks`] turns
//! evidence into alarms.
//!
//! Two outputs, for two questions. [`Opinion::evidence`] is continuous and says how strange the
//! present is, smoothed over some hours; [`Opinion::alarm`] is above 0 only where someone should be
//! told, and comparable between signals.
//!
//! Pure and online: O(1) per value, fixed memory, the same values give the same opinions. Time is an
//! argument, and only its place in the day and the week is used.

mod centre;
mod clusters;
mod detector;
mod envelope;
mod peaks;
mod profile;
mod shapes;
mod sides;
mod sums;
mod surprise;

use serde::{Deserialize, Serialize};

pub use detector::StreamDetector;
pub use sides::Side;

use self::peaks::Peaks;
use self::sides::Sides;

/// The continuous evidence is a mean over about so many values.
const SMOOTHED: f32 = 60.0;

/// What is known of one signal: about 20 KiB once learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamModel {
    /// Subtracted from every value, so that single precision is enough for what is left.
    origin: Option<f64>,
    sides: Sides,
    peaks: Peaks,
    smoothed: f32,
    weight: f32,
}

/// What the model thinks of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opinion {
    /// Mean surprise of late, in orders of magnitude of probability: below about 0.5 is ordinary.
    pub evidence: f64,
    /// This value's own surprise, in the same unit.
    pub surprise: f64,
    /// How far the surprise exceeds the signal's ordinary peaks, in the same unit; 0
    /// while learning, for the ordinary, and for what was as strange shortly before.
    pub alarm: f64,
    /// What the time of day and the median expect.
    pub typical: f64,
    /// The side from which the value is most surprising.
    pub most_surprising: Side,
}

impl Default for StreamModel {
    fn default() -> StreamModel {
        StreamModel::new()
    }
}

impl StreamModel {
    pub fn new() -> StreamModel {
        StreamModel {
            origin: None,
            sides: Sides::new(),
            peaks: Peaks::new(),
            smoothed: 0.0,
            weight: 0.0,
        }
    }

    /// What it takes in memory, heap included.
    pub fn bytes(&self) -> usize {
        size_of::<StreamModel>() + self.sides.bytes() + self.peaks.bytes()
    }

    /// Judges the next value, at `secs` of Unix time, by all before it, and learns it.
    ///
    /// `None` for what is not a finite number: it is neither judged nor learned.
    pub fn observe(&mut self, secs: f64, value: f64) -> Option<Opinion> {
        if !value.is_finite() || !secs.is_finite() {
            return None;
        }
        let origin = *self.origin.get_or_insert(value);
        let relative = (value - origin).clamp(-1e30, 1e30) as f32;
        let typical = f64::from(self.sides.typical(secs)) + origin;
        let Some((surprise, most_surprising)) = self.sides.surprise(secs, relative) else {
            return Some(Opinion {
                evidence: 0.0,
                surprise: 0.0,
                alarm: 0.0,
                typical,
                most_surprising: Side::Level,
            });
        };
        let rate = 2.0 / (SMOOTHED + 1.0);
        self.smoothed += rate * (surprise - self.smoothed);
        self.weight += rate * (1.0 - self.weight);
        Some(Opinion {
            evidence: f64::from(self.smoothed / self.weight),
            surprise: f64::from(surprise),
            alarm: f64::from(self.peaks.alarm(surprise)),
            typical,
            most_surprising,
        })
    }
}

#[cfg(test)]
mod tests;
