//! `crosswatch model`: what a monitor has learned, and which of two models judges.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use monitor_api::client::Client;
use monitor_api::{
    Candidate, LearnedQuery, Model, ModelState, NewBacktest, NewTrial, Promotion, Recipe,
};

use super::search::Place;

mod show;

/// Look after the models of a monitor: what they have learned, and how well they do.
///
/// A model is all that was learned of all Apis and services under one recipe. One is active: its
/// verdicts are told. Another can be on trial beside it: it judges the same samples, and its verdicts
/// are recorded and told to nobody. `promote` exchanges the two, `rollback` takes that back.
#[derive(Args, Debug)]
pub(crate) struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The active model, the one on trial, and those that are no more.
    List(Asked),
    /// A model (m3) and how it does beside the other; or what was learned of an Api (by its id) or of
    /// a service (by its name).
    Show {
        /// The model on trial, or the active one, when absent.
        id: Option<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Put a model with another recipe on trial beside the active one. It costs as much time and
    /// memory as the active one, begins with what that one has learned, and is told to nobody. What
    /// people say of anomalies (`crosswatch feedback`) decides which of the two is better: fewer
    /// false alarms, and none of the real troubles missed.
    Try {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Learn from nothing, instead of beginning with what the active model has learned.
        #[arg(long)]
        afresh: bool,
        /// Promote it as soon as it is measurably better.
        #[arg(long)]
        automatic: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Make the model on trial the active one.
    Promote {
        /// The model on trial when absent.
        id: Option<String>,
        /// Only if it is measurably better.
        #[arg(long)]
        if_better: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Make the model active again that was before the last promotion.
    Rollback(Asked),
    /// End the trial of a model.
    End {
        id: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// How recipes would have done on stored records, beside the active one's. The stretch is cut
    /// into blocks, and each but the first is judged by what was learned from all before it (blocked
    /// cross-validation, walking forward). Alarms are counted by what people said of anomalies.
    Backtest {
        /// From when on: RFC 3339, or relative to now such as -1d.
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: String,
        /// Until when; now when absent.
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        to: Option<String>,
        /// Blocks that are judged.
        #[arg(long, default_value_t = 5, value_name = "NUMBER")]
        folds: u32,
        #[command(flatten)]
        recipe: RecipeArgs,
        /// More recipes: a JSON list of {"name": …, "recipe": {…}}.
        #[arg(long, value_name = "FILE")]
        candidates: Option<PathBuf>,
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Args, Debug)]
struct Asked {
    #[command(flatten)]
    place: Place,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct RecipeArgs {
    /// The sensitivity: how many false alarms each Api may raise in a week.
    #[arg(long, value_name = "NUMBER")]
    false_alarms_per_week: Option<f64>,

    /// A measure of which nothing is told: latency, rate, error_ratio, …; may be given again.
    #[arg(long, value_name = "MEASURE")]
    without: Vec<String>,
}

impl RecipeArgs {
    fn recipe(&self) -> Recipe {
        Recipe {
            false_alarms_per_api_week: self.false_alarms_per_week,
            without: (!self.without.is_empty()).then(|| self.without.clone()),
        }
    }

    /// How a person would call it.
    fn name(&self) -> Option<String> {
        let mut parts = Vec::new();
        parts.extend(
            self.false_alarms_per_week
                .map(|rate| format!("{rate}/week")),
        );
        parts.extend(self.without.iter().map(|measure| format!("no {measure}")));
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match &command.what {
        What::List(asked) => asked.place.ask(async |client| {
            let models = client.models().await?.items;
            asked.show(&models, |models| models.iter().for_each(show::line))
        }),
        What::Show { id, asked } => asked
            .place
            .ask(async |client| show_one(client, id.as_deref(), asked).await),
        What::Try {
            recipe,
            afresh,
            automatic,
            asked,
        } => asked.place.ask(async |client| {
            let wanted = NewTrial {
                recipe: recipe.recipe(),
                afresh: *afresh,
                automatic: *automatic,
            };
            let model = client.begin_trial(&wanted).await?;
            asked.show(&model, show::line)
        }),
        What::Promote {
            id,
            if_better,
            asked,
        } => asked.place.ask(async |client| {
            let id = match id {
                Some(id) => id.clone(),
                None => on_trial(client).await?.context("no model is on trial")?.id,
            };
            let wanted = Promotion {
                if_better: *if_better,
            };
            let model = client.promote(&id, &wanted).await?;
            asked.show(&model, show::line)
        }),
        What::Rollback(asked) => asked.place.ask(async |client| {
            let model = client.roll_back().await?;
            asked.show(&model, show::line)
        }),
        What::End { id, asked } => asked.place.ask(async |client| {
            client.end_trial(id).await?;
            let models = client.models().await?.items;
            asked.show(&models, |models| models.iter().for_each(show::line))
        }),
        What::Backtest {
            from,
            to,
            folds,
            recipe,
            candidates,
            asked,
        } => {
            let mut wanted = NewBacktest {
                from: from.clone(),
                to: to.clone(),
                folds: Some(*folds),
                candidates: match candidates {
                    Some(path) => {
                        let text = std::fs::read_to_string(path)
                            .with_context(|| format!("cannot read `{}`", path.display()))?;
                        serde_json::from_str(&text)
                            .with_context(|| format!("`{}`", path.display()))?
                    }
                    None => Vec::new(),
                },
            };
            wanted
                .candidates
                .extend(recipe.name().map(|name| Candidate {
                    name,
                    recipe: recipe.recipe(),
                }));
            asked.place.ask(async |client| {
                let result = client.backtest(&wanted).await?;
                asked.show(&result, show::backtest)
            })
        }
    }
}

impl Asked {
    fn show<T: serde::Serialize>(&self, found: &T, show: impl Fn(&T)) -> anyhow::Result<()> {
        if self.json {
            anstream::println!("{}", serde_json::to_string_pretty(found)?);
        } else {
            show(found);
        }
        Ok(())
    }
}

async fn on_trial(client: &Client) -> anyhow::Result<Option<Model>> {
    let models = client.models().await?.items.into_iter();
    Ok(models
        .into_iter()
        .find(|model| model.state == ModelState::Shadow))
}

async fn show_one(client: &Client, id: Option<&str>, asked: &Asked) -> anyhow::Result<()> {
    let id = match id {
        Some(id) => id.to_owned(),
        None => match on_trial(client).await? {
            Some(model) => model.id,
            None => {
                let active = client.models().await?.items.into_iter().next();
                active.context("the monitor has no model")?.id
            }
        },
    };
    let is_model = id
        .strip_prefix('m')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    if is_model {
        let model = client.model(&id).await?;
        return asked.show(&model, show::detail);
    }
    let is_api = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let query = LearnedQuery {
        api: is_api.then(|| id.clone()),
        service: (!is_api).then(|| id.clone()),
        ..LearnedQuery::default()
    };
    let learned = client.learned(&query).await?.items;
    if learned.is_empty() {
        bail!("`{id}` is no model (such as m3), no Api's id and no service that is watched");
    }
    asked.show(&learned, |learned| learned.iter().for_each(show::learned))
}
