//! What the watcher said, put together: each alarm with its end, each incident with its updates.
//!
//! An id that is said again while it is open is the same alarm; after its end it is a new one.
//! Learning and the time after the end are left out, and counted.

use std::collections::BTreeMap;

use super::Ignored;
use crate::clock::Moment;
use crate::truth::{Said, Statement, Suspect, Timeline};

#[derive(Debug)]
pub(super) struct Heard<'a> {
    pub(super) anomalies: Vec<Alarm<'a>>,
    pub(super) pages: Vec<Alarm<'a>>,
    pub(super) incidents: Vec<Incident<'a>>,
    pub(super) risks: Vec<Risk<'a>>,
    pub(super) ignored: Ignored,
}

/// An anomaly or a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alarm<'a> {
    pub(super) id: &'a str,
    pub(super) service: &'a str,
    pub(super) environment: &'a str,
    pub(super) text: &'a str,
    pub(super) opened: Moment,
    /// None when it was still open at the end.
    pub(super) over: Option<Moment>,
}

#[derive(Debug)]
pub(super) struct Incident<'a> {
    pub(super) id: &'a str,
    pub(super) opened: Moment,
    pub(super) over: Option<Moment>,
    /// In order; those from learning are left out, so an older incident's first is an update.
    pub(super) updates: Vec<Update<'a>>,
}

#[derive(Debug)]
pub(super) struct Update<'a> {
    pub(super) at: Moment,
    pub(super) services: Vec<&'a str>,
    pub(super) suspects: &'a [Suspect],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Risk<'a> {
    pub(super) id: &'a str,
    pub(super) service: &'a str,
    pub(super) at: Moment,
    pub(super) expected: Moment,
    pub(super) probability: f64,
}

impl<'a> Heard<'a> {
    pub(super) fn new(timeline: &Timeline, said: &'a [Said]) -> Heard<'a> {
        let mut in_order: Vec<&Said> = said.iter().collect();
        in_order.sort_by_key(|said| said.at);
        let mut heard = Heard {
            anomalies: Vec::new(),
            pages: Vec::new(),
            incidents: Vec::new(),
            risks: Vec::new(),
            ignored: Ignored::default(),
        };
        let (mut anomalies, mut pages, mut incidents) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for Said { at, what } in in_order {
            let at = *at;
            if at > timeline.ended {
                heard.ignored.after_the_end += 1;
                continue;
            }
            heard.ignored.while_learning += u64::from(at < timeline.judged_from);
            match what {
                Statement::Anomaly {
                    id,
                    service,
                    environment,
                    what: text,
                } => open(
                    &mut heard.anomalies,
                    &mut anomalies,
                    [id, service, environment, text],
                    at,
                ),
                Statement::AnomalyOver { id } => {
                    close(&mut heard.anomalies, &mut anomalies, id, at);
                }
                Statement::Page {
                    id,
                    service,
                    environment,
                    summary: text,
                } => open(
                    &mut heard.pages,
                    &mut pages,
                    [id, service, environment, text],
                    at,
                ),
                Statement::PageOver { id } => close(&mut heard.pages, &mut pages, id, at),
                Statement::Incident {
                    id,
                    services,
                    suspects,
                } => {
                    let place = *incidents.entry(id.as_str()).or_insert_with(|| {
                        heard.incidents.push(Incident {
                            id,
                            opened: at,
                            over: None,
                            updates: Vec::new(),
                        });
                        heard.incidents.len() - 1
                    });
                    if at >= timeline.judged_from {
                        heard.incidents[place].updates.push(Update {
                            at,
                            services: services.iter().map(String::as_str).collect(),
                            suspects,
                        });
                    }
                }
                Statement::IncidentOver { id } => {
                    if let Some(place) = incidents.remove(id.as_str()) {
                        heard.incidents[place].over = Some(at);
                    }
                }
                Statement::Risk {
                    id,
                    service,
                    environment: _,
                    expected,
                    probability,
                } => heard.risks.push(Risk {
                    id,
                    service,
                    at,
                    expected: *expected,
                    probability: *probability,
                }),
            }
        }
        let judged = |at: Moment| at >= timeline.judged_from;
        heard.anomalies.retain(|alarm| judged(alarm.opened));
        heard.pages.retain(|alarm| judged(alarm.opened));
        heard
            .incidents
            .retain(|incident| !incident.updates.is_empty());
        heard.risks.retain(|risk| judged(risk.at));
        heard
    }
}

/// `open` has where the alarms that are open now stand in `all`.
fn open<'a>(
    all: &mut Vec<Alarm<'a>>,
    open: &mut BTreeMap<&'a str, usize>,
    [id, service, environment, text]: [&'a String; 4],
    at: Moment,
) {
    open.entry(id).or_insert_with(|| {
        all.push(Alarm {
            id,
            service,
            environment,
            text,
            opened: at,
            over: None,
        });
        all.len() - 1
    });
}

fn close<'a>(all: &mut [Alarm<'a>], open: &mut BTreeMap<&'a str, usize>, id: &str, at: Moment) {
    if let Some(place) = open.remove(id) {
        all[place].over = Some(at);
    }
}
