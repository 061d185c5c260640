//! Is a signal growing, and when does it reach a limit if it goes on?
//!
//! The slope is the median of all pairs' slopes (Sen, "Estimates of the regression coefficient based
//! on Kendall's tau", JASA 63, 1968), which a quarter of wild points cannot move; whether there is a
//! slope at all says the rank test of Mann ("Nonparametric tests against trend", Econometrica 13,
//! 1945), with its variance enlarged where the residuals follow each other (Hamed, Rao, "A modified
//! Mann–Kendall trend test for autocorrelated data", Journal of Hydrology 204, 1998; here for the
//! first lag only). What rose once and stays is a step and no trend: the line has to fit better than
//! the best step does.
//!
//! Called by the engine for what looks as if it grew; the limits are the caller's.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Fewer points say nothing.
pub const FEWEST: usize = 5;
/// More are not looked at: the pairs grow with their square.
pub const MOST: usize = 64;
/// A line is believed for so many times as long as it has been seen.
const BELIEVED_FOR: f64 = 3.0;

/// A straight line through a signal's latest points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Units a second.
    pub slope: f64,
    /// What the line says at the last point.
    pub now: f64,
    /// What it says at the first.
    pub began: f64,
    /// From the first point to the last, in seconds.
    pub span: f64,
    pub points: usize,
    /// Of Mann's test, in standard deviations; positive when it grows.
    pub z: f64,
    /// Standard deviation of a point about the line, from the median of the residuals.
    pub noise: f64,
    /// Standard error of the slope.
    pub slope_error: f64,
    /// Squared residuals of the line over those of the best step; below 1 the line is better.
    pub against_step: f64,
}

/// When a growing signal is at a limit, in seconds from now; with nine chances of ten between the
/// ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    pub expected: f64,
    pub earliest: f64,
    /// `f64::INFINITY` when it may well never come.
    pub latest: f64,
}

impl Trend {
    /// Through points of seconds and values, ascending in time; `None` for fewer than [`FEWEST`],
    /// and where they are not finite or of one time. Looks at the last [`MOST`]. O(n²).
    pub fn of(points: &[(f64, f64)]) -> Option<Trend> {
        let points = &points[points.len().saturating_sub(MOST)..];
        let (first, last) = (points.first()?, points.last()?);
        let span = last.0 - first.0;
        let finite = |point: &(f64, f64)| point.0.is_finite() && point.1.is_finite();
        if points.len() < FEWEST || span <= 0.0 || !points.iter().all(finite) {
            return None;
        }
        let n = points.len() as f64;
        let (mut slopes, mut score) = (Vec::with_capacity(points.len() * points.len() / 2), 0.0);
        for (at, a) in points.iter().enumerate() {
            for b in &points[at + 1..] {
                if b.0 > a.0 {
                    slopes.push((b.1 - a.1) / (b.0 - a.0));
                }
                score += f64::from(i8::from(b.1 > a.1) - i8::from(b.1 < a.1));
            }
        }
        let slope = median(&mut slopes)?;
        let mut bases: Vec<f64> = points
            .iter()
            .map(|p| p.1 - slope * (p.0 - last.0))
            .collect();
        let now = median(&mut bases)?;
        let residuals: Vec<f64> = points
            .iter()
            .map(|p| p.1 - now - slope * (p.0 - last.0))
            .collect();
        let mut sizes: Vec<f64> = residuals.iter().map(|r| r.abs()).collect();
        // The median of absolute deviations is 0.6745 standard deviations of a normal one.
        let noise = median(&mut sizes)? / 0.6745;
        let squares: f64 = residuals.iter().map(|r| r * r).sum();
        let follow: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let again = if squares > 0.0 {
            (follow / squares).clamp(0.0, 0.9)
        } else {
            0.0
        };
        let inflation = (1.0 + again) / (1.0 - again);
        let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation;
        let mean = points.iter().map(|p| p.0).sum::<f64>() / n;
        let spread: f64 = points.iter().map(|p| (p.0 - mean).powi(2)).sum();
        Some(Trend {
            slope,
            now,
            began: now - slope * span,
            span,
            points: points.len(),
            z: (score.abs() - 1.0).max(0.0).copysign(score) / variance.sqrt(),
            noise,
            slope_error: (squares / (n - 2.0) * inflation / spread).sqrt(),
            against_step: against_step(points, squares),
        })
    }

    /// For how many seconds from now the line is worth anything.
    pub fn believed_for(&self) -> f64 {
        BELIEVED_FOR * self.span
    }

    /// The chance that the line is above `limit` at `after` seconds from now, if it goes on: from
    /// Student's distribution of a forecast by a regression line.
    pub fn chance_above(&self, limit: f64, after: f64) -> f64 {
        let n = self.points as f64;
        let centre = after + self.span / 2.0;
        let error = (self.noise.powi(2) / n + (self.slope_error * centre).powi(2)).sqrt();
        let expected = self.now + self.slope * after;
        if error <= 0.0 || !error.is_finite() {
            return f64::from(u8::from(expected > limit));
        }
        match StudentsT::new(0.0, 1.0, n - 2.0) {
            Ok(student) => student.cdf((expected - limit) / error),
            Err(_) => f64::from(u8::from(expected > limit)),
        }
    }

