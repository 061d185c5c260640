//! From a `MaintenanceWindow` to times and workloads, and to its status.

use crds::{MaintenanceWindow, MaintenanceWindowStatus, MonitoredApi};
use jiff::{SignedDuration, Timestamp};
use monitor_api::{Maintenance, Select, WorkloadName};

use crate::conditions::{Answer, Conditions, whole_second};
use crate::key::Key;
use crate::monitor::{Monitor, ServiceKey};
use crate::policy::{binding, standing};
use crate::reach::{Reach, reach};
use crate::schedule::Recurring;
use crate::world::selects;

/// Openings of recurring windows are told so long before, so that they open on time also when this
/// operator is away.
const AHEAD: SignedDuration = SignedDuration::from_hours(48);
/// And at most so many of one.
const OPENINGS: usize = 16;

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opening {
    pub(crate) starts: Timestamp,
    pub(crate) ends: Timestamp,
}

/// What a window comes to at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Opened {
    /// Those that are open or come within two days, the earliest first; else the next one.
    pub(crate) openings: Vec<Opening>,
    pub(crate) maintenance: Vec<Maintenance>,
    /// `MonitoredApi`s that it chooses.
    pub(crate) workloads: usize,
    pub(crate) problem: Option<(&'static str, String)>,
}

/// `apis` are all resources with what they are called.
pub(crate) fn open<'a>(
    window: &MaintenanceWindow,
    operators: &str,
    apis: impl Iterator<Item = (&'a MonitoredApi, Vec<ServiceKey>)>,
    now: Timestamp,
) -> Opened {
    let problem = |word, why| Opened {
        problem: Some((word, why)),
        ..Opened::default()
    };
    let namespace = window.metadata.namespace.as_deref().unwrap_or_default();
    let reach = match reach(namespace, operators, &window.spec.namespaces) {
        Ok(reach) => reach,
        Err(why) => return problem("NamespacesNotAllowed", why),
    };
    let openings = match openings(window, now) {
        Ok(openings) => openings,
        Err(why) => return problem("ScheduleInvalid", why),
    };
    let selector = window.spec.selector.as_ref();
    let chosen = apis.filter(|(api, _)| {
        let namespace = api.metadata.namespace.as_deref().unwrap_or_default();
        let labels = api.metadata.labels.clone().unwrap_or_default();
        reach.includes(namespace) && selector.is_none_or(|it| selects(it, &labels))
    });
    let chosen: Vec<_> = chosen.collect();
    let select = select(window, &reach, &chosen);
    let soon = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let near = openings.iter().filter(|it| it.starts <= soon);
    let maintenance = near.filter_map(|opening| {
        Some(Maintenance {
            name: format!("{}@{}", Key::of(&window.metadata), opening.starts),
            starts_at: opening.starts.to_string(),
            ends_at: opening.ends.to_string(),
            mute: window.spec.mute_alerts,
            exclude_learning: window.spec.exclude_learning,
            select: select.clone()?,
        })
    });
    Opened {
        maintenance: maintenance.collect(),
        workloads: chosen.len(),
        problem: None,
        openings,
    }
}

/// None when it chooses nothing: for the monitor, nothing named is everything.
fn select(
    window: &MaintenanceWindow,
    reach: &Reach,
    chosen: &[(&MonitoredApi, Vec<ServiceKey>)],
) -> Option<Select> {
    let environments = window.spec.environments.clone();
    if window.spec.selector.is_none() {
        return Some(Select {
            environments,
            namespaces: reach.names(),
            ..Select::default()
        });
    }
    let mut workloads: Vec<WorkloadName> = chosen
        .iter()
        .flat_map(|(_, services)| services)
        .map(|(namespace, service)| WorkloadName {
            namespace: namespace.clone(),
            service: service.clone(),
        })
        .collect();
    workloads.sort();
    workloads.dedup();
    (!workloads.is_empty()).then_some(Select {
        workloads,
        environments,
        ..Select::default()
    })
}

