//! How commands speak to a person: errors, colours (only on a terminal), Ctrl-C.

use std::io::IsTerminal;
use std::process::ExitCode;

use monitor::config::ConfigError;
use monitor::replay::Interrupted;
use owo_colors::OwoColorize;

/// Settings that cannot be (`EX_USAGE` of BSD's sysexits).
const USAGE: u8 = 64;
/// Ended by Ctrl-C, as a shell counts it: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

/// Says what happened, with every cause, and how the process ends.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    // The reader of a pipe has gone away (`| head`): nothing to say, and no one to say it to.
    if error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }) {
        return ExitCode::SUCCESS;
    }
    let mut sentence = error.to_string();
    let mut last = sentence.clone();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !last.contains(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
        last = text;
    }
    anstream::eprintln!("{} {sentence}", "error:".red().bold());
    if error.downcast_ref::<ConfigError>().is_some() {
        ExitCode::from(USAGE)
    } else if error.downcast_ref::<Interrupted>().is_some() {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::FAILURE
    }
}

/// How a process ends that says by itself how.
pub(crate) fn ended(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| failed(&error))
}

/// A runtime for processes of which there are many on a machine.
pub(crate) fn small_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_stack_size(512 * 1024)
        .build()?)
}

/// A runtime for commands that talk over the network.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

/// Columns of the terminal that standard output is; none when it is not one.
pub(crate) fn width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Something that moves while there is nothing to print; nothing where there is no terminal.
pub(crate) fn spinner() -> indicatif::ProgressBar {
    if !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}
