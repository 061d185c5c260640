//! `crosswatch what-if`: what happens to journeys if something is taken away.

use clap::Args;
use monitor_api::{WhatIf, WhatIfQuery};
use owo_colors::OwoColorize;

use super::search::Place;

/// Callers that are named.
const CALLERS: usize = 10;

/// What happens to journeys if an Api, a service or an environment is taken away.
///
/// Of each type of journeys: how many wait for it, and how many of those are lost without it. The
/// latter is learned from journeys whose call to it failed: those that went well all the same speak
/// against it. What others do under the load that they get instead is not in it.
///
/// Examples:
///   crosswatch what-if service:shop/payments
///   crosswatch what-if service:shop/payments@cloud-a
///   crosswatch what-if environment:on-prem --json
///   crosswatch what-if 'api:cloud-a/shop/orders POST /orders'
///   crosswatch what-if other:postgresql
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Command {
    /// What is taken away.
    #[arg(value_name = "KIND:NAME")]
    remove: String,

    #[command(flatten)]
    place: Place,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    command.place.ask(async |client| {
        let remove = command.remove.clone();
        let found = client.what_if(&WhatIfQuery { remove }).await?;
        if command.json {
            anstream::println!("{}", serde_json::to_string_pretty(&found)?);
        } else {
            anstream::print!("{}", text(&found));
        }
        Ok(())
    })
}

fn text(found: &WhatIf) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut text = format!(
        "{}: {} of {:.1} journeys a second would fail; {} usually do\n",
        found.removed.bold(),
        percent(found.fails).bold(),
        found.journeys_per_second,
        percent(found.usually),
    );
    if !found.types.is_empty() {
        let width = found.types.iter().map(|loss| loss.name.chars().count());
        let width = width.max().unwrap_or_default().max("journey".len());
        text.push_str(&format!(
            "\n{:<width$}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}\n",
            "journey", "rate", "fails", "usually", "needs it", "lost"
        ));
        for loss in &found.types {
            let learned = match loss.seen {
                0 => "  never seen without".to_owned(),
                n => format!("  of {n} seen without"),
            };
            text.push_str(&format!(
                "{:<width$}  {:>6.2}/s  {:>8}  {:>8}  {:>8}  {:>8}{}\n",
                loss.name,
                loss.journeys_per_second,
                percent(loss.fails),
                percent(loss.usually),
                percent(loss.needs),
                percent(loss.lost),
                learned.dimmed(),
            ));
        }
    }
    if !found.callers.is_empty() {
        text.push_str("\ncalled by\n");
    }
    for caller in found.callers.iter().take(CALLERS) {
        text.push_str(&format!(
            "  {} {:.1}/s, {} of its calls\n",
            caller.name,
            caller.calls_per_second,
            percent(caller.share)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use monitor_api::{AffectedCaller, JourneyLoss};

    use super::*;

    #[test]
    fn what_is_lost_is_said_in_a_table() {
        let loss = |name: &str, fails, lost, seen| JourneyLoss {
            r#type: "9c1f".to_owned(),
            name: name.to_owned(),
            environment: "cloud-a".to_owned(),
            service: "shop/edge".to_owned(),
            operation: name.to_owned(),
            journeys_per_second: 12.5,
            needs: 0.98,
            lost,
            seen,
            usually: 0.002,
            fails,
        };
        let found = WhatIf {
            at: None,
            removed: "service:shop/payments".to_owned(),
            journeys_per_second: 40.0,
            usually: 0.001,
            fails: 0.31,
            types: vec![
                loss("POST /orders", 0.98, 1.0, 0),
                loss("GET /orders/{id}", 0.05, 0.05, 212),
            ],
            callers: vec![AffectedCaller {
                name: "shop/orders @ cloud-a".to_owned(),
                calls_per_second: 12.2,
                share: 0.4,
            }],
        };
        let plain = anstream::adapter::strip_str(&text(&found)).to_string();
        expect![[r#"
            service:shop/payments: 31.0 % of 40.0 journeys a second would fail; 0.1 % usually do

            journey               rate     fails   usually  needs it      lost
            POST /orders       12.50/s    98.0 %     0.2 %    98.0 %   100.0 %  never seen without
            GET /orders/{id}   12.50/s     5.0 %     0.2 %    98.0 %     5.0 %  of 212 seen without

            called by
              shop/orders @ cloud-a 12.2/s, 40.0 % of its calls
        "#]]
        .assert_eq(&plain);
    }
}
