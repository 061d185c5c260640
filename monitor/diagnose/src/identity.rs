//! What makes an anomaly or an alert the same one again.

use std::collections::BTreeMap;

use monitor_core::{AlertId, AnomalyId, IncidentId, Measure, Name, SignalKey, Time};

/// The same signal, detector and start give the same id on every machine.
pub fn anomaly_id(signal: &SignalKey, detector: &str, start: Time) -> AnomalyId {
    let mut hash = Fnv::new();
    hash.field(&signal.subject.to_string());
    hash.field(signal.measure.as_str());
    match signal.measure {
        Measure::TemplateRate(template) => hash.field(&template.to_string()),
        Measure::JourneySteps(kind) => hash.field(&kind.to_string()),
        _ => {}
    }
    hash.field(detector);
    hash.field(&start.as_nanos().to_string());
    AnomalyId(hash.finish())
}

/// The hash of all labels, as Alertmanager identifies an alert.
pub fn alert_id(labels: &BTreeMap<Name, Name>) -> AlertId {
    let mut hash = Fnv::new();
    for (name, value) in labels {
        hash.field(name);
        hash.field(value);
    }
    AlertId(hash.finish())
}

/// An incident is known by the anomaly that it began with.
pub(crate) fn incident_id(first: AnomalyId) -> IncidentId {
    let mut hash = Fnv::new();
    hash.field("incident");
    hash.field(&first.to_string());
    IncidentId(hash.finish())
}

/// FNV-1a (Fowler, Noll, Vo), 64 bits: ids are shown to people and kept in files, so they must not
/// change with a library's version.
struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    /// A separator keeps `ab`, `c` and `a`, `bc` apart.
    fn field(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(self) -> u64 {
        self.0
    }
}
