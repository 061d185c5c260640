//! A source's wish, understood: what of it can be in force, and what is refused and why.
//!
//! Called when a wish is put, and when a restart reads back those that were kept. Pure. Every part is
//! judged by itself: a mistake costs the part it is in, and a word that would do nothing is said to.

mod alerting;
mod journeys;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use monitor_api::{Configuration, JourneySettings, Maintenance, Refusal, Route, WorkloadSettings};
use monitor_core::{AlertRoute, JourneyWish, Name, ServiceKey, Settings, Watching, Window};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Parts of each kind in one wish. A platform of five thousand services in four environments fits.
const MOST_WORKLOADS: usize = 20_000;
const MOST_WINDOWS: usize = 1_000;
const MOST_ROUTES: usize = 200;
const MOST_JOURNEYS: usize = 1_000;
/// Receivers of all routes of a wish; each has a queue and a task.
const MOST_RECEIVERS: usize = 64;

/// What a source wants, and what of it is in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Understood {
    /// As it was put, but for parts that are no such thing at all.
    pub wish: Configuration,
    pub workloads: Vec<(ServiceKey, Option<Name>, Watching)>,
    pub maintenance: Vec<Window>,
    pub routes: Vec<AlertRoute>,
    pub journeys: Vec<JourneyWish>,
    pub refused: Vec<Refusal>,
}

impl Understood {
    /// How many parts are in force.
    pub fn accepted(&self) -> usize {
        self.workloads.len() + self.maintenance.len() + self.routes.len() + self.journeys.len()
    }

    /// Reads the body of `PUT /configuration/{source}`; `Err` says why it is none at all.
    pub fn read(body: &[u8]) -> Result<Understood, String> {
        let value: Value =
            serde_json::from_slice(body).map_err(|error| format!("it is no JSON: {error}"))?;
        let Value::Object(mut fields) = value else {
            return Err("it is no JSON object".to_owned());
        };
        let mut revision = String::new();
        match fields.remove("revision") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.len() <= 256 => revision = text,
            Some(_) => return Err("`revision` is no text of at most 256 bytes".to_owned()),
        }
        let mut list = |name: &str| match fields.remove(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(format!("`{name}` is no list")),
        };
        let (workloads, maintenance, routing) =
            (list("workloads")?, list("maintenance")?, list("routing")?);
        let journeys = list("journeys")?;
        if let Some(unknown) = fields.keys().next() {
            return Err(format!(
                "`{unknown}` is none of `revision`, `workloads`, `maintenance`, `routing`, `journeys`"
            ));
        }
        let mut understood = Understood::default();
        understood.wish.revision = revision;
        for part in understood.parts("workloads", workloads, MOST_WORKLOADS) {
            understood.workload(part);
        }
        for part in understood.parts("maintenance", maintenance, MOST_WINDOWS) {
            understood.window(part);
        }
        for part in understood.parts("routing", routing, MOST_ROUTES) {
            understood.route(part);
        }
        for part in understood.parts("journeys", journeys, MOST_JOURNEYS) {
            understood.journey(part);
        }
        Ok(understood)
    }

    /// Those that are what the part is made of; the others are refused.
    fn parts<T: DeserializeOwned + Serialize>(
        &mut self,
        part: &'static str,
        mut items: Vec<Value>,
        most: usize,
    ) -> Vec<Part<T>> {
        if items.len() > most {
            self.refuse(
                part,
                "",
                true,
                format!(
                    "there are {} of them; those after the first {most} are not in force",
                    items.len()
                ),
            );
            items.truncate(most);
        }
        let mut parts = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            match T::deserialize(&item) {
                Ok(decoded) => {
                    let unknown = serde_json::to_value(&decoded)
                        .map(|known| unknown(&item, &known))
                        .unwrap_or_default();
                    parts.push(Part {
                        item: decoded,
                        unknown,
                    });
                }
                Err(error) => {
                    let name = match item.get("name").or_else(|| item.get("service")) {
                        Some(Value::String(name)) => shorten(name),
                        _ => format!("number {}", at + 1),
                    };
                    self.refuse(part, &name, true, format!("it is not understood: {error}"));
                }
            }
        }
        parts
    }

    fn workload(&mut self, part: Part<WorkloadSettings>) {
        let name = shorten(&format!("{}/{}", part.item.namespace, part.item.service));
        let mut notes = part.notes();
        let understood = workload::understand(&part.item, &mut notes);
        self.wish.workloads.push(part.item);
        let Some((service, environment, watching)) =
            self.take("workloads", &name, notes, understood)
        else {
            return;
        };
        self.workloads.push((service, environment, watching));
    }

    fn window(&mut self, part: Part<Maintenance>) {
        let name = shorten(&part.item.name);
        let mut notes = part.notes();
        let taken = self.maintenance.iter().any(|known| *known.name == *name);
        let understood = match taken {
            true => Err("another window of this source has the same name".to_owned()),
            false => alerting::window(&part.item, &mut notes),
        };
        self.wish.maintenance.push(part.item);
        let window = self.take("maintenance", &name, notes, understood);
        self.maintenance.extend(window);
    }

    fn route(&mut self, part: Part<Route>) {
        let name = shorten(&part.item.name);
        let mut notes = part.notes();
        let taken = self.routes.iter().any(|known| *known.name == *name);
        let receivers: usize = self.routes.iter().map(|route| route.receivers.len()).sum();
        let understood = if taken {
            Err("another route of this source has the same name".to_owned())
        } else if receivers + part.item.receivers.len() > MOST_RECEIVERS {
            Err(format!(
                "with it there were more than {MOST_RECEIVERS} receivers"
            ))
        } else {
            alerting::route(&part.item, &mut notes)
        };
        self.wish.routing.push(part.item);
        let route = self.take("routing", &name, notes, understood);
        self.routes.extend(route);
    }

    fn journey(&mut self, part: Part<JourneySettings>) {
        let name = shorten(&part.item.id);
        let notes = part.notes();
        let understood = journeys::understand(&part.item);
        self.wish.journeys.push(part.item);
        let wish = self.take("journeys", &name, notes, understood);
        self.journeys.extend(wish);
    }

    fn take<T>(
        &mut self,
        part: &str,
        name: &str,
        notes: Notes,
        understood: Result<T, String>,
    ) -> Option<T> {
        match understood {
            Ok(understood) => {
                for note in notes.0 {
                    self.refuse(part, name, false, note);
                }
                Some(understood)
            }
            Err(reason) => {
                self.refuse(part, name, true, reason);
                None
            }
        }
    }

    fn refuse(&mut self, part: &str, name: &str, whole: bool, reason: String) {
        self.refused.push(Refusal {
            part: part.to_owned(),
            name: name.to_owned(),
            reason,
            whole,
        });
    }
}

