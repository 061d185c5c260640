//! `crosswatch demo`: prints what happens as it happens.

use std::sync::Arc;
use std::time::Duration;

use monitor::clock::SystemClock;
use monitor::demo::{DemoArgs, Told};
use monitor::signals::StopSignals;
use monitor_core::Time;
use owo_colors::OwoColorize;
use tokio_util::sync::CancellationToken;

use crate::terminal;

pub(crate) fn run(args: DemoArgs) -> anyhow::Result<()> {
    terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let waiting = tokio::spawn(async move {
            signals.asked_to_stop().await;
            asked.cancel();
        });
        let outcome = monitor::demo::run(args, Arc::new(SystemClock), stop, print).await;
        waiting.abort();
        outcome
    })
}

fn print(told: Told) {
    match told {
        Told::Started {
            http,
            otlp_grpc,
            otlp_http,
        } => {
            anstream::println!(
                "{}\n\n  The page        {}\n  Metrics         http://{http}/metrics\n  \
                 Send your own   OTLP over gRPC to {otlp_grpc}, over HTTP to {otlp_http}\n\n\
                 Six services in three environments are being watched; nobody told the monitor what\n\
                 they are or how they log. In half a minute something will break. Watch the page, or\n\
                 just this screen. Ctrl-C ends it and leaves nothing behind.\n",
                "Crosswatch is watching a small shop.".bold(),
                format!("http://{http}/").underline(),
            );
        }
        Told::FaultIn { at, what, .. } => {
            anstream::println!("{} {} {what}", clock(at), "fault in   ".red().bold());
        }
        Told::FaultOut { at, what } => {
            anstream::println!(
                "{} {} no longer: {what}",
                clock(at),
                "fault out  ".green().bold()
            );
        }
        Told::Detected { at, after, anomaly } => {
            let after = after.map_or(String::new(), |after| {
                format!(" ({} s after the fault)", after.as_secs())
            });
            anstream::println!(
                "{} {} {}{}\n{:23}{}",
                clock(at),
                "anomaly    ".yellow().bold(),
                anomaly.signal.bold(),
                after,
                "",
                anomaly.explanation.why,
            );
        }
        Told::Recovered {
            at,
            subject,
            lasted,
        } => {
            anstream::println!(
                "{} {} {subject} after {} s",
                clock(at),
                "recovered  ".green(),
                lasted.as_secs()
            );
        }
        Told::Ended { detected, faults } => {
            anstream::println!(
                "\n{detected} of {faults} faults were seen at the service they acted on."
            );
        }
    }
}

fn clock(at: Time) -> String {
    let seconds = Time::floor(at, Duration::from_secs(1)).to_string();
    seconds.get(11..19).unwrap_or(&seconds).to_owned()
}
