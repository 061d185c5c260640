//! `crosswatch replay`: the work is in `monitor::replay`; here it is started and printed.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use monitor::replay::{ReplayArgs, interrupt_flag};
use monitor::signals::StopSignals;

use crate::terminal;

#[derive(Args, Debug)]
pub(crate) struct Command {
    #[command(flatten)]
    replay: ReplayArgs,

    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let interrupt = interrupt_flag();
    let asked = Arc::clone(&interrupt);
    let runtime = terminal::runtime()?;
    let mut signals = runtime.block_on(async { StopSignals::listen() })?;
    let waiting = runtime.spawn(async move {
        signals.asked_to_stop().await;
        asked.store(true, Ordering::Relaxed);
    });
    let progress = std::io::stderr().is_terminal();
    let outcome = monitor::replay::run(&command.replay, &interrupt, progress);
    waiting.abort();
    let report = outcome?;
    let mut out = anstream::stdout();
    if command.json {
        report.write_json(&mut out)
    } else {
        report.write_text(&mut out)
    }
}
