//! `crosswatch feedback`: tell a monitor what an anomaly or an alert was.

use anyhow::bail;
use clap::Args;
use monitor_api::client::Client;
use monitor_api::{
    AlertsQuery, AnomaliesQuery, Answer, ClientError, Feedback, FeedbackQuery, NewFeedback,
};
use owo_colors::OwoColorize;

use super::search::Place;

/// Say what an anomaly or an alert was, which changes what is told from then on.
///
/// expected: that is how it should be. The same again, at about this time of the day or with the same
/// in common (a client, a version), is no anomaly any more; what goes further is.
/// ignore: tell nothing of this signal for a while.
/// real: a real trouble. It counts when models are compared, and never becomes normal.
///
/// Without an id, what people have said so far.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Command {
    /// The anomaly's id or the alert's, or the beginning of it: `crosswatch explain` lists them.
    #[arg(requires = "answer")]
    id: Option<String>,

    /// What it was.
    #[arg(value_enum)]
    answer: Option<AnswerArg>,

    /// Why, for those who read it later.
    #[arg(long, default_value = "", value_name = "TEXT")]
    note: String,

    /// Of `ignore`: for how many hours.
    #[arg(long = "for-hours", value_name = "HOURS", default_value_t = 24)]
    hours: u64,

    #[command(flatten)]
    place: Place,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum AnswerArg {
    Expected,
    Ignore,
    Real,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    command.place.ask(async |client| {
        let given = match (&command.id, command.answer) {
            (Some(id), Some(answer)) => {
                let said = NewFeedback {
                    answer: match answer {
                        AnswerArg::Expected => Answer::Expected,
                        AnswerArg::Ignore => Answer::Ignore,
                        AnswerArg::Real => Answer::Real,
                    },
                    note: command.note.clone(),
                    for_seconds: Some(command.hours.saturating_mul(3_600)),
                };
                give(client, id, &said).await?
            }
            _ => client.feedback(&FeedbackQuery::default()).await?.items,
        };
        if command.json {
            anstream::println!("{}", serde_json::to_string_pretty(&given)?);
        } else if given.is_empty() {
            anstream::println!("nobody has said anything yet");
        } else {
            given.iter().for_each(print);
        }
        Ok(())
    })
}

async fn give(client: &Client, id: &str, said: &NewFeedback) -> anyhow::Result<Vec<Feedback>> {
    let all = AnomaliesQuery {
        limit: Some(10_000),
        ..AnomaliesQuery::default()
    };
    let anomalies = client.anomalies(&all).await?.items;
    let anomalies = anomalies.into_iter().map(|anomaly| anomaly.id);
    let alerts = client.alerts(&AlertsQuery::default()).await?.items;
    let alerts = alerts.into_iter().map(|alert| alert.id);
    let of_anomalies = begins_with(anomalies, id);
    let of_alerts = begins_with(alerts, id);
    match (of_anomalies.as_slice(), of_alerts.as_slice()) {
        ([anomaly], []) => Ok(vec![client.answer_anomaly(anomaly, said).await?]),
        ([], [alert]) => Ok(client.answer_alert(alert, said).await?),
        // One that only the model on trial has found is in no list.
        ([], []) => match client.answer_anomaly(id, said).await {
            Ok(given) => Ok(vec![given]),
            Err(ClientError::Problem(problem)) if problem.status == 404 => bail!(
                "the id of no anomaly or alert begins with `{id}`: `crosswatch explain` lists them"
            ),
            Err(error) => Err(error.into()),
        },
        (anomalies, alerts) => bail!(
            "the ids of {} anomalies and {} alerts begin with `{id}`: give more of it",
            anomalies.len(),
            alerts.len()
        ),
    }
}

fn begins_with(ids: impl Iterator<Item = String>, wanted: &str) -> Vec<String> {
    ids.filter(|id| id.starts_with(wanted)).collect()
}

fn print(given: &Feedback) {
    let answer = match given.answer {
        Answer::Expected => "expected",
        Answer::Ignore => "ignore",
        Answer::Real => "real",
    };
    let mut more = Vec::new();
    more.extend(given.until.as_ref().map(|until| format!("until {until}")));
    if given.held_back > 0 {
        more.push(format!("{} held back", given.held_back));
    }
    if !given.note.is_empty() {
        more.push(given.note.clone());
    }
    anstream::println!(
        "{} {:8} {} {} {}",
        given.at.dimmed(),
        answer.bold(),
        given.anomaly,
        given.signal,
        more.join("; ").dimmed()
    );
}
