//! Puts the words of log templates where the engine, which knows only their ids, has the ids.

use monitor_core::{Alert, Anomaly, Measure, Name, ServiceKey, TemplateId};

/// Characters of a template shown in a sentence.
const SHOWN: usize = 120;

/// The text of a service's template.
pub(crate) type Lookup<'a> = &'a dyn Fn(&ServiceKey, TemplateId) -> Option<String>;

/// Spells out the templates that an anomaly's explanation names.
pub(crate) fn spell_out(anomaly: &mut Anomaly, lookup: Lookup<'_>) {
    let service = anomaly.signal.subject.service();
    let explanation = &mut anomaly.explanation;
    for part in &mut explanation.contributions {
        if &*part.dimension != "template" {
            continue;
        }
        let Ok(id) = u64::from_str_radix(&part.value, 16) else {
            continue;
        };
        if let Some(text) = lookup(service, TemplateId(id)) {
            let quoted = quoted(&text);
            explanation.why = explanation.why.replace(&*part.value, &quoted);
            part.value = Name::from(quoted);
        }
    }
    if let Measure::TemplateRate(id) = anomaly.signal.measure
        && let Some(text) = lookup(service, id)
    {
        explanation.why = format!("{}: {}", explanation.why, quoted(&text));
    }
}

/// The same for an alert's anomalies, and for its annotations, which quote them.
pub(crate) fn spell_out_alert(alert: &mut Alert, lookup: Lookup<'_>) {
    for anomaly in &mut alert.anomalies {
        let before = anomaly.explanation.why.clone();
        spell_out(anomaly, lookup);
        if before != anomaly.explanation.why {
            for text in alert.annotations.values_mut() {
                *text = text.replace(&before, &anomaly.explanation.why);
            }
        }
    }
}

fn quoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("“{shown}”")
}