    /// When the line is at `limit`; `None` when it does not get there.
    pub fn reaches(&self, limit: f64) -> Option<Arrival> {
        if self.slope <= 0.0 {
            return None;
        }
        let after = |slope: f64| {
            if slope <= 0.0 {
                f64::INFINITY
            } else {
                ((limit - self.now) / slope).max(0.0)
            }
        };
        // The 95 % quantile of Student's distribution is near 2 for the few points of a trend; a
        // slope that bends is allowed for with a third.
        let error = 2.0 * self.slope_error + self.slope / 3.0;
        Some(Arrival {
            expected: after(self.slope),
            earliest: after(self.slope + error),
            latest: after(self.slope - error),
        })
    }
}

/// The squared residuals of a line over those of the best two levels.
fn against_step(points: &[(f64, f64)], line: f64) -> f64 {
    let n = points.len();
    let total: f64 = points.iter().map(|p| p.1).sum();
    let squares: f64 = points.iter().map(|p| p.1 * p.1).sum();
    let (mut before, mut best) = (0.0, f64::INFINITY);
    for (at, point) in points.iter().enumerate().take(n - 1) {
        before += point.1;
        let left = (at + 1) as f64;
        let right = (n - at - 1) as f64;
        let after = total - before;
        best = best.min(squares - before * before / left - after * after / right);
    }
    if best <= f64::EPSILON * squares {
        if line <= f64::EPSILON * squares {
            0.5
        } else {
            f64::INFINITY
        }
    } else {
        line / best
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(n: u32, slope: f64, noise: impl Fn(u32) -> f64) -> Vec<(f64, f64)> {
        (0..n)
            .map(|at| {
                (
                    f64::from(at) * 10.0,
                    5.0 + slope * f64::from(at) * 10.0 + noise(at),
                )
            })
            .collect()
    }

    /// From -1 to 1, without any pattern that matters here.
    fn noise(at: u32) -> f64 {
        f64::from(at.wrapping_mul(2_654_435_761) >> 16) / 32_768.0 - 1.0
    }

    #[test]
    fn a_line_arrives_when_it_says() {
        let trend = Trend::of(&line(12, 0.1, |_| 0.0)).unwrap();
        assert!((trend.slope - 0.1).abs() < 1e-9);
        // 16 at 110 s; 26 a hundred seconds later.
        let arrival = trend.reaches(26.0).unwrap();
        assert!((arrival.expected - 100.0).abs() < 1e-6);
        assert!(arrival.earliest < 100.0 && arrival.latest > 100.0);
        assert!(trend.z > 4.0);
    }

    #[test]
    fn wild_points_do_not_move_it() {
        let wild = line(
            20,
            0.1,
            |at| if at % 6 == 3 { 500.0 } else { noise(at) * 0.2 },
        );
        let trend = Trend::of(&wild).unwrap();
        assert!((trend.slope - 0.1).abs() < 0.02, "{}", trend.slope);
    }

    #[test]
    fn noise_is_no_trend() {
        let trends =
            (0..200u32).map(|seed| Trend::of(&line(30, 0.0, |at| noise(at + 97 * seed))).unwrap());
        assert!(trends.filter(|trend| trend.z > 3.0).count() <= 2);
    }

    #[test]
    fn a_step_is_no_line() {
        let step: Vec<(f64, f64)> = (0..20u32)
            .map(|at| {
                (
                    f64::from(at),
                    if at < 10 { 1.0 } else { 3.0 } + 0.1 * noise(at),
                )
            })
            .collect();
        assert!(Trend::of(&step).unwrap().against_step > 2.0);
        assert!(Trend::of(&line(20, 0.1, noise)).unwrap().against_step < 1.0);
    }

    #[test]
    fn too_little_or_nonsense_is_no_trend() {
        assert_eq!(Trend::of(&[]), None);
        assert_eq!(Trend::of(&line(4, 1.0, |_| 0.0)), None);
        assert_eq!(Trend::of(&line(9, f64::NAN, |_| 0.0)), None);
        assert_eq!(Trend::of(&[(1.0, 2.0); 8]), None);
    }

    proptest! {
        #[test]
        fn chances_are_chances_and_grow_with_time_when_it_grows(
            values in prop::collection::vec(-1e6f64..1e6, 5..80), limit in -1e6f64..1e6)
        {
            let points: Vec<_> = (0u32..).zip(values).map(|(at, v)| (f64::from(at), v)).collect();
            let trend = Trend::of(&points).unwrap();
            let chances: Vec<f64> =
                [0.0, 10.0, 100.0].iter().map(|after| trend.chance_above(limit, *after)).collect();
            prop_assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)), "{:?}", chances);
        }
    }
}
