//! Runs the production detector over a series as it would run live.

use monitor_detect::StreamModel;

use super::read::Series;

/// What the detector said of every row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The continuous evidence.
    pub evidence: Vec<f64>,
    /// The alarm decision as a score in [0, 1), 0 where nobody should be told.
    pub alarms: Vec<f64>,
    /// What the model took in memory at the end.
    pub bytes: usize,
}

pub fn run(series: &Series) -> Said {
    let mut model = StreamModel::new();
    let mut said = Said::default();
    for (secs, value) in series.secs.iter().zip(&series.values) {
        let opinion = model.observe(*secs, *value);
        said.evidence.push(opinion.map_or(0.0, |o| o.evidence));
        // NAB wants scores in [0, 1]; any increasing map will do.
        said.alarms
            .push(opinion.map_or(0.0, |o| o.alarm / (1.0 + o.alarm)));
    }
    said.bytes = model.bytes();
    said
}
