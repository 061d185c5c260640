//! How things are, in one sentence: what a person reads first.

use std::time::Duration;

use monitor_core::{Anomaly, ApiState, ApiView, IngestView, Measure, Subject, View};

use super::apis::by_trouble;

/// `2 of 31 Apis are anomalous: GET /cart of shop/cart (latency, for 12 s) and …`
pub(crate) fn headline(view: &View, ingest: &IngestView, ready: &Result<(), String>) -> String {
    if let Err(reason) = ready {
        return format!("Not ready: {}.", reason.trim_end_matches('.'));
    }
    if view.apis.is_empty() {
        return match view
            .services
            .len()
            .max(usize::from(!ingest.streams.is_empty()))
        {
            0 => "Nothing has been received yet.".to_owned(),
            _ => format!(
                "Records arrive, but no Api is seen in them yet.{}",
                services(view)
            ),
        };
    }
    let mut troubled: Vec<&ApiView> = view
        .apis
        .iter()
        .filter(|api| {
            matches!(
                api.state,
                ApiState::Anomalous | ApiState::Silent | ApiState::AtRisk
            )
        })
        .collect();
    if troubled.is_empty() {
        return format!("{}{}", calm(view), services(view));
    }
    troubled.sort_by(|a, b| by_trouble(a, b));
    let states: Vec<String> = [
        (ApiState::Anomalous, "anomalous"),
        (ApiState::Silent, "silent"),
        (ApiState::AtRisk, "at risk"),
    ]
    .into_iter()
    .filter_map(|(state, word)| {
        let count = troubled.iter().filter(|api| api.state == state).count();
        (count > 0).then_some((count, word))
    })
    .enumerate()
    .map(|(place, (count, word))| {
        let verb = if count == 1 { "is" } else { "are" };
        match place {
            0 => format!("{count} of {} {verb} {word}", apis(view.apis.len())),
            _ => format!("{count} {verb} {word}"),
        }
    })
    .collect();
    const NAMED: usize = 2;
    let mut named: Vec<String> = troubled
        .iter()
        .take(NAMED)
        .map(|api| name(api, view))
        .collect();
    if troubled.len() > NAMED {
        named.push(format!("{} more", troubled.len() - NAMED));
    }
    format!("{}: {}.{}", list(&states), list(&named), services(view))
}

fn calm(view: &View) -> String {
    let count = |state| view.apis.iter().filter(|api| api.state == state).count();
    let (learning, paused) = (count(ApiState::Learning), count(ApiState::Paused));
    let all = view.apis.len();
    let ok = count(ApiState::Ok);
    if learning == all {
        return format!("Still learning what is normal for {}.", apis(all));
    }
    if ok == all {
        return match all {
            1 => "The one Api is as expected.".to_owned(),
            _ => format!("All {all} Apis are as expected."),
        };
    }
    let mut parts = vec![format!(
        "{ok} of {} {} as expected",
        apis(all),
        if ok == 1 { "is" } else { "are" }
    )];
    if learning > 0 {
        parts.push(format!("{learning} still learning"));
    }
    if paused > 0 {
        parts.push(format!("{paused} paused"));
    }
    format!("{}.", parts.join(", "))
}

/// What is wrong with services as a whole, beside their Apis.
fn services(view: &View) -> String {
    let mut troubled: Vec<String> = view
        .anomalies
        .iter()
        .filter(|anomaly| anomaly.end.is_none())
        .filter_map(|anomaly| match &anomaly.signal.subject {
            Subject::Service { service, .. } => Some(service.to_string()),
            Subject::Api(_) | Subject::Dependency { .. } | Subject::Number { .. } => None,
        })
        .collect();
    troubled.sort();
    troubled.dedup();
    match troubled.as_slice() {
        [] => String::new(),
        [one] => format!(" The logs of {one} are unusual."),
        [one, two] => format!(" The logs of {one} and {two} are unusual."),
        [one, rest @ ..] => format!(
            " The logs of {one} and {} more services are unusual.",
            rest.len()
        ),
    }
}

/// `GET /cart of shop/cart (latency, for 12 s)`
fn name(api: &ApiView, view: &View) -> String {
    let worst = view
        .anomalies
        .iter()
        .filter(|anomaly| anomaly.end.is_none())
        .filter(|anomaly| matches!(&anomaly.signal.subject, Subject::Api(key) if *key == api.key))
        .max_by(|a, b| {
            a.score
                .get()
                .total_cmp(&b.score.get())
                .then_with(|| b.id.cmp(&a.id))
        });
    let what = format!("{} of {}", api.key.operation(), api.key.service);
    match worst {
        None => what,
        Some(anomaly) => {
            format!(
                "{what} ({}, for {})",
                trouble(anomaly),
                lasting(anomaly.duration(view.at))
            )
        }
    }
}

fn trouble(anomaly: &Anomaly) -> &'static str {
    match anomaly.signal.measure {
        Measure::Rate => "traffic",
        Measure::ErrorRatio => "errors",
        Measure::Latency => "latency",
        Measure::LogErrorRatio
        | Measure::TemplateRate(_)
        | Measure::LogFormatRatio
        | Measure::LogRate => "logs",
        Measure::Saturation => "saturation",
        Measure::Number => "numbers",
        Measure::ThrottledRatio => "throttling",
        Measure::UnauthorisedRatio => "refused credentials",
        Measure::ClientErrorRatio => "client errors",
        Measure::NewStatusRatio => "new statuses",
        Measure::NewSizeRatio => "answers of another size",
        Measure::CallsPerCall => "calls to others",
        Measure::Combination => "unusual combinations",
        Measure::MistimedRatio => "clocks",
        Measure::JourneySteps(_) => "steps of journeys",
    }
}

fn apis(count: usize) -> String {
    if count == 1 {
        "1 Api".to_owned()
    } else {
        format!("{count} Apis")
    }
}

/// `a, b and c`
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `12 s`, `3 min`, `2 h 5 min`, `4 d`
fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => match minutes % 60 {
            0 => format!("{hours} h"),
            minutes => format!("{hours} h {minutes} min"),
        },
        (days, ..) => format!("{days} d"),
    }
}
