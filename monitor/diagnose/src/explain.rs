//! Why something is anomalous, in one sentence that a person understands.

use std::time::Duration;

use monitor_core::{Band, Contribution, Direction, Measure};

/// What is known of an anomaly when its sentence is written.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub measure: Measure,
    /// `p95`, `p50`, …
    pub statistic: &'a str,
    /// The detector's name.
    pub detector: &'a str,
    pub direction: Direction,
    pub typical: f64,
    pub actual: f64,
    pub band: Band,
    /// Calls or records that the actual value rests on.
    pub observations: u64,
    pub learned_from: u64,
    /// The length of the judged stretch.
    pub span: Duration,
    pub contributions: &'a [Contribution],
    /// The model was still learning: only what can never be normal was judged.
    pub learning: bool,
    /// Whom it was held against, if not its own past.
    pub peers: Option<Peers<'a>>,
    /// Which number it is, of [`Measure::Number`].
    pub number: Option<NumberName<'a>>,
}

/// A number that people want watched, as they call it.
#[derive(Clone, Copy, Debug)]
pub struct NumberName<'a> {
    pub name: &'a str,
    pub unit: Option<&'a str>,
}

/// One of several that do the same work, and how the others did.
#[derive(Clone, Copy, Debug)]
pub struct Peers<'a> {
    /// `replica`, `version`, `environment`.
    pub kind: &'a str,
    pub name: &'a str,
    /// How many others there are, and what they did at the same time.
    pub others: usize,
    pub against: f64,
}

/// `p95 812 ms against 95–140 ms expected (8.1× typical), 214 calls in 20 s; version v42 makes up
/// 100 % of the slow calls (usually 12 %)`
pub fn why(facts: &Facts<'_>) -> String {
    if let Some(peers) = &facts.peers {
        return odd_one_out(facts, peers);
    }
    let mut text = match facts.measure {
        Measure::Latency => latency(facts),
        Measure::ErrorRatio => failures(facts),
        Measure::Rate => rate(facts, ("calls", "calls/s")),
        Measure::LogRate => rate(facts, ("records", "records/s")),
        Measure::LogErrorRatio => log_errors(facts),
        Measure::TemplateRate(_) => template(facts),
        Measure::ThrottledRatio => share(facts, "calls were refused as too many"),
        Measure::UnauthorisedRatio => share(facts, "calls were refused without valid rights"),
        Measure::ClientErrorRatio => share(facts, "calls were their callers' mistakes"),
        Measure::LogFormatRatio => share(facts, "records are in a format not seen before"),
        Measure::NewStatusRatio => share(facts, "calls ended in a status not seen before"),
        Measure::NewSizeRatio => share(facts, "answers are of a size not seen before"),
        Measure::CallsPerCall => calls_per_call(facts),
        Measure::Saturation => share(facts, "is in use"),
        Measure::Number => number_of(facts),
        Measure::Combination => return combination(facts),
        Measure::MistimedRatio => return mistimed(facts),
        Measure::JourneySteps(_) => return journey_steps(facts),
    };
    let noun = match facts.measure {
        Measure::Latency => "the slow calls",
        Measure::ErrorRatio => "the failures",
        Measure::Rate => "the calls",
        Measure::LogErrorRatio => "the error records",
        Measure::TemplateRate(_) | Measure::LogFormatRatio | Measure::LogRate => "the records",
        Measure::ThrottledRatio | Measure::UnauthorisedRatio | Measure::ClientErrorRatio => {
            "the refusals"
        }
        Measure::NewStatusRatio | Measure::NewSizeRatio | Measure::Saturation | Measure::Number => {
            "them"
        }
        Measure::CallsPerCall | Measure::Combination | Measure::JourneySteps(_) => "the calls",
        Measure::MistimedRatio => "the records",
    };
    for (at, contribution) in facts.contributions.iter().enumerate() {
        let separator = if at == 0 { "; " } else { ", " };
        let made = if at == 0 {
            format!(
                " makes up {} of {noun} (usually {})",
                percent(contribution.share),
                percent(contribution.usual_share)
            )
        } else {
            format!(
                " {} (usually {})",
                percent(contribution.share),
                percent(contribution.usual_share)
            )
        };
        text.push_str(separator);
        text.push_str(&contribution.dimension);
        text.push(' ');
        text.push_str(&contribution.value);
        text.push_str(&made);
    }
    text
}

