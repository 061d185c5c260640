//! `crosswatch templates`: each line's template.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

/// Print the template of each line of a log file: the message with `<*>` for what varies.
///
/// One line out for each line in, in the same order. The header of a recognised format (time, level,
/// logger, …) is left out. With --counts, each template once, the most frequent first.
#[derive(Args, Debug)]
pub(crate) struct Command {
    /// The log file; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The lines are messages only: look for no format and no header.
    #[arg(long)]
    raw: bool,

    /// Print each template once, with how many lines have it.
    #[arg(long)]
    counts: bool,

    /// Print JSON: an array of templates, or of objects with `template` and `count`.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    if command.file.as_os_str() == "-" {
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
    } else {
        File::open(&command.file)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .with_context(|| format!("cannot read `{}`", command.file.display()))?;
    }
    let text = String::from_utf8_lossy(&bytes);
    let templates = monitor::templates::of_lines(text.lines(), !command.raw);
    let mut out = BufWriter::new(std::io::stdout().lock());
    if command.counts {
        let counts = monitor::templates::count(&templates);
        if command.json {
            let rows: Vec<_> = counts
                .iter()
                .map(|(template, count)| serde_json::json!({"template": template, "count": count}))
                .collect();
            serde_json::to_writer_pretty(&mut out, &rows)?;
            writeln!(out)?;
        } else {
            for (template, count) in counts {
                writeln!(out, "{count:8}  {template}")?;
            }
        }
    } else if command.json {
        serde_json::to_writer_pretty(&mut out, &templates)?;
        writeln!(out)?;
    } else {
        for template in &templates {
            writeln!(out, "{template}")?;
        }
    }
    Ok(out.flush()?)
}
