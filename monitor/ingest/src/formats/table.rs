//! Tables: CSV, TSV and `;`-separated files with a header, and the W3C extended format of IIS and
//! CloudFront. The one family in which a line means nothing without an earlier one.

use std::borrow::Cow;

use monitor_core::FormatName;
use serde::{Deserialize, Serialize};

use super::aliases::{Field, meaning};
use super::duration::Unit;
use super::fields::{self, Collect};
use super::time::Clock;
use super::{Parsed, Stream, time, within};

/// More columns than any log has; bounds the state that a stream keeps.
const MOST_COLUMNS: usize = 200;
/// A header is longer than this only by mistake.
const LONGEST_HEADER: usize = 8 * 1024;

/// The columns of a stream, from its header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Table {
    /// `,`, `;`, tab, `|`; a blank for W3C.
    separator: char,
    columns: Vec<String>,
    w3c: bool,
}

pub(super) fn parse(
    text: &str,
    table: &mut Option<Table>,
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) -> bool {
    let line = text.trim_end_matches(['\n', '\r']);
    if line.starts_with('#') {
        return directive(line, table, parsed);
    }
    if let Some(known) = table
        && row(line, known, stream, parsed)
    {
        return true;
    }
    match header(line) {
        Some(found) => {
            parsed.format = Some(found.name());
            *table = Some(found);
            note_header(line, parsed);
            true
        }
        None => false,
    }
}

impl Table {
    fn name(&self) -> FormatName {
        match (self.w3c, self.separator) {
            (true, '\t') => "cloudfront",
            (true, _) => "w3c-extended",
            (_, '\t') => "tsv",
            _ => "csv",
        }
    }
}

fn note_header(line: &str, parsed: &mut Parsed) {
    parsed.header = true;
    parsed.message = within(0..line.len());
}

/// `#Version: 1.0`, `#Fields: date time cs-method …`.
fn directive(line: &str, table: &mut Option<Table>, parsed: &mut Parsed) -> bool {
    const DIRECTIVES: [&str; 7] = [
        "#Version:",
        "#Fields:",
        "#Software:",
        "#Start-Date:",
        "#End-Date:",
        "#Date:",
        "#Remark:",
    ];
    let Some(directive) = DIRECTIVES.iter().find(|name| line.starts_with(**name)) else {
        return false;
    };
    if *directive == "#Fields:" && line.len() <= LONGEST_HEADER {
        let columns: Vec<String> = line[8..]
            .split_ascii_whitespace()
            .take(MOST_COLUMNS)
            .map(str::to_owned)
            .collect();
        // CloudFront names its columns with blanks but separates its rows with tabs.
        let cloudfront = columns.iter().any(|name| name.starts_with("x-edge"));
        *table = Some(Table {
            separator: if cloudfront { '\t' } else { ' ' },
            columns,
            w3c: true,
        });
    }
    parsed.format = Some(table.as_ref().map_or("w3c-extended", Table::name));
    note_header(line, parsed);
    true
}

/// A header is a row of names, at least two of which we know.
fn header(line: &str) -> Option<Table> {
    if line.len() > LONGEST_HEADER
        || !line.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '"' | '@' | '_'))
    {
        return None;
    }
    let separator = [',', '\t', ';', '|']
        .into_iter()
        .find(|separator| line.contains(*separator))?;
    let mut columns = Vec::new();
    let mut known = 0;
    for cell in line.split(separator) {
        let cell = cell.trim().trim_matches('"');
        let named = cell.len() <= 64
            && cell.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '@' | '_'))
            && cell.bytes().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'_' | b'-' | b'.' | b' ' | b'@' | b'(' | b')' | b'/')
            })
            && cell.bytes().filter(|byte| *byte == b' ').count() <= 2;
        if !named || columns.len() == MOST_COLUMNS {
            return None;
        }
        known += usize::from(meaning(cell) != Field::Other);
        columns.push(cell.to_owned());
    }
    (columns.len() >= 3 && known >= 2).then_some(Table {
        separator,
        columns,
        w3c: false,
    })
}

fn row(line: &str, table: &Table, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let mut cells: Vec<Cow<'_, str>> = Vec::with_capacity(table.columns.len());
    if !cut(line, table, &mut cells) {
        return false;
    }
    // The header again: rotation wrote it into the same stream.
    if cells
        .iter()
        .zip(&table.columns)
        .all(|(cell, column)| cell.trim() == column.as_str())
    {
        parsed.format = Some(table.name());
        note_header(line, parsed);
        return true;
    }
    parsed.format = Some(table.name());
    let cell = |name: &str| {
        table
            .columns
            .iter()
            .position(|column| column == name)
            .and_then(|index| cells.get(index))
    };
    if table.w3c
        && let (Some(date), Some(day_time)) = (cell("date"), cell("time"))
    {
        // The W3C draft fixes the zone: GMT.
        let clock = Clock {
            carrier: None,
            ..stream.clock
        };
        parsed.time = time::parse(&format!("{date}T{day_time}Z"), clock);
    }
    let mut collect = Collect::new(line, stream, parsed, None);
    for (column, value) in table.columns.iter().zip(&cells) {
        let value = value.trim();
        if matches!(value, "" | "-") {
            continue;
        }
        let field = match column.as_str() {
            "date" | "time" if table.w3c => continue,
            // IIS counts milliseconds, CloudFront writes seconds with a fraction.
            "time-taken" if table.w3c && value.contains('.') => Field::DurationIn(Unit::Seconds),
            "time-taken" if table.w3c => Field::DurationIn(Unit::Millis),
            "x-edge-request-id" => Field::Request,
            name => meaning(name),
        };
        // W3C replaces the blanks of a value by plus signs.
        if table.w3c && field == Field::UserAgent {
            let agent = value.replace('+', " ");
            collect.put(column, field, super::facts::Scalar::Str(&agent));
        } else {
            collect.put(column, field, fields::scalar(value));
        }
    }
    let message = collect.finish();
    fields::tell(line, message, stream, parsed);
    true
}

/// Cuts a row into as many cells as there are columns; false when it has another number of them.
fn cut<'l>(line: &'l str, table: &Table, cells: &mut Vec<Cow<'l, str>>) -> bool {
    let bytes = line.as_bytes();
    let Ok(separator) = u8::try_from(table.separator) else {
        return false;
    };
    let mut at = 0;
    loop {
        if cells.len() == table.columns.len() {
            return false;
        }
        if !table.w3c && bytes.get(at) == Some(&b'"') {
            let Some((cell, end)) = quoted(line, at) else {
                return false;
            };
            cells.push(cell);
            at = end;
        } else {
            let end =
                memchr::memchr(separator, &bytes[at..]).map_or(bytes.len(), |offset| at + offset);
            cells.push(Cow::Borrowed(line.get(at..end).unwrap_or_default()));
            at = end;
        }
        match bytes.get(at) {
            None => return cells.len() == table.columns.len(),
            Some(byte) if *byte == separator => at += 1,
            Some(_) => return false,
        }
    }
}

/// A quoted cell, in which a quote is written twice (RFC 4180).
fn quoted(line: &str, at: usize) -> Option<(Cow<'_, str>, usize)> {
    let bytes = line.as_bytes();
    let mut from = at + 1;
    let mut doubled = false;
    loop {
        let close = from + memchr::memchr(b'"', bytes.get(from..)?)?;
        if bytes.get(close + 1) == Some(&b'"') {
            doubled = true;
            from = close + 2;
            continue;
        }
        let cell = line.get(at + 1..close)?;
        let cell = if doubled {
            Cow::Owned(cell.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(cell)
        };
        return Some((cell, close + 1));
    }
}