/// `replica checkout-3 is 4.1× slower than its 5 peers (204 ms against 49.8 ms, usually 1.0×), 214 calls
/// in 20 s`
fn odd_one_out(facts: &Facts<'_>, peers: &Peers<'_>) -> String {
    let others = match peers.others {
        1 => "its only peer".to_owned(),
        others => format!("its {others} peers"),
    };
    let usual = if peers.against > 0.0 {
        times(facts.typical, peers.against)
    } else {
        "1.0×".to_owned()
    };
    let (kind, name, span) = (peers.kind, peers.name, duration_text(facts.span));
    match facts.measure {
        Measure::Latency => format!(
            "{kind} {name} is {} slower than {others} ({} against {}, usually {usual}), {} calls in {span}",
            times(facts.actual, peers.against),
            seconds(facts.actual),
            seconds(peers.against),
            grouped(facts.observations),
        ),
        _ => format!(
            "{} of calls to {kind} {name} failed ({} of {} in {span}) where {} did at {others} (usually {usual})",
            percent(facts.actual),
            grouped(cases(facts)),
            grouped(facts.observations),
            percent(peers.against),
        ),
    }
}

fn latency(facts: &Facts<'_>) -> String {
    format!(
        "{} {} against {} expected ({} typical), {} calls in {}",
        facts.statistic,
        seconds(facts.actual),
        seconds_range(facts.band),
        times(facts.actual, facts.typical),
        grouped(facts.observations),
        duration_text(facts.span),
    )
}

fn failures(facts: &Facts<'_>) -> String {
    let came = format!(
        "{} of calls failed ({} of {} in {})",
        percent(facts.actual),
        grouped(cases(facts)),
        grouped(facts.observations),
        duration_text(facts.span),
    );
    if facts.learning {
        format!("{came} while still learning, and so many failures are normal for no Api")
    } else {
        format!(
            "{came} against at most {} expected",
            percent(facts.band.upper)
        )
    }
}

fn rate(facts: &Facts<'_>, (noun, unit): (&str, &str)) -> String {
    if facts.actual == 0.0 {
        return format!(
            "no {noun} for {} against {} {unit} expected",
            duration_text(facts.span),
            number_range(facts.band),
        );
    }
    let change = (facts.actual / facts.typical - 1.0).abs();
    let word = match facts.direction {
        Direction::Below => "below",
        Direction::Above => "above",
    };
    format!(
        "{} {unit} against {} {unit} expected ({} {word} typical), {} {noun} in {}",
        number(facts.actual),
        number_range(facts.band),
        percent(change),
        grouped(facts.observations),
        duration_text(facts.span),
    )
}

fn log_errors(facts: &Facts<'_>) -> String {
    format!(
        "{} of log records are errors ({} of {} in {}) against at most {} expected",
        percent(facts.actual),
        grouped(cases(facts)),
        grouped(facts.observations),
        duration_text(facts.span),
        percent(facts.band.upper),
    )
}

fn share(facts: &Facts<'_>, what: &str) -> String {
    format!(
        "{} of {what} ({} of {} in {}) against at most {} expected",
        percent(facts.actual),
        grouped(cases(facts)),
        grouped(facts.observations),
        duration_text(facts.span),
        percent(facts.band.upper),
    )
}

/// `rate 0.41× usual while response time 1.90× usual: an unusual combination, set apart by 0.66 where 99 of
/// 100 minutes are by at most 0.61, 214 calls in 60 s`
fn combination(facts: &Facts<'_>) -> String {
    let values: Vec<String> = (facts.contributions.iter())
        .map(|part| format!("{} {}", part.dimension, part.value))
        .collect();
    format!(
        "{}: an unusual combination, set apart by {} where 99 of 100 minutes are by at most {}, {} calls in {}",
        values.join(" while "),
        number(facts.actual),
        number(facts.band.upper),
        grouped(facts.observations),
        duration_text(facts.span),
    )
}

/// `its clock is 41 s behind, or its records come so late: 100 % of records (53 of 53 in 10 s) bear
/// wrong times`
fn mistimed(facts: &Facts<'_>) -> String {
    let clock = facts.contributions.first();
    let offset = clock.map_or("wrong", |clock| &*clock.value);
    let late = if offset.ends_with("behind") {
        ", or its records come so late"
    } else {
        ""
    };
    format!(
        "its clock is {offset}{late}: {} of records ({} of {} in {}) bear wrong times",
        percent(facts.actual),
        grouped(cases(facts)),
        grouped(facts.observations),
        duration_text(facts.span),
    )
}

/// `12 % of journeys GET /buy (12 of 100 in 20 s) are without the step GET /stock of stock, against at
/// most 2.1 % expected`
fn journey_steps(facts: &Facts<'_>) -> String {
    let (journey, step) = match facts.contributions {
        [named, ..] => (&*named.dimension, &*named.value),
        [] => ("of one type", "that is usual"),
    };
    let odd = match facts.detector {
        "journey-step-missing" => "are without the step",
        "journey-step-repeated" => "repeat the step",
        _ => "have a step out of order:",
    };
    format!(
        "{} of journeys {journey} ({} of {} in {}) {odd} {step}, against at most {} expected",
        percent(facts.actual),
        grouped(cases(facts)),
        grouped(facts.observations),
        duration_text(facts.span),
        percent(facts.band.upper),
    )
}

