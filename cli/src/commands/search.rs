//! `crosswatch search`: of a running monitor, or of a folder that a replay left.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use monitor_api::client::Client;
use monitor_api::{FacetsQuery, Order, Record, SearchQuery};
use owo_colors::OwoColorize;

use crate::terminal;

/// Search the stored records, newest first.
///
/// The query language is the one you know: words and "phrases", field:value, ranges and
/// comparisons, AND, OR, NOT and parentheses; words side by side must all match. Examples:
///
///   crosswatch search 'service:orders AND severity:ERROR "timed out"'
///   crosswatch search 'status:>=500 duration:>250ms' --from -15m
///   crosswatch search 'trace_id:4bf92f3577b34da6a3ce929d0e0e4736' --order oldest
///   crosswatch search 'severity:ERROR' --facet service
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Command {
    /// What to look for; nothing matches everything.
    #[arg(default_value = "")]
    query: String,

    #[command(flatten)]
    place: Place,

    /// Not before: RFC 3339, or relative to now such as -15m.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,

    /// Before this time.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,

    /// At most so many records.
    #[arg(long, short = 'n', default_value_t = 20, value_name = "NUMBER")]
    limit: u64,

    /// Pass over so many first.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    offset: u64,

    /// Which come first.
    #[arg(long, value_enum, default_value = "newest")]
    order: OrderArg,

    /// Instead of records, count the most frequent values of this field.
    #[arg(long, value_name = "FIELD")]
    facet: Option<String>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Where to ask.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The monitor's address.
    #[arg(
        long,
        env = "CROSSWATCH_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    url: String,

    /// The monitor's token, if it asks for one.
    #[arg(
        long,
        env = "CROSSWATCH_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,

    /// Instead of a monitor, a folder that `crosswatch replay` left.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl Place {
    /// Runs `ask` against the monitor, or against one opened on the folder for this moment.
    pub(crate) fn ask<T>(
        &self,
        ask: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        terminal::runtime()?.block_on(async {
            match &self.data {
                None => ask(&Client::new(&self.url, self.token.as_deref())?).await,
                Some(folder) => {
                    let archive = monitor::archive::open(folder).await.with_context(|| {
                        format!("cannot read what a replay left in `{}`", folder.display())
                    })?;
                    if let Err(reason) = archive.learned() {
                        anstream::eprintln!(
                            "{} what the replay learned is not told, since it cannot be read ({reason}); replay again",
                            "warning:".yellow().bold()
                        );
                    }
                    let client = Client::new(&format!("http://{}", archive.address()), None)?;
                    let answer = ask(&client).await;
                    archive.close().await?;
                    answer
                }
            }
        })
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum OrderArg {
    Newest,
    Oldest,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    if let Some(field) = &command.facet {
        let query = FacetsQuery {
            field: field.clone(),
            query: command.query.clone(),
            from: command.from.clone(),
            to: command.to.clone(),
            limit: Some(command.limit),
        };
        let facets = command
            .place
            .ask(async |client| Ok(client.facets(&query).await?))?;
        if command.json {
            anstream::println!("{}", serde_json::to_string_pretty(&facets)?);
        } else {
            for value in facets.values {
                anstream::println!("{:8}  {}", value.records, value.value);
            }
        }
        return Ok(());
    }
    let query = SearchQuery {
        query: command.query.clone(),
        from: command.from.clone(),
        to: command.to.clone(),
        limit: Some(command.limit),
        offset: Some(command.offset),
        order: Some(match command.order {
            OrderArg::Newest => Order::Newest,
            OrderArg::Oldest => Order::Oldest,
        }),
    };
    let page = command
        .place
        .ask(async |client| Ok(client.search(&query).await?))?;
    if command.json {
        anstream::println!("{}", serde_json::to_string_pretty(&page)?);
        return Ok(());
    }
    for record in &page.records {
        print(record);
    }
    let shown = page.records.len();
    anstream::eprintln!(
        "{}",
        format!(
            "{shown} of {} records, {:.0} ms",
            page.total,
            page.took_seconds * 1e3
        )
        .dimmed()
    );
    Ok(())
}

fn print(record: &Record) {
    let severity = record.severity.as_deref().unwrap_or("-");
    let severity = match severity {
        "ERROR" | "FATAL" => severity.red().to_string(),
        "WARN" => severity.yellow().to_string(),
        _ => severity.to_owned(),
    };
    anstream::println!(
        "{} {} {}@{} {}",
        record.time.dimmed(),
        severity,
        record.service.bold(),
        record.environment,
        record.text.trim_end()
    );
}
