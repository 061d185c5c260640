//! Asks the cluster, the platform and the monitor what is the case.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crds::ChaosExperiment;
use crds::chaos_experiment::{Cause, Phase};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use monitor_api::{Incident, IncidentsQuery, WorkloadsQuery};
use serde::Deserialize;
use tokio::time::Instant;

use super::Context;
use super::step::{Observed, Platform, Standing};
use super::verdict::Truth;
use crate::perform::{chain, failure};

const CHAOS_ADMIN: &str = "crosswatch.dev/chaos-admin=true";
/// Of the platform and of the monitor.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// Incidents of so long before a run are asked for as well; which count is decided elsewhere.
const BEFORE: SignedDuration = SignedDuration::from_mins(1);
const INCIDENTS: u64 = 1_000;

pub(super) async fn gather(
    context: &Context,
    experiment: &ChaosExperiment,
    now: Timestamp,
) -> Observed {
    let status = experiment.status.clone().unwrap_or_default();
    let leaving = experiment.metadata.deletion_timestamp.is_some();
    if status.phase.is_over() || (leaving && status.number.is_none()) {
        return Observed {
            platform: Platform::NotLookedFor,
            ..Observed::default()
        };
    }
    let due = status.due.as_ref().and_then(|due| due.parse().ok());
    let waits = due.is_some_and(|due: Timestamp| due > now);
    if status.phase == Phase::Pending && (experiment.spec.suspend || waits) {
        return Observed {
            platform: Platform::NotLookedFor,
            ..Observed::default()
        };
    }
    let platform = platform(context, experiment).await;
    let standing = match (status.number, &platform) {
        (None, _) => Standing::None,
        (Some(number), Platform::At(url)) => standing(context, url, number).await,
        (Some(_), Platform::Unknown(why)) => Standing::Unreachable(why.clone()),
        (Some(_), _) => Standing::Unreachable("there is no platform any more".to_owned()),
    };
    if matches!(standing, Standing::Unreachable(_)) {
        let own = experiment.namespace().unwrap_or_default();
        context.found.all().remove(&own);
    }
    let mut observed = Observed {
        platform,
        standing,
        ..Observed::default()
    };
    if !leaving && matches!(status.phase, Phase::Running | Phase::Recovering) {
        let since = status.started_at.as_ref().and_then(|at| at.parse().ok());
        match monitor(context, experiment, since.unwrap_or(now)).await {
            Ok((incidents, ratio)) => {
                observed.incidents = Some(incidents);
                observed.error_ratio = ratio;
            }
            Err(why) => observed.monitor_away = Some(why),
        }
    }
    observed
}

/// Where a platform was is believed for this long, or until it cannot be reached there.
const BELIEVED: Duration = Duration::from_secs(15);

/// Where platforms were found last, by the namespace that asked.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<BTreeMap<String, (Instant, Platform)>>);

impl Found {
    /// Looks at a few experiments at once contend for it, for a look-up.
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, Platform)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn platform(context: &Context, experiment: &ChaosExperiment) -> Platform {
    let own = experiment.namespace().unwrap_or_default();
    if let Some((at, platform)) = context.found.all().get(&own)
        && at.elapsed() < BELIEVED
    {
        return platform.clone();
    }
    let platform = look_for_platform(context, experiment).await;
    if matches!(platform, Platform::At(_)) {
        let found = (Instant::now(), platform.clone());
        context.found.all().insert(own, found);
    }
    platform
}

/// That of the resource's own namespace first, then by name.
async fn look_for_platform(context: &Context, experiment: &ChaosExperiment) -> Platform {
    let own = experiment.namespace().unwrap_or_default();
    let mut found: Vec<Service> = Vec::new();
    let params = ListParams::default().labels(CHAOS_ADMIN);
    let apis: Vec<Api<Service>> = match context.namespaces.is_empty() {
        true => vec![Api::all(context.client.clone())],
        false => {
            let names = context.namespaces.iter();
            names
                .map(|it| Api::namespaced(context.client.clone(), it))
                .collect()
        }
    };
    for api in apis {
        match api.list(&params).await {
            Ok(services) => found.extend(services),
            Err(error) => return Platform::Unknown(failure(&error).message),
        }
    }
    found.sort_by_key(|it| {
        let namespace = it.namespace().unwrap_or_default();
        (namespace != own, namespace, it.name_any())
    });
    found
        .first()
        .and_then(url)
        .map_or(Platform::NoneThere, Platform::At)
}

