//! The figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use monitor_detect::forecast::{Forecaster, HORIZONS, Scored};
use serde::Serialize;

use super::Series;

const DAY_SECS: f64 = 86_400.0;
/// The shares below the five values that a forecast says.
const SHARES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
/// A series is listed as covered or not when it has so many forecasts at a horizon.
const ENOUGH: u64 = 30;

/// One object with the figures; field names are the JSON's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub series: usize,
    pub values: usize,
    /// What a 90 % interval should be.
    pub nominal_coverage: f64,
    pub horizons: Vec<Horizon>,
    /// The largest forecaster at its series' end.
    pub bytes_per_signal: usize,
    pub by_series: Vec<BySeries>,
}

/// Means over series are of logarithms where ratios are averaged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Horizon {
    pub horizon_seconds: u32,
    pub series: usize,
    pub forecasts: u64,
    /// Of all forecasts, how many intervals held.
    pub coverage: f64,
    /// Mean over the series, each the same weight.
    pub coverage_of_series: f64,
    /// Series with at least 30 forecasts, and those of them whose coverage is 85 to 95 %.
    pub series_with_enough: usize,
    pub series_within_85_95: usize,
    /// Mean absolute scaled error (Hyndman, Koehler, "Another look at measures of forecast accuracy",
    /// 2006): in units of the mean change from one value to the next.
    pub mase: f64,
    pub mase_naive: f64,
    pub mase_seasonal: f64,
    /// Mean error over that of the value at the time, and of the value a day before.
    pub relative_to_naive: f64,
    pub relative_to_seasonal: f64,
    /// Mean pinball loss of the five quantiles over that of the naive value.
    pub pinball_to_naive: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BySeries {
    pub name: String,
    pub horizons: Vec<OfSeries>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfSeries {
    pub horizon_seconds: u32,
    pub forecasts: u64,
    pub coverage: f64,
    pub mase: f64,
    pub mase_naive: f64,
    pub mase_seasonal: Option<f64>,
    pub pinball: f64,
    pub pinball_naive: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    forecasts: u64,
    inside: u64,
    error: f64,
    naive: f64,
    pinball: f64,
    /// Errors where a value of the same time of day was known.
    seasonal: f64,
    seasonal_own: f64,
    seasonal_forecasts: u64,
}

/// Forecasts every series and compares.
pub fn report(series: &[Series]) -> Report {
    let mut bytes_per_signal = 0;
    let by_series: Vec<BySeries> = series
        .iter()
        .map(|series| {
            let (of, bytes) = one(series);
            bytes_per_signal = bytes_per_signal.max(bytes);
            of
        })
        .collect();
    Report {
        series: series.len(),
        values: series.iter().map(|series| series.values.len()).sum(),
        nominal_coverage: 0.9,
        horizons: HORIZONS
            .iter()
            .filter_map(|horizon| over_series(*horizon, &by_series))
            .collect(),
        bytes_per_signal,
        by_series,
    }
}

fn one(series: &Series) -> (BySeries, usize) {
    let mut forecaster = Forecaster::new();
    let mut sums: BTreeMap<u32, Sums> = BTreeMap::new();
    let (mut change, mut changes, mut last) = (0.0, 0.0, None);
    for (&secs, &value) in series.secs.iter().zip(&series.values) {
        if value.is_finite()
            && let Some(last) = last.replace(value)
        {
            change += f64::abs(value - last);
            changes += 1.0;
        }
        for scored in forecaster.observe(secs, value) {
            if scored.counts {
                let day_before = same_time(series, secs, f64::from(scored.horizon));
                sums.entry(scored.horizon)
                    .or_default()
                    .add(&scored, day_before);
            }
        }
    }
    let scale = if change > 0.0 { change / changes } else { 1.0 };
    let horizons = sums
        .into_iter()
        .map(|(horizon_seconds, sums)| sums.of(horizon_seconds, scale))
        .collect();
    let name = series.name.clone();
    (BySeries { name, horizons }, forecaster.bytes())
}

/// The latest value of this time of day that was known when the forecast was made.
fn same_time(series: &Series, secs: f64, horizon: f64) -> Option<f64> {
    let then = secs - DAY_SECS * (horizon / DAY_SECS).ceil();
    let at = series.secs.partition_point(|known| *known < then);
    let near = |at: usize| series.secs.get(at).map(|known| (known - then).abs());
    let best = match (at.checked_sub(1).and_then(near), near(at)) {
        (Some(before), Some(after)) if before < after => at - 1,
        (_, Some(_)) => at,
        _ => return None,
    };
    (near(best)? <= 3_600.0)
        .then(|| series.values[best])
        .filter(|value| value.is_finite())
}

impl Sums {
    fn add(&mut self, scored: &Scored, day_before: Option<f64>) {
        let error = (scored.actual - scored.quantiles[2]).abs();
        self.forecasts += 1;
        self.inside += u64::from(scored.is_inside());
        self.error += error;
        self.naive += (scored.actual - scored.naive).abs();
        let losses = SHARES.iter().zip(scored.quantiles).map(|(share, said)| {
            let off = scored.actual - said;
            if off >= 0.0 {
                share * off
            } else {
                (share - 1.0) * off
            }
        });
        self.pinball += losses.sum::<f64>() / SHARES.len() as f64;
        if let Some(before) = day_before {
            self.seasonal += (scored.actual - before).abs();
            self.seasonal_own += error;
            self.seasonal_forecasts += 1;
        }
    }

    fn of(&self, horizon_seconds: u32, scale: f64) -> OfSeries {
        let n = self.forecasts as f64;
        OfSeries {
            horizon_seconds,
            forecasts: self.forecasts,
            coverage: self.inside as f64 / n,
            mase: self.error / n / scale,
            mase_naive: self.naive / n / scale,
            // On the forecasts for which there is one, at the level of all.
            mase_seasonal: (self.seasonal_own > 0.0)
                .then(|| self.seasonal / self.seasonal_own * (self.error / n / scale)),
            pinball: self.pinball / n / scale,
            // All quantiles at one value.
            pinball_naive: self.naive / n / scale / 2.0,
        }
    }
}

fn over_series(horizon: u32, by_series: &[BySeries]) -> Option<Horizon> {
    let all: Vec<&OfSeries> = by_series
        .iter()
        .flat_map(|series| &series.horizons)
        .filter(|of| of.horizon_seconds == horizon)
        .collect();
    if all.is_empty() {
        return None;
    }
    let enough: Vec<_> = all.iter().filter(|of| of.forecasts >= ENOUGH).collect();
    let forecasts: u64 = all.iter().map(|of| of.forecasts).sum();
    let inside: f64 = all.iter().map(|of| of.coverage * of.forecasts as f64).sum();
    let mean = |value: &dyn Fn(&OfSeries) -> Option<f64>| {
        let values: Vec<f64> = all.iter().filter_map(|of| value(of)).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    // Ratios of hundred and a hundredth, where one of the two hardly errs, say no more than ten.
    let ratio = |own: f64, other: f64| {
        let ratio = if other > 0.0 {
            own / other
        } else if own > 0.0 {
            10.0
        } else {
            1.0
        };
        ratio.clamp(0.1, 10.0).ln()
    };
    Some(Horizon {
        horizon_seconds: horizon,
        series: all.len(),
        forecasts,
        coverage: inside / forecasts as f64,
        coverage_of_series: mean(&|of| Some(of.coverage)),
        series_with_enough: enough.len(),
        series_within_85_95: enough
            .iter()
            .filter(|of| (0.85..=0.95).contains(&of.coverage))
            .count(),
        mase: mean(&|of| Some(of.mase)),
        mase_naive: mean(&|of| Some(of.mase_naive)),
        mase_seasonal: mean(&|of| of.mase_seasonal),
        relative_to_naive: mean(&|of| Some(ratio(of.mase, of.mase_naive))).exp(),
        relative_to_seasonal: mean(&|of| Some(ratio(of.mase, of.mase_seasonal?))).exp(),
        pinball_to_naive: mean(&|of| Some(ratio(of.pinball, of.pinball_naive))).exp(),
    })
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{} series, {} values; 90 % intervals, errors relative to the value at the time (naive) and \
             a day before (seasonal)\n\n{:>8} {:>7} {:>10} {:>9} {:>12} {:>7} {:>9} {:>9}\n",
            self.series,
            self.values,
            "horizon",
            "series",
            "forecasts",
            "coverage",
            "in 85-95 %",
            "/naive",
            "/seasonal",
            "pinball",
        );
        for of in &self.horizons {
            // Writing to a string does not fail.
            _ = writeln!(
                table,
                "{:>8} {:>7} {:>10} {:>8.1}% {:>12} {:>7.2} {:>9.2} {:>9.2}",
                words(of.horizon_seconds),
                of.series,
                of.forecasts,
                of.coverage * 100.0,
                format!("{} of {}", of.series_within_85_95, of.series_with_enough),
                of.relative_to_naive,
                of.relative_to_seasonal,
                of.pinball_to_naive,
            );
        }
        table + &format!("\n{} bytes for a signal at most\n", self.bytes_per_signal)
    }
}

