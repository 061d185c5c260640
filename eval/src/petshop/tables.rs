//! PetShop's two kinds of tables.

use std::collections::BTreeMap;

use monitor_diagnose::blame::{Costs, Unit};
use rand::RngExt;
use rand::rngs::StdRng;

/// Who calls whom: names and, for each, positions of its callees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    pub names: Vec<String>,
    pub callees: Vec<Vec<usize>>,
}

impl Graph {
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }
}

/// The rows of a `metrics.csv`, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Unix seconds of each row.
    pub secs: Vec<i64>,
    /// By microservice, metric, statistic; NaN where empty.
    columns: BTreeMap<(String, String, String), Vec<f64>>,
}

/// The column of a node that counts its calls.
const CALLS: (&str, &str) = ("requests", "Sum");

impl Table {
    /// Length of a row, seconds.
    pub fn step(&self) -> i64 {
        let steps = self.secs.windows(2).map(|pair| pair[1] - pair[0]);
        steps.min().unwrap_or(300)
    }

    /// Calls and cost of a node; empty when it has no such columns.
    pub fn costs(&self, node: &str, unit: Unit) -> Costs {
        let column = |(metric, statistic): (&str, &str)| {
            let key = (node.to_owned(), metric.to_owned(), statistic.to_owned());
            self.columns.get(&key)
        };
        let each = match unit {
            Unit::Seconds => column(("latency", "Average")),
            Unit::Failures => column(("availability", "Average")),
        };
        let (Some(calls), Some(each)) = (column(CALLS), each) else {
            return Costs::default();
        };
        let each = match unit {
            Unit::Seconds => each.clone(),
            Unit::Failures => {
                // `clamp` keeps what is not known, `max` would not.
                let failed = |percent: &f64| (1.0 - percent / 100.0).clamp(0.0, 1.0);
                each.iter().map(failed).collect()
            }
        };
        Costs {
            calls: calls.clone(),
            each,
        }
    }

    /// The earlier rows and the later ones.
    pub fn halves(&self) -> (Table, Table) {
        let part = |from: usize, to: usize| Table {
            secs: self.secs[from..to].to_vec(),
            columns: self
                .columns
                .iter()
                .map(|(key, column)| (key.clone(), column[from..to].to_vec()))
                .collect(),
        };
        let (middle, end) = (self.secs.len() / 2, self.secs.len());
        (part(0, middle), part(middle, end))
    }

    /// Multiplies every value by a factor of its own, log-normal with this deviation; of availability,
    /// what is missing from 100.
    pub fn jitter(&mut self, deviation: f64, rng: &mut StdRng) {
        for ((_, metric, _), column) in &mut self.columns {
            for value in column {
                // The sum of twelve uniform ones is as good as normal.
                let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                let factor = (deviation * normal).exp();
                *value = if metric == "availability" {
                    (100.0 - (100.0 - *value) * factor).clamp(0.0, 100.0)
                } else {
                    *value * factor
                };
            }
        }
    }

    /// Takes away a node's columns.
    pub fn forget(&mut self, node: &str) {
        self.columns.retain(|(name, _, _), _| name != node);
    }

    /// Both, in order of time; of rows of the same time, the later one of `other`.
    pub fn joined(self, other: Table) -> Table {
        let mut rows: BTreeMap<i64, (bool, usize)> = BTreeMap::new();
        rows.extend(
            self.secs
                .iter()
                .enumerate()
                .map(|(at, t)| (*t, (false, at))),
        );
        rows.extend(
            other
                .secs
                .iter()
                .enumerate()
                .map(|(at, t)| (*t, (true, at))),
        );
        let keys: Vec<_> = self.columns.keys().chain(other.columns.keys()).collect();
        let columns = keys.into_iter().map(|key| {
            let value = |(is_other, at): &(bool, usize)| {
                let columns = if *is_other {
                    &other.columns
                } else {
                    &self.columns
                };
                columns.get(key).map_or(f64::NAN, |column| column[*at])
            };
            (key.clone(), rows.values().map(value).collect())
        });
        Table {
            columns: columns.collect(),
            secs: rows.into_keys().collect(),
        }
    }
}

