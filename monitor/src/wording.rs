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

/// Replaces the ids of a service's templates wherever a sentence names them.
pub(crate) fn spell_out_sentence(
    sentence: &str,
    service: &ServiceKey,
    lookup: Lookup<'_>,
) -> String {
    let mut told = String::with_capacity(sentence.len());
    for (place, word) in sentence.split(' ').enumerate() {
        if place > 0 {
            told.push(' ');
        }
        let bare = word.trim_end_matches([':', ',', ';']);
        let text = (bare.len() == 16)
            .then(|| u64::from_str_radix(bare, 16).ok())
            .flatten()
            .and_then(|id| lookup(service, TemplateId(id)));
        match text {
            Some(text) => {
                told.push_str(&quoted(&text));
                told.push_str(&word[bare.len()..]);
            }
            None => told.push_str(word),
        }
    }
    told
}

fn quoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("“{shown}”")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_sentences_become_words_and_nothing_else_does() {
        let lookup = |_: &ServiceKey, id: TemplateId| {
            (id == TemplateId(0xd68c_de4c_f0a6_b266)).then(|| "no stock of <*>".to_owned())
        };
        let service = ServiceKey::new("", "cart");
        assert_eq!(
            spell_out_sentence(
                "error message d68cde4cf0a6b266: 19 of 368 records instead of 0 of 424",
                &service,
                &lookup
            ),
            "error message “no stock of <*>”: 19 of 368 records instead of 0 of 424"
        );
        assert_eq!(
            spell_out_sentence("1234567890123456 calls", &service, &lookup),
            "1234567890123456 calls"
        );
    }
}