fn words(secs: u32) -> String {
    match secs {
        secs if secs < 3_600 => format!("{} min", secs / 60),
        secs if secs < 86_400 => format!("{} h", secs / 3_600),
        secs => format!("{} d", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn intervals_hold_on_signals_of_known_nature() {
        let report = report(&synthetic::series(1));
        for of in &report.horizons[..5] {
            let share = of.coverage;
            assert!(
                (0.85..=0.95).contains(&share),
                "{} s: {share}",
                of.horizon_seconds
            );
        }
    }

    #[test]
    fn a_season_is_used_where_there_is_one() {
        let report = report(&synthetic::series(2));
        let daily = report
            .by_series
            .iter()
            .find(|of| of.name == "synthetic/daily")
            .unwrap();
        let hours = daily
            .horizons
            .iter()
            .find(|of| of.horizon_seconds == 21_600)
            .unwrap();
        assert!(hours.mase < 0.3 * hours.mase_naive, "{hours:?}");
        // Averaging over days beats the one day before.
        assert!(hours.mase < hours.mase_seasonal.unwrap(), "{hours:?}");
    }

    #[test]
    fn the_same_series_give_the_same_figures() {
        let two = &synthetic::series(3)[..2];
        assert_eq!(report(two), report(&synthetic::series(3)[..2]));
        assert!(report(two).table().contains("coverage"));
    }
}
