//! `crosswatch journeys`: what kinds of journeys there are, which are late, and what they are called.

use anyhow::bail;
use clap::{Args, Subcommand};
use monitor_api::client::Client;
use monitor_api::{Configuration, JourneySettings, JourneyType, LateJourney};
use owo_colors::OwoColorize;

use super::search::Place;

/// Under which what is said here is kept: `GET /configuration/journeys`.
const SOURCE: &str = "journeys";

/// Journeys: what kinds there are and how they fare, and which are late.
///
/// A journey is one request's way through Apis and environments. Its types are found by the
/// monitor; people may call them by other names and count several of them as one.
///
/// Examples:
///   crosswatch journeys
///   crosswatch journeys late
///   crosswatch journeys rename 9c1f Buying
///   crosswatch journeys merge 07ab 9c1f
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Command {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
struct Common {
    #[command(flatten)]
    place: Place,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Journeys in flight for longer than 99 % of their type, the oldest first.
    Late {
        #[command(flatten)]
        common: Common,
    },
    /// Call a type by another name.
    Rename {
        /// The type's id, or the beginning of it.
        #[arg(value_name = "TYPE")]
        kind: String,
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Count a type's journeys as another one's.
    Merge {
        /// The type's id, or the beginning of it.
        #[arg(value_name = "TYPE")]
        kind: String,
        /// That of the other one.
        #[arg(value_name = "OTHER")]
        other: String,
        #[command(flatten)]
        common: Common,
    },
    /// Take back all that was said of a type: its name, and of which other one it is a part.
    Reset {
        /// The type's whole id.
        #[arg(value_name = "TYPE")]
        kind: String,
        #[command(flatten)]
        common: Common,
    },
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match &command.what {
        None => list(&command.common),
        Some(What::Late { common }) => late(common),
        Some(What::Rename { kind, name, common }) => common.place.ask(async |client| {
            let id = one(client, kind).await?;
            let said = JourneySettings {
                name: Some(name.clone()),
                ..JourneySettings::default()
            };
            say(client, &id, Some(said), common).await
        }),
        Some(What::Merge {
            kind,
            other,
            common,
        }) => common.place.ask(async |client| {
            let said = JourneySettings {
                same_as: Some(one(client, other).await?),
                ..JourneySettings::default()
            };
            say(client, &one(client, kind).await?, Some(said), common).await
        }),
        Some(What::Reset { kind, common }) => common
            .place
            .ask(async |client| say(client, kind, None, common).await),
    }
}

fn list(common: &Common) -> anyhow::Result<()> {
    common.place.ask(async |client| {
        let types = client.journey_types().await?.items;
        if common.json {
            anstream::println!("{}", serde_json::to_string_pretty(&types)?);
        } else if types.is_empty() {
            anstream::println!("no journey has ended yet");
        } else {
            types.iter().for_each(print);
        }
        Ok(())
    })
}

fn late(common: &Common) -> anyhow::Result<()> {
    common.place.ask(async |client| {
        let journeys = client.journeys().await?;
        if common.json {
            anstream::println!("{}", serde_json::to_string_pretty(&journeys.late)?);
        } else if journeys.late.is_empty() {
            anstream::println!("none of {} journeys in flight is late", journeys.in_flight);
        } else {
            journeys.late.iter().for_each(print_late);
        }
        Ok(())
    })
}

/// The id of the one type whose id begins so.
async fn one(client: &Client, id: &str) -> anyhow::Result<String> {
    let types = client.journey_types().await?.items;
    let mut found: Vec<String> = (types.into_iter().map(|kind| kind.id))
        .filter(|known| known.starts_with(id))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => {
            bail!("the id of no type begins with `{id}`: `crosswatch journeys` lists them")
        }
        _ => bail!("the ids of several types begin with `{id}`: give more of it"),
    }
}

/// Adds to what was said before; with nothing to say, forgets it.
async fn say(
    client: &Client,
    id: &str,
    said: Option<JourneySettings>,
    common: &Common,
) -> anyhow::Result<()> {
    let before = client.configuration(SOURCE).await?.unwrap_or_default();
    let wish = with(before, id, said);
    let outcome = client.put_configuration(SOURCE, &wish).await?;
    if let Some(refusal) = outcome.refused.iter().find(|refusal| refusal.name == id) {
        bail!("{}", refusal.reason);
    }
    if common.json {
        anstream::println!("{}", serde_json::to_string_pretty(&wish.journeys)?);
    } else {
        anstream::println!("kept; in force within a second");
    }
    Ok(())
}

fn with(mut wish: Configuration, id: &str, said: Option<JourneySettings>) -> Configuration {
    let place = wish.journeys.iter().position(|known| known.id == id);
    let known = place.map(|place| wish.journeys.remove(place));
    if let Some(said) = said {
        let known = known.unwrap_or_default();
        wish.journeys.push(JourneySettings {
            id: id.to_owned(),
            name: said.name.or(known.name),
            same_as: said.same_as.or(known.same_as),
        });
    }
    wish
}

fn print(kind: &JourneyType) {
    let millis = |seconds: Option<f64>| match seconds {
        Some(seconds) => format!("{:.0} ms", seconds * 1e3),
        None => "-".to_owned(),
    };
    anstream::println!(
        "{} {}  {:.1}/s, {:.2} % well, p50 {}, p99 {}",
        kind.id.dimmed(),
        kind.name.bold(),
        kind.journeys_per_second,
        kind.success * 100.0,
        millis(kind.p50_seconds),
        millis(kind.p99_seconds),
    );
    let time = kind.time.iter().filter(|spent| spent.seconds >= 5e-5);
    let parts: Vec<String> = time
        .map(|spent| match &spent.to {
            None => format!("{:.1} ms in {}", spent.seconds * 1e3, spent.environment),
            Some(to) => format!(
                "{:.1} ms from {} to {to}",
                spent.seconds * 1e3,
                spent.environment
            ),
        })
        .collect();
    let troubles: Vec<String> = [
        ("incomplete", kind.incomplete),
        ("stuck", kind.stuck),
        ("retried", kind.retried),
        ("served twice", kind.duplicated),
        ("put together by time", kind.inferred),
    ]
    .into_iter()
    .filter(|(_, n)| *n > 0)
    .map(|(word, n)| format!("{n} {word}"))
    .collect();
    let mut users: Vec<String> = Vec::new();
    if let Some(known) = &kind.experience {
        let apdex = known.apdex.unwrap_or(known.apdex_usually);
        users.push(format!(
            "Apdex {apdex:.2} (T {}), {:.2} usually",
            millis(Some(known.satisfied_seconds)),
            known.apdex_usually
        ));
    }
    if let Some(chance) = kind.failure_chance {
        users.push(format!("{:.1} % to fail within 5 min", chance * 100.0));
    }
    for line in [parts, users, troubles] {
        if !line.is_empty() {
            anstream::println!("  {}", line.join(", ").dimmed());
        }
    }
}

fn print_late(late: &LateJourney) {
    let usual = match late.p99_seconds {
        Some(p99) => format!(" (99 % take {p99:.2} s)"),
        None => String::new(),
    };
    anstream::println!(
        "{} {} for {:.1} s{usual}, last seen at {} {}",
        late.began.dimmed(),
        late.name.as_deref().unwrap_or("of no known type").bold(),
        late.age_seconds,
        late.last,
        late.trace_id.as_deref().unwrap_or_default().dimmed(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: Option<&str>, same_as: Option<&str>) -> JourneySettings {
        JourneySettings {
            id: String::new(),
            name: name.map(str::to_owned),
            same_as: same_as.map(str::to_owned),
        }
    }

    #[test]
    fn what_was_said_before_stays_until_it_is_taken_back() {
        let named = with(
            Configuration::default(),
            "a",
            Some(said(Some("Buying"), None)),
        );
        let other = with(named, "b", Some(said(Some("Looking"), None)));
        let merged = with(other, "a", Some(said(None, Some("b"))));
        let of = |wish: &Configuration| {
            let found = wish.journeys.iter().find(|known| known.id == "a");
            found.map(|known| (known.name.clone(), known.same_as.clone()))
        };
        let both = Some((Some("Buying".to_owned()), Some("b".to_owned())));
        assert_eq!(of(&merged), both);
        let back = with(merged, "a", None);
        assert_eq!((of(&back), back.journeys.len()), (None, 1));
    }
}