fn reader(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// Row calls column. Nodes are those of rows and of columns, by name.
pub(super) fn graph(text: &str) -> Result<Graph, String> {
    let mut records = reader(text).into_records();
    let header = records
        .next()
        .ok_or("is empty")?
        .map_err(|e| e.to_string())?;
    let columns: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for column in &columns {
        calls.entry(column.clone()).or_default();
    }
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        let mut fields = record.iter();
        let caller = fields.next().unwrap_or_default();
        let callees = calls.entry(caller.to_owned()).or_default();
        for (column, field) in columns.iter().zip(fields) {
            let field = field.trim();
            let value: f64 = match field {
                "" => 0.0,
                field => field
                    .parse()
                    .map_err(|_| format!("`{field}` in the row of `{caller}` is not a number"))?,
            };
            if value != 0.0 {
                callees.push(column.clone());
            }
        }
    }
    let names: Vec<String> = calls.keys().cloned().collect();
    let position = |name: &String| names.binary_search(name).ok();
    let callees = calls
        .values()
        .map(|callees| callees.iter().filter_map(position).collect())
        .collect();
    Ok(Graph { names, callees })
}

/// Three rows of names, a row that names the index, then time and values; empty is not known.
pub(super) fn metrics(text: &str) -> Result<Table, String> {
    let mut records = reader(text).into_records();
    let mut header = |what: &str| match records.next() {
        Some(Ok(record)) => Ok(record.iter().skip(1).map(str::to_owned).collect::<Vec<_>>()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(format!("ends before its row of {what}")),
    };
    let names = [
        header("microservices")?,
        header("metrics")?,
        header("statistics")?,
    ];
    let mut rows: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let first = record.get(0).unwrap_or_default().trim();
        let Ok(at) = first.parse::<f64>() else {
            // The line that names the index.
            if rows.is_empty() && record.iter().skip(1).all(|field| field.trim().is_empty()) {
                continue;
            }
            return Err(format!("line {line}: `{first}` is not a time"));
        };
        let value = |at: usize| match record.get(at + 1).unwrap_or_default().trim() {
            "" => Ok(f64::NAN),
            field => field
                .parse()
                .map_err(|_| format!("line {line}: `{field}` is not a number")),
        };
        let values: Result<Vec<f64>, String> = (0..names[0].len()).map(value).collect();
        // Seconds fit; what does not is a time in no one's life and saturates.
        rows.insert(at as i64, values?);
    }
    let columns = (0..names[0].len()).filter_map(|at| {
        let key = (
            names[0].get(at)?.clone(),
            names[1].get(at)?.clone(),
            names[2].get(at)?.clone(),
        );
        Some((key, rows.values().map(|row| row[at]).collect()))
    });
    Ok(Table {
        columns: columns.collect(),
        secs: rows.keys().copied().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_in_order_of_time_with_gaps() {
        let table = metrics(
            "microservice,a,a,a\nmetric,latency,requests,availability\nstatistic,Average,Sum,Average\n\
             unix_timestamp,,,\n600,0.5,10,90\n300,,0,\n",
        )
        .unwrap();
        assert_eq!(table.secs, [300, 600]);
        assert_eq!(table.step(), 300);
        let costs = table.costs("a", Unit::Seconds);
        assert!(costs.each[0].is_nan());
        assert_eq!(
            (costs.each[1], costs.calls.as_slice()),
            (0.5, &[0.0, 10.0][..])
        );
        let failed = table.costs("a", Unit::Failures).each[1];
        assert!((failed - 0.1).abs() < 1e-12);
        assert_eq!(table.costs("b", Unit::Seconds), Costs::default());
    }

    #[test]
    fn a_bad_field_is_told_with_its_line() {
        let head = "m,a\nm,latency\ns,Average\nt,\n";
        let told = |row: &str| metrics(&format!("{head}{row}")).unwrap_err();
        assert_eq!(told("300,x\n"), "line 5: `x` is not a number");
        assert_eq!(told("300,1\nnoon,1\n"), "line 6: `noon` is not a time");
        assert_eq!(
            metrics("m,a\n").unwrap_err(),
            "ends before its row of metrics"
        );
    }

    #[test]
    fn rows_of_the_graph_call_columns() {
        let graph = graph(",a,\"b,b\",c\na,0,1,1\nd,1,,0\n").unwrap();
        assert_eq!(graph.names, ["a", "b,b", "c", "d"]);
        assert_eq!(graph.callees, [vec![1, 2], vec![], vec![], vec![0]]);
    }

    #[test]
    fn tables_are_joined_by_time() {
        let head = "m,a\nm,requests\ns,Sum\nt,\n";
        let one = metrics(&format!("{head}300,1\n600,2\n")).unwrap();
        let two = metrics(&format!("{head}600,3\n900,4\n")).unwrap();
        let joined = one.joined(two);
        assert_eq!(joined.secs, [300, 600, 900]);
        let key = ("a".to_owned(), "requests".to_owned(), "Sum".to_owned());
        assert_eq!(joined.columns[&key], [1.0, 3.0, 4.0]);
    }
}
