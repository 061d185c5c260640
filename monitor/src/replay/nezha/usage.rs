//! `metric/<pod>_metric.csv`: what a pod used, a row a minute over the whole day.
//!
//! Only processors and memory are read. What the files say of latencies and bytes is a summary of
//! the spans, and follows the requests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{Name, Time};
use monitor_diagnose::origin::Usage;

use super::super::ReadCounts;
use super::super::faults::Window;
use super::{rows, service_of_pod};

/// A column, what people call it, and the difference in its unit that nobody would mind.
const COLUMNS: [(&str, &str, f64); 2] = [
    ("CpuUsage(m)", "CPU (thousandths of a core)", 3.0),
    ("MemoryUsage(Mi)", "memory (MiB)", 50.0),
];
/// A fault may have begun so long before the window that it is judged by.
const BEFORE: Duration = Duration::from_secs(300);

/// All rows of all pods, by column.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    series: BTreeMap<(Name, usize), Vec<(Time, f64)>>,
}

impl Measured {
    pub(super) fn read(files: &[PathBuf], counts: &mut ReadCounts) -> anyhow::Result<Measured> {
        let mut measured = Measured::default();
        for path in files {
            let mut places: Option<[Option<usize>; 2 + COLUMNS.len()]> = None;
            rows(path, counts, |record, headers, _| {
                let places = places.get_or_insert_with(|| {
                    let place = |name: &str| headers.iter().position(|header| header == name);
                    [
                        place("Time"),
                        place("PodName"),
                        place(COLUMNS[0].0),
                        place(COLUMNS[1].0),
                    ]
                });
                // Files of something else than a pod.
                let [Some(time), Some(pod), ..] = *places else {
                    return Ok(());
                };
                let time = record.get(time).unwrap_or_default();
                let time = parse_time(time).ok_or_else(|| format!("`{time}` is no time"))?;
                let service = Name::from(service_of_pod(record.get(pod).unwrap_or_default()));
                for (column, place) in places[2..].iter().enumerate() {
                    let value = place
                        .and_then(|place| record.get(place))
                        .and_then(|value| value.parse::<f64>().ok())
                        .filter(|value| value.is_finite());
                    if let Some(value) = value {
                        measured
                            .series
                            .entry((Arc::clone(&service), column))
                            .or_default()
                            .push((time, value));
                    }
                }
                Ok(())
            })?;
        }
        Ok(measured)
    }

    /// What was used in the window, and before: in the fault-free minute, and in all that was
    /// measured until shortly before the window.
    pub(crate) fn usage(&self, window: Window, reference: Window) -> Vec<Usage> {
        let within = |window: Window, time: Time| {
            time >= window.start && time < window.start + window.length
        };
        self.series
            .iter()
            .map(|((service, column), rows)| {
                let values = |wanted: &dyn Fn(Time) -> bool| -> Vec<f64> {
                    rows.iter()
                        .filter(|(time, _)| wanted(*time))
                        .map(|(_, value)| *value)
                        .collect()
                };
                let (_, resource, floor) = COLUMNS[*column];
                Usage {
                    service: Arc::clone(service),
                    resource: resource.into(),
                    reference: values(&|time| {
                        within(reference, time) || time + BEFORE < window.start
                    }),
                    window: values(&|time| within(window, time)),
                    floor,
                }
            })
            .collect()
    }
}

/// `2023-01-29 08:41:10.649486457 +0000 UTC m=+1.7`, as Go prints a time.
fn parse_time(text: &str) -> Option<Time> {
    let mut words = text.split(' ');
    let (date, clock) = (words.next()?, words.next()?);
    format!("{date}T{clock}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_as_go_prints_it() {
        assert_eq!(
            parse_time("2023-01-29 08:41:10.5 +0000 UTC m=+1.7"),
            "2023-01-29T08:41:10.5Z".parse().ok()
        );
        assert_eq!(parse_time("yesterday"), None);
    }
}
