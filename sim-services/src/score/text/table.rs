//! Columns that fit a terminal: names that are long are cut, then columns go by importance.

use std::fmt::{self, Write};

use owo_colors::Style as Paint;

use super::{Style, painted};

/// Between two columns.
const GAP: usize = 2;
/// A name longer than this is cut before a column is left out.
const LONG: usize = 24;
/// A name shorter than this says nothing any more.
const SHORTEST: usize = 8;

#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    right: bool,
    /// Cut rather than left out.
    name: bool,
    /// The higher, the sooner it is left out; 0 is always there.
    goes: u8,
}

impl Column {
    pub(super) const fn text(title: &'static str) -> Column {
        Column {
            title,
            right: false,
            name: false,
            goes: 0,
        }
    }

    pub(super) const fn number(title: &'static str) -> Column {
        Column {
            right: true,
            ..Column::text(title)
        }
    }

    pub(super) const fn name(title: &'static str) -> Column {
        Column {
            name: true,
            ..Column::text(title)
        }
    }

    pub(super) const fn first_to_go(self, goes: u8) -> Column {
        Column { goes, ..self }
    }
}

#[derive(Debug)]
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, paint: Paint) -> Cell {
        Cell {
            text: text.into(),
            paint,
        }
    }
}

#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(columns: Vec<Column>) -> Table {
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    /// As many cells as columns.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    pub(super) fn write(&self, style: Style, out: &mut String) -> fmt::Result {
        let widths = self.widths(style.width);
        let mut line = |cells: &mut dyn Iterator<Item = (&str, Paint)>| -> fmt::Result {
            let mut text = String::new();
            for ((column, &width), (cell, paint)) in self.columns.iter().zip(&widths).zip(cells) {
                if width == 0 {
                    continue;
                }
                let cell = cut(cell, width);
                let space = " ".repeat(width - cell.chars().count());
                let cell = painted(&cell, paint, style);
                let (before, after) = if column.right {
                    (space.as_str(), "")
                } else {
                    ("", space.as_str())
                };
                write!(text, "{before}{cell}{after}{:GAP$}", "")?;
            }
            writeln!(out, "{}", text.trim_end())
        };
        let bold = Paint::new().bold();
        line(&mut self.columns.iter().map(|column| (column.title, bold)))?;
        for row in &self.rows {
            line(&mut row.iter().map(|cell| (cell.text.as_str(), cell.paint)))?;
        }
        Ok(())
    }

    /// 0 is a column that is left out.
    fn widths(&self, available: usize) -> Vec<usize> {
        let longest = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().map(|row| row[index].text.chars().count());
            cells.max().unwrap_or(0).max(column.title.chars().count())
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(longest).collect();
        let needed = |widths: &[usize]| {
            let shown = widths.iter().filter(|&&width| width > 0);
            shown
                .map(|width| width + GAP)
                .sum::<usize>()
                .saturating_sub(GAP)
        };
        while needed(&widths) > available {
            let over = needed(&widths) - available;
            let longest = (0..widths.len())
                .filter(|&index| self.columns[index].name)
                .max_by_key(|&index| widths[index]);
            let least = (0..widths.len())
                .filter(|&index| widths[index] > 0 && self.columns[index].goes > 0)
                .max_by_key(|&index| self.columns[index].goes);
            match (longest, least) {
                // As long as more than half of the longest name is left.
                (Some(index), _) if widths[index] > LONG && over * 2 < widths[index] => {
                    widths[index] -= over.min(widths[index] - LONG);
                }
                (_, Some(index)) => widths[index] = 0,
                (Some(index), None) if widths[index] > SHORTEST => widths[index] -= 1,
                _ => break,
            }
        }
        widths
    }
}

/// At most so many characters, the last an ellipsis when something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}
