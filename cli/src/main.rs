//! The one binary. Each command is a module; this only reads the command line.

mod commands;
mod stage;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Small allocations on many threads are most of what the pipeline asks for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Watches the APIs of a platform across environments: learns what is normal from the logs and
/// traces that already flow, says what is not, and why.
///
/// Start with `crosswatch demo`. Then point your OpenTelemetry exporter at `crosswatch monitor`, or
/// let it follow your log files; or replay recorded ones with `crosswatch replay`.
#[derive(Debug, Parser)]
#[command(
    name = "crosswatch",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(commands::demo::DemoArgs),
    Sim(Box<commands::sim::Command>),
    Chaos(commands::chaos::Command),
    Cluster(commands::cluster::Command),
    Monitor(Box<monitor::config::MonitorArgs>),
    Agent(Box<agent::args::AgentArgs>),
    Operator(Box<commands::operator::Command>),
    Replay(commands::replay::Command),
    Search(commands::search::Command),
    Explain(commands::explain::Command),
    Feedback(commands::feedback::Command),
    Journeys(commands::journeys::Command),
    Forecast(commands::forecast::Command),
    WhatIf(commands::what_if::Command),
    Model(commands::model::Command),
    Templates(commands::templates::Command),
    Crds(commands::crds::Command),
    Eval(commands::eval::Command),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => commands::demo::run(&args),
        // The one command whose process may have to end as others make theirs end.
        Command::Sim(command) => return terminal::ended(commands::sim::run(&command)),
        Command::Chaos(command) => commands::chaos::run(command),
        Command::Cluster(command) => commands::cluster::run(&command),
        Command::Monitor(args) => commands::monitor::run(&args),
        Command::Agent(args) => commands::agent::run(*args),
        Command::Operator(command) => commands::operator::run(&command),
        Command::Replay(command) => commands::replay::run(&command),
        Command::Search(command) => commands::search::run(&command),
        Command::Explain(command) => commands::explain::run(&command),
        Command::Feedback(command) => commands::feedback::run(&command),
        Command::Journeys(command) => commands::journeys::run(&command),
        Command::Forecast(command) => commands::forecast::run(&command),
        Command::WhatIf(command) => commands::what_if::run(&command),
        Command::Model(command) => commands::model::run(&command),
        Command::Templates(command) => commands::templates::run(&command),
        Command::Crds(command) => commands::crds::run(&command),
        Command::Eval(command) => commands::eval::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => terminal::failed(&error),
    }
}
