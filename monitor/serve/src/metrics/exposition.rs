//! Writes metric families in Prometheus' text format or in OpenMetrics.
//!
//! Prometheus text 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>;
//! OpenMetrics 1.0: <https://prometheus.io/docs/specs/om/open_metrics_spec/>. They differ in the
//! names of counters' families, in the type of `_info`, and in the mark at the end.

use std::collections::BTreeSet;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The family's name ends in `_total`.
    Counter,
    Gauge,
    Summary,
    Histogram,
    /// The family's name ends in `_info`, the value is always 1.
    Info,
}

/// Labels of one sample, in the order in which they are written.
pub(crate) type Labels<'a> = [(&'a str, &'a str)];

#[derive(Debug)]
pub(crate) struct Exposition {
    format: Format,
    text: String,
    written: BTreeSet<String>,
}

impl Exposition {
    pub(crate) fn new(format: Format) -> Exposition {
        Exposition {
            format,
            text: String::new(),
            written: BTreeSet::new(),
        }
    }

    /// Begins a family. Nothing is written before its first sample, nor when a family of this name
    /// is there already: a name twice would make a scraper refuse the whole.
    pub(crate) fn family(&mut self, name: &str, kind: Kind, help: &str) -> Family<'_> {
        let header = self
            .written
            .insert(name.to_owned())
            .then(|| self.header(name, kind, help));
        Family {
            name: name.to_owned(),
            skip: header.is_none(),
            header,
            to: &mut self.text,
        }
    }

    fn header(&self, name: &str, kind: Kind, help: &str) -> String {
        let open_metrics = self.format == Format::OpenMetrics;
        let (name, kind) = match kind {
            // A counter of ours that is named wrongly is still worth having.
            Kind::Counter if open_metrics => match name.strip_suffix("_total") {
                Some(family) => (family, "counter"),
                None => (name, "unknown"),
            },
            Kind::Info if open_metrics => (name.strip_suffix("_info").unwrap_or(name), "info"),
            Kind::Counter => (name, "counter"),
            Kind::Gauge | Kind::Info => (name, "gauge"),
            Kind::Summary => (name, "summary"),
            Kind::Histogram => (name, "histogram"),
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let help = if open_metrics {
            help.replace('"', "\\\"")
        } else {
            help
        };
        format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
    }

    pub(crate) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

#[derive(Debug)]
pub(crate) struct Family<'a> {
    name: String,
    header: Option<String>,
    skip: bool,
    to: &'a mut String,
}

impl Family<'_> {
    pub(crate) fn sample(&mut self, labels: &Labels<'_>, value: f64) {
        self.part("", labels, value);
    }

    /// One sample of several that make a histogram or summary: `_bucket`, `_sum`, `_count`.
    pub(crate) fn part(&mut self, suffix: &str, labels: &Labels<'_>, value: f64) {
        if self.skip {
            return;
        }
        if let Some(header) = self.header.take() {
            self.to.push_str(&header);
        }
        self.to.push_str(&self.name);
        self.to.push_str(suffix);
        let mut separator = '{';
        for (name, value) in labels {
            self.to.push(separator);
            self.to.push_str(name);
            self.to.push_str("=\"");
            escape(value, self.to);
            self.to.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.to.push('}');
        }
        self.to.push(' ');
        number(value, self.to);
        self.to.push('\n');
    }
}

/// As labels hold it: `le`, `quantile`.
pub(crate) fn number_text(value: f64) -> String {
    let mut text = String::new();
    number(value, &mut text);
    text
}

fn number(value: f64, to: &mut String) {
    let written = if value.is_nan() {
        write!(to, "NaN")
    } else if value.is_infinite() {
        write!(to, "{}", if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value != 0.0 && !(1e-6..1e16).contains(&value.abs()) {
        write!(to, "{value:e}")
    } else {
        write!(to, "{value}")
    };
    written.expect("writing to a String cannot fail");
}

fn escape(value: &str, to: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => to.push_str("\\\\"),
            '"' => to.push_str("\\\""),
            '\n' => to.push_str("\\n"),
            other => to.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(format: Format, expected: &Expect) {
        let mut out = Exposition::new(format);
        let mut calls = out.family("x_calls_total", Kind::Counter, "Calls\nof \\ \"x\".");
        calls.sample(&[("route", "a\"b\\c\nd")], 3.0);
        out.family("x_calls_total", Kind::Counter, "Again.")
            .sample(&[], 1.0);
        out.family("x_empty", Kind::Gauge, "Without samples.");
        out.family("x_build_info", Kind::Info, "Build.")
            .sample(&[("version", "1")], 1.0);
        let mut odd = out.family("x_odd", Kind::Gauge, "Odd numbers.");
        for value in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
            1e-9,
            -0.25,
        ] {
            odd.sample(&[], value);
        }
        expected.assert_eq(&out.finish());
    }

    #[test]
    fn prometheus_text() {
        check(
            Format::Text,
            &expect![[r##"
            # HELP x_calls_total Calls\nof \\ "x".
            # TYPE x_calls_total counter
            x_calls_total{route="a\"b\\c\nd"} 3
            # HELP x_build_info Build.
            # TYPE x_build_info gauge
            x_build_info{version="1"} 1
            # HELP x_odd Odd numbers.
            # TYPE x_odd gauge
            x_odd NaN
            x_odd +Inf
            x_odd -Inf
            x_odd 1e300
            x_odd 1e-9
            x_odd -0.25
        "##]],
        );
    }

    #[test]
    fn open_metrics() {
        check(
            Format::OpenMetrics,
            &expect![[r##"
            # HELP x_calls Calls\nof \\ \"x\".
            # TYPE x_calls counter
            x_calls_total{route="a\"b\\c\nd"} 3
            # HELP x_build Build.
            # TYPE x_build info
            x_build_info{version="1"} 1
            # HELP x_odd Odd numbers.
            # TYPE x_odd gauge
            x_odd NaN
            x_odd +Inf
            x_odd -Inf
            x_odd 1e300
            x_odd 1e-9
            x_odd -0.25
            # EOF
        "##]],
        );
    }
}