/// By address: names are for containers, and this may run outside of the cluster.
fn url(service: &Service) -> Option<String> {
    let spec = service.spec.as_ref()?;
    let ports = spec.ports.as_ref()?;
    let admin = ports.iter().find(|it| it.name.as_deref() == Some("admin"));
    let port = admin.or(ports.first())?.port;
    // A platform outside of the cluster.
    if let Some(name) = spec.external_name.as_deref().filter(|it| !it.is_empty()) {
        return Some(format!("http://{name}:{port}"));
    }
    let address = spec
        .cluster_ip
        .as_deref()
        .filter(|it| !it.is_empty() && *it != "None");
    Some(match address {
        Some(address) if address.contains(':') => format!("http://[{address}]:{port}"),
        Some(address) => format!("http://{address}:{port}"),
        None => {
            let namespace = service.namespace().unwrap_or_default();
            format!("http://{}.{namespace}:{port}", service.name_any())
        }
    })
}

/// What the platform answers to `GET /experiments/{number}`, as far as it is of interest.
#[derive(Debug, Deserialize)]
struct Answered {
    phase: String,
    truth: Option<Told>,
}

/// What `truth` and `DELETE /experiments/{number}` hold. Moments are nanoseconds since 1970.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    started: i64,
    ended: i64,
    first_affected: Option<i64>,
    benign: bool,
    cause: Cause,
    symptoms: Vec<String>,
    acted: ToldActed,
}

#[derive(Debug, Deserialize)]
struct ToldActed {
    yes: bool,
    evidence: String,
}

impl From<Told> for Truth {
    fn from(told: Told) -> Truth {
        let at = |nanos: i64| {
            Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH)
        };
        Truth {
            started: at(told.started),
            ended: at(told.ended),
            first_affected: told.first_affected.map(at),
            acted: told.acted.yes,
            evidence: told.acted.evidence,
            benign: told.benign,
            cause: told.cause,
            symptoms: told.symptoms,
        }
    }
}

async fn standing(context: &Context, url: &str, number: i64) -> Standing {
    let request = context.http.get(format!("{url}/experiments/{number}"));
    let response = match request.timeout(ANSWER).send().await {
        Ok(response) => response,
        Err(error) => return Standing::Unreachable(chain(&error)),
    };
    if response.status() == reqwest::StatusCode::NOT_FOUND {
        return Standing::Forgotten;
    }
    let answered = match response.error_for_status() {
        Ok(response) => response.json::<Answered>().await,
        Err(error) => return Standing::Unreachable(chain(&error)),
    };
    match answered {
        Ok(Answered {
            truth: Some(truth), ..
        }) => Standing::Over(Box::new(truth.into())),
        Ok(Answered { phase, .. }) if phase == "running" => Standing::On,
        Ok(Answered { phase, .. }) => Standing::Unreachable(format!("it says `{phase}`")),
        Err(error) => Standing::Unreachable(chain(&error)),
    }
}

async fn monitor(
    context: &Context,
    experiment: &ChaosExperiment,
    since: Timestamp,
) -> Result<(Vec<Incident>, Option<f64>), String> {
    let query = IncidentsQuery {
        limit: Some(INCIDENTS),
        ..IncidentsQuery::default()
    };
    let asked = async {
        let mut incidents = context.monitor.incidents(&query).await?.items;
        let from = since.checked_sub(BEFORE).unwrap_or(since);
        let recent = |it: &Incident| it.opened.parse().is_ok_and(|at: Timestamp| at >= from);
        incidents.retain(|it| it.open || recent(it));
        let abort = experiment.spec.abort.as_ref();
        let guarded = abort.filter(|it| it.max_error_ratio.is_some());
        let Some(guarded) = guarded else {
            return Ok::<_, monitor_api::ClientError>((incidents, None));
        };
        let query = WorkloadsQuery {
            service: Some(guarded.service.clone()),
            ..WorkloadsQuery::default()
        };
        let views = context.monitor.workloads(&query).await?.items;
        let views = views.iter().filter(|it| it.service == guarded.service);
        let (calls, errors) = views.fold((0.0, 0.0), |(calls, errors), it| {
            let more = it.calls_per_second;
            (calls + more, errors + more * it.error_ratio)
        });
        Ok((incidents, (calls > 0.0).then(|| errors / calls)))
    };
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err("the monitor did not answer in time".to_owned()),
    }
}