/// All sources' wishes as one. As with configuration folders: sources are read in the order of their
/// names, and in what two of them say of the same workload, the later one wins; a list is replaced
/// whole. What is said of one environment wins over what is said of all. A workload is paused when
/// any source pauses it. Windows and routes of all sources hold beside each other.
pub fn merge<'a>(sources: impl IntoIterator<Item = &'a Understood>) -> Settings {
    let (mut workloads, mut maintenance, mut routes) = (Vec::new(), Vec::new(), Vec::new());
    let mut journeys = Vec::new();
    for source in sources {
        workloads.extend(source.workloads.iter().cloned());
        maintenance.extend(source.maintenance.iter().cloned());
        routes.extend(source.routes.iter().cloned());
        journeys.extend(source.journeys.iter().cloned());
    }
    Settings::new(workloads, maintenance, routes).with_journeys(journeys)
}

/// One part, and the fields in it that nobody knows.
#[derive(Debug)]
struct Part<T> {
    item: T,
    unknown: Vec<String>,
}

impl<T> Part<T> {
    fn notes(&self) -> Notes {
        let mut notes = Notes::default();
        for field in &self.unknown {
            notes.add(format!("there is no field `{field}`; it does nothing"));
        }
        notes
    }
}

/// What of a part is not in force, and why.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<String>);

impl Notes {
    /// A part with more mistakes than this is not corrected one by one.
    const MOST: usize = 20;

    pub(crate) fn add(&mut self, note: String) {
        if self.0.len() < Notes::MOST {
            self.0.push(note);
        }
    }
}

/// The fields of `given` that are not in `known`, as paths.
fn unknown(given: &Value, known: &Value) -> Vec<String> {
    fn walk(given: &Value, known: &Value, path: &str, found: &mut BTreeSet<String>) {
        match (given, known) {
            (Value::Object(given), Value::Object(known)) => {
                for (name, value) in given {
                    let path = match path {
                        "" => shorten(name),
                        path => format!("{path}.{}", shorten(name)),
                    };
                    match known.get(name) {
                        Some(known) => walk(value, known, &path, found),
                        None => {
                            found.insert(path);
                        }
                    }
                }
            }
            (Value::Array(given), Value::Array(known)) => {
                for (given, known) in given.iter().zip(known) {
                    walk(given, known, path, found);
                }
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(given, known, "", &mut found);
    found.into_iter().collect()
}

/// Enough of a text to recognise it by; answers do not echo what is long.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The wish with nothing in it that is secret.
pub(crate) fn without_secrets(wish: &Configuration) -> Configuration {
    let mut shown = wish.clone();
    for receiver in shown
        .routing
        .iter_mut()
        .flat_map(|route| &mut route.receivers)
    {
        "***".clone_into(&mut receiver.url);
        receiver.token = receiver.token.as_ref().map(|_| "***".to_owned());
    }
    shown
}

/// Revisions in force, by source.
pub fn revisions(
    sources: &BTreeMap<String, std::sync::Arc<Understood>>,
) -> BTreeMap<String, String> {
    let revision = |(source, kept): (&String, &std::sync::Arc<Understood>)| {
        (source.clone(), kept.wish.revision.clone())
    };
    sources.iter().map(revision).collect()
}
