//! Series that somebody sends, judged and foretold by new models of a single signal.

use std::time::Duration;

use monitor_core::Time;
use monitor_detect::forecast::Forecaster;
use monitor_detect::{Side, StreamModel};
use monitor_serve::{Foreseen, Opinion};

/// What the model thinks of each value, by those before it. O(values); some five microseconds each.
pub(super) fn judge(series: &[(Time, f64)]) -> Result<Vec<Opinion>, String> {
    check(series)?;
    let mut model = StreamModel::new();
    let opinions = series.iter().filter_map(|(time, value)| {
        let opinion = model.observe(secs(*time), *value)?;
        Some(Opinion {
            time: *time,
            value: *value,
            typical: opinion.typical,
            evidence: opinion.evidence,
            surprise: opinion.surprise,
            alarm: opinion.alarm,
            side: side(opinion.most_surprising),
        })
    });
    Ok(opinions.collect())
}

/// What it will be, so long after the last value; what is too far for what there is, is left out.
/// O(values); some microseconds each.
pub(super) fn foresee(series: &[(Time, f64)], after: &[Duration]) -> Result<Vec<Foreseen>, String> {
    check(series)?;
    let mut model = Forecaster::new();
    for (time, value) in series {
        // How earlier forecasts did is in the intervals of the later ones.
        let _scored = model.observe(secs(*time), *value);
    }
    let foreseen: Vec<Foreseen> = after
        .iter()
        .filter_map(|after| {
            let forecast = model.forecast(after.as_secs_f64())?;
            Some(Foreseen {
                after: *after,
                median: forecast.median,
                interval: forecast.interval(),
                scored: forecast.scored,
            })
        })
        .collect();
    if foreseen.is_empty() {
        return Err(format!(
            "{} points are too few to say anything of that time",
            series.len()
        ));
    }
    Ok(foreseen)
}

/// Finite values in ascending order of time.
fn check(series: &[(Time, f64)]) -> Result<(), String> {
    if series.is_empty() {
        return Err("there are no points".to_owned());
    }
    for (at, pair) in series.windows(2).enumerate() {
        if pair[0].0 >= pair[1].0 {
            let at = at + 1;
            return Err(format!("point {at} is not later than the one before it"));
        }
    }
    match series.iter().position(|(_, value)| !value.is_finite()) {
        Some(at) => Err(format!("the value of point {at} is not a finite number")),
        None => Ok(()),
    }
}

fn secs(time: Time) -> f64 {
    time.as_nanos() as f64 / 1e9
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Day => "day",
        Side::Week => "week",
        Side::Envelope => "envelope",
        Side::Level => "level",
        Side::Course => "course",
        Side::Shape => "shape",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hourly(n: u64, value: impl Fn(u64) -> f64) -> Vec<(Time, f64)> {
        let at = |hour: u64| Time::from_secs(1_772_359_200) + Duration::from_secs(hour * 3_600);
        (0..n).map(|hour| (at(hour), value(hour))).collect()
    }

    #[test]
    fn a_daily_course_goes_on() {
        let course = |hour: u64| (std::f64::consts::TAU * hour as f64 / 24.0).sin();
        let series = hourly(24 * 21, |hour| 100.0 + 20.0 * course(hour));
        let hours = [6, 12, 18].map(|hour| Duration::from_secs(hour * 3_600));
        let foreseen = foresee(&series, &hours).unwrap();
        assert_eq!(foreseen.len(), 3);
        for (one, hour) in foreseen.iter().zip([6, 12, 18]) {
            let actual = 100.0 + 20.0 * course(24 * 21 - 1 + hour);
            let (lower, upper) = one.interval.unwrap();
            assert!(lower <= one.median && one.median <= upper, "{one:?}");
            assert!((one.median - actual).abs() < 8.0, "{one:?}: {actual}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let hour = [Duration::from_secs(3_600)];
        for (series, said) in [
            (Vec::new(), "there are no points"),
            (hourly(1, |_| 1.0), "1 points are too few"),
            (hourly(3, |_| f64::INFINITY), "the value of point 0 is not"),
            (
                hourly(3, |_| 1.0).into_iter().rev().collect(),
                "point 1 is not later",
            ),
        ] {
            let error = foresee(&series, &hour).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
