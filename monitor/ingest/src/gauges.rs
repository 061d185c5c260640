//! Numbers that people want out of a service's log fields: the latest of each, and every one of them
//! for the engine to judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor_core::{
    FieldView, Name, NumberSeen, Observation, Record, ServiceKey, Settings, Time, Value, Watching,
};

/// Numbers kept; a workload has at most twenty.
const MOST: usize = 50_000;

type Key = (ServiceKey, Name, Name);

/// Not part of a snapshot: the next record says it again.
#[derive(Debug, Default)]
pub(crate) struct Gauges(BTreeMap<Key, (f64, Time)>);

impl Gauges {
    /// Takes the numbers that `own` names from a record. A field that is absent or no number is
    /// passed over.
    pub(crate) fn read(
        &mut self,
        record: &Record,
        own: &Watching,
        observations: &mut Vec<Observation>,
    ) {
        for metric in &own.metrics {
            let Some(value) = number(&record.attributes, &metric.field) else {
                continue;
            };
            observations.push(Observation::Number(Box::new(NumberSeen {
                service: record.resource.service.clone(),
                environment: Arc::clone(&record.resource.environment.name),
                name: Name::clone(&metric.name),
                unit: metric.unit.clone(),
                time: record.time,
                value,
            })));
            let key = (
                record.resource.service.clone(),
                Arc::clone(&record.resource.environment.name),
                Name::clone(&metric.name),
            );
            if self.0.len() >= MOST && !self.0.contains_key(&key) {
                continue;
            }
            let known = self.0.entry(key).or_insert((value, record.time));
            if record.time >= known.1 {
                *known = (value, record.time);
            }
        }
    }

    /// Forgets what nobody asks for any more.
    pub(crate) fn forget(&mut self, settings: &Settings) {
        self.0.retain(|(service, environment, name), _| {
            settings
                .of(service, environment)
                .is_some_and(|own| own.metrics.iter().any(|metric| metric.name == *name))
        });
    }

    /// In order of service, environment and name.
    pub(crate) fn view(&self, settings: &Settings) -> Vec<FieldView> {
        let views = self
            .0
            .iter()
            .map(|((service, environment, name), (value, at))| {
                let own = settings.of(service, environment);
                let metric =
                    own.and_then(|own| own.metrics.iter().find(|known| known.name == *name));
                FieldView {
                    service: service.clone(),
                    environment: Name::clone(environment),
                    name: Name::clone(name),
                    unit: metric.and_then(|metric| metric.unit.clone()),
                    value: *value,
                    at: *at,
                }
            });
        views.collect()
    }
}

fn number(attributes: &[(Name, Value)], field: &str) -> Option<f64> {
    let (_, value) = attributes.iter().find(|(name, _)| **name == *field)?;
    let number = match value {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Str(text) => text.trim().parse().ok()?,
    };
    number.is_finite().then_some(number)
}
