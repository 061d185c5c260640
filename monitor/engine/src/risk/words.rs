//! A risk in a sentence.

use monitor_core::{Measure, Risk};

use crate::fills::Source;

/// `p50 grew for 90 s, from 20 ms as usual to 43 ms; it reaches 60 ms in 40 s if it goes on (…)`.
pub(super) fn why(risk: &Risk, statistic: &str, seen_secs: f64) -> String {
    let unit = |value: f64| amount(risk.signal.measure, value);
    let what = match &risk.limit.objective {
        Some(objective) => format!("the limit of objective `{objective}`"),
        None => "its learned limit".to_owned(),
    };
    let remaining = risk.expected.since(risk.updated).as_secs_f64();
    let between = match risk.latest {
        Some(latest) => format!("between {} and {}", risk.earliest, latest),
        None => format!("from {} on", risk.earliest),
    };
    format!(
        "{statistic} has grown for {} to {} (usually {}) and reaches {}, {what}, in {} if it goes on \
         ({between}; {:.0} % likely)",
        length(seen_secs),
        unit(risk.actual),
        unit(risk.typical),
        unit(risk.limit.value),
        length(remaining),
        risk.probability * 100.0,
    )
}

/// `by its own warnings 80 % is full, after 70 % 100 s before; it is full in 3 min if it goes on (…)`.
pub(super) fn filling(risk: &Risk, source: &Source, seen_secs: f64) -> String {
    let remaining = risk.expected.since(risk.updated).as_secs_f64();
    let says = match source {
        Source::Warned(_) => "by its own warnings it".to_owned(),
        Source::Gauged { .. } => format!("`{source}`"),
    };
    format!(
        "{says} is {:.0} % full, {:.0} % {} before, and full in {} if it goes on \
         ({:.0} % likely)",
        risk.actual * 100.0,
        risk.typical * 100.0,
        length(seen_secs),
        length(remaining),
        risk.probability * 100.0,
    )
}

fn amount(measure: Measure, value: f64) -> String {
    match measure {
        Measure::ErrorRatio
        | Measure::LogErrorRatio
        | Measure::ThrottledRatio
        | Measure::UnauthorisedRatio
        | Measure::ClientErrorRatio
        | Measure::LogFormatRatio
        | Measure::NewStatusRatio
        | Measure::NewSizeRatio
        | Measure::Combination
        | Measure::MistimedRatio
        | Measure::JourneySteps(_)
        | Measure::Saturation => format!("{:.1} %", value * 100.0),
        Measure::CallsPerCall => format!("{value:.2} calls for each"),
        Measure::Number => format!("{value:.1}"),
        Measure::Latency if value < 1.0 => format!("{:.0} ms", value * 1_000.0),
        Measure::Latency => format!("{value:.1} s"),
        Measure::Rate | Measure::LogRate | Measure::TemplateRate(_) => format!("{value:.1}/s"),
    }
}

/// In the largest unit that leaves two digits.
pub(super) fn length(secs: f64) -> String {
    if secs < 120.0 {
        format!("{secs:.0} s")
    } else if secs < 7_200.0 {
        format!("{:.0} min", secs / 60.0)
    } else if secs < 172_800.0 {
        format!("{:.0} h", secs / 3_600.0)
    } else {
        format!("{:.0} d", secs / 86_400.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_about_two_digits() {
        let lengths = [0.4, 95.0, 300.0, 9_000.0, 400_000.0].map(length);
        assert_eq!(lengths, ["0 s", "95 s", "5 min", "2 h", "5 d"]);
    }
}