fn openings(window: &MaintenanceWindow, now: Timestamp) -> Result<Vec<Opening>, String> {
    let schedule = &window.spec.schedule;
    if let (Some(starts), Some(ends)) = (&schedule.starts_at, &schedule.ends_at) {
        let parse = |field: &str, text: &str| {
            text.parse::<Timestamp>()
                .map_err(|_| format!("{field} is no time such as 2026-11-21T18:00:00Z"))
        };
        let opening = Opening {
            starts: parse("startsAt", starts)?,
            ends: parse("endsAt", ends)?,
        };
        return Ok(if opening.ends > now {
            vec![opening]
        } else {
            Vec::new()
        });
    }
    let (Some(cron), Some(duration)) = (&schedule.cron, schedule.duration) else {
        return Err("it has neither startsAt and endsAt nor cron and duration".to_owned());
    };
    let recurring = Recurring::parse(cron, &schedule.time_zone)?;
    let lasting = SignedDuration::try_from(duration.0).unwrap_or(SignedDuration::MAX);
    let soon = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let mut openings = Vec::new();
    let mut next = recurring
        .last(now, lasting)
        .or_else(|| recurring.after(now));
    while let Some(starts) = next {
        let ends = starts.checked_add(lasting).unwrap_or(Timestamp::MAX);
        if ends > now {
            openings.push(Opening { starts, ends });
        }
        next = recurring.after(starts);
        let far = next.is_none_or(|next| next > soon);
        if openings.len() >= OPENINGS || (far && !openings.is_empty()) {
            break;
        }
    }
    Ok(openings)
}

pub(crate) fn status(
    window: &MaintenanceWindow,
    opened: &Opened,
    monitor: &Monitor,
    revision: &str,
    now: Timestamp,
) -> MaintenanceWindowStatus {
    let old = window.status.clone().unwrap_or_default();
    let generation = window.metadata.generation;
    let first = opened.openings.first();
    let active = first.is_some_and(|it| it.starts <= now && now < it.ends);
    let refused = opened
        .maintenance
        .iter()
        .find_map(|it| monitor.refusal("maintenance", &it.name));
    let (answer, reason, message) = standing(monitor, revision, refused.map(|it| &*it.reason));
    let mut conditions = Conditions::new(&old.conditions, generation, now);
    match (&opened.problem, first, answer) {
        (Some((word, why)), ..) => conditions.say("Ready", Answer::False, word, why.clone()),
        (None, None, _) => {
            conditions.say("Ready", Answer::True, "Over", "its time is over");
        }
        (None, Some(_), _) if opened.maintenance.is_empty() && opened.workloads == 0 => {
            let message = "its selector chooses no MonitoredApi";
            conditions.say("Ready", Answer::False, "NothingChosen", message);
        }
        (None, Some(_), Answer::True) => {
            let chosen = crate::status::plural(opened.workloads, "MonitoredApi");
            conditions.say("Ready", Answer::True, &reason, format!("for {chosen}"));
        }
        (None, Some(_), _) => conditions.say("Ready", Answer::False, &reason, message.clone()),
    }
    let time = |at: Timestamp| whole_second(at).to_string();
    MaintenanceWindowStatus {
        observed_generation: generation,
        conditions: conditions.all(),
        bindings: vec![binding(monitor, answer, reason, message, generation)],
        active,
        starts_at: first.map(|it| time(it.starts)),
        ends_at: first.map(|it| time(it.ends)),
        workloads: i32::try_from(opened.workloads).unwrap_or(i32::MAX),
    }
}

/// When anything about it will next be different without anybody doing anything.
pub(crate) fn next_turn(opened: &Opened, now: Timestamp) -> Option<Timestamp> {
    let turns = opened.openings.iter().flat_map(|it| [it.starts, it.ends]);
    turns.filter(|at| *at > now).min()
}