fn calls_per_call(facts: &Facts<'_>) -> String {
    format!(
        "{} calls made for each one served against {} expected ({} typical), {} served in {}",
        number(facts.actual),
        number_range(facts.band),
        times(facts.actual, facts.typical),
        grouped(facts.observations),
        duration_text(facts.span),
    )
}

/// `queue_depth 812 jobs against 40–52 jobs expected now (45 typical); most unusual for this time of
/// day, by the mean of 6 values in 60 s`
fn number_of(facts: &Facts<'_>) -> String {
    let name = facts.number.map_or("the number", |number| number.name);
    let unit = match facts.number.and_then(|number| number.unit) {
        Some(unit) => format!(" {unit}"),
        None => String::new(),
    };
    let (band, actual) = (facts.band, facts.actual);
    let held = if (band.lower..=band.upper).contains(&actual) {
        "within the"
    } else {
        "against"
    };
    let values = match facts.observations {
        1 => "one value".to_owned(),
        values => format!("the mean of {} values", grouped(values)),
    };
    format!(
        "{name} {}{unit} {held} {}{unit} expected now ({} typical); most unusual {}, by {values} in {}",
        exact(actual),
        exact_range(band),
        exact(facts.typical),
        facts.statistic,
        duration_text(facts.span),
    )
}

/// Three significant digits, and what stands before the point in full: a number may be large and its
/// deviation small.
fn exact(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e15 || (magnitude > 0.0 && magnitude < 1e-4) {
        return format!("{value:.2e}");
    }
    let decimals = match magnitude {
        whole if whole.fract() == 0.0 => 0,
        large if large >= 1_000.0 => 0,
        large if large >= 10.0 => 1,
        one if one >= 1.0 => 2,
        small if small >= 0.01 => 3,
        _ => 5,
    };
    format!("{value:.decimals$}")
}

fn exact_range(band: Band) -> String {
    let separator = if band.lower < 0.0 || band.upper < 0.0 {
        " to "
    } else {
        "–"
    };
    format!("{}{separator}{}", exact(band.lower), exact(band.upper))
}

fn template(facts: &Facts<'_>) -> String {
    let came = format!(
        "{} of {} records in {}",
        grouped(cases(facts)),
        grouped(facts.observations),
        duration_text(facts.span),
    );
    if facts.detector == "new-log-template" {
        format!(
            "an error message never seen in {} records before: {came}",
            grouped(facts.learned_from)
        )
    } else {
        format!(
            "a log message makes up {} of the records ({came}) against at most {} expected",
            percent(facts.actual),
            percent(facts.band.upper),
        )
    }
}

fn cases(facts: &Facts<'_>) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, which it was computed from"
    )]
    let cases = (facts.actual * facts.observations as f64).round() as u64;
    cases
}

/// `20 s`, `4 min`, `2 h 5 min`.
pub fn duration_text(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0 => format!("{} ms", duration.as_millis()),
        1..=119 => format!("{secs} s"),
        120..=3599 => format!("{} min", secs / 60),
        _ if secs % 3600 < 60 => format!("{} h", secs / 3600),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

/// Two or three significant digits, which is all that a window of calls can tell.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 || (magnitude.fract() == 0.0 && magnitude >= 1.0) {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else if magnitude >= 0.1 || magnitude == 0.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

fn number_range(band: Band) -> String {
    format!("{}–{}", number(band.lower), number(band.upper))
}

fn seconds(value: f64) -> String {
    let (scaled, unit) = scale(value);
    format!("{} {unit}", number(scaled))
}

/// Both ends in the unit of the upper one: `95–140 ms`.
fn seconds_range(band: Band) -> String {
    let (upper, unit) = scale(band.upper);
    let lower = if band.upper > 0.0 {
        upper * band.lower / band.upper
    } else {
        0.0
    };
    format!("{}–{} {unit}", number(lower), number(upper))
}

fn scale(seconds: f64) -> (f64, &'static str) {
    if seconds >= 1.0 {
        (seconds, "s")
    } else if seconds >= 1e-3 {
        (seconds * 1e3, "ms")
    } else {
        (seconds * 1e6, "µs")
    }
}

fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value == 0.0 || value >= 10.0 {
        format!("{value:.0} %")
    } else if value >= 0.1 {
        format!("{value:.1} %")
    } else {
        format!("{value:.3} %")
    }
}

fn times(actual: f64, typical: f64) -> String {
    if typical > 0.0 {
        format!("{:.1}×", actual / typical)
    } else {
        "∞×".to_owned()
    }
}

/// `12,480`
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
