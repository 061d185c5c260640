//! Which of several operators acts: who holds the lease.
//!
//! The method is client-go's leader election: a lease is believed for as long as it was seen to be
//! renewed, by one's own clock, so that clocks need not agree; every write says which version it
//! replaces, so that of two only one succeeds. Who cannot renew in time stops acting before others
//! may begin.
//! <https://pkg.go.dev/k8s.io/client-go/tools/leaderelection>

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::args::LeaseTimes;
use crate::effect::Reason;
use crate::perform::failure;

/// What is known of the lease.
#[derive(Debug, Default)]
struct Observed {
    lease: Option<Lease>,
    /// When this version of it was first seen.
    since: Option<Instant>,
}

impl Observed {
    fn see(&mut self, lease: Lease, now: Instant) {
        let version = |it: &Lease| it.metadata.resource_version.clone();
        if self.lease.as_ref().map(version) != Some(version(&lease)) {
            self.since = Some(now);
        }
        self.lease = Some(lease);
    }

    fn holder(&self) -> Option<&str> {
        let spec = self.lease.as_ref()?.spec.as_ref()?;
        spec.holder_identity.as_deref().filter(|it| !it.is_empty())
    }

    /// Somebody else's, and not seen to be forsaken.
    fn is_taken(&self, me: &str, times: LeaseTimes, now: Instant) -> bool {
        let held = self.holder().is_some_and(|holder| holder != me);
        let fresh = self.since.is_some_and(|since| now < since + times.duration);
        held && fresh
    }
}

/// Whose lease it is and who wants it.
#[derive(Clone)]
pub(crate) struct Election {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) me: String,
    pub(crate) times: LeaseTimes,
}

/// Tries to hold the lease until it is stopped, and gives it back then.
pub(crate) async fn run(
    election: Election,
    now: impl Fn() -> Timestamp,
    leading: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let api: Api<Lease> = Api::namespaced(election.client.clone(), &election.namespace);
    let mut observed = Observed::default();
    let mut renewed: Option<Instant> = None;
    loop {
        let begun = Instant::now();
        let attempt = attempt(&api, &election, &mut observed, now());
        // A renewal that hangs is as good as none: the time to give up must be noticed.
        let patience = renewed.map_or(election.times.give_up, |renewed| {
            (renewed + election.times.give_up).saturating_duration_since(begun)
        });
        let held = tokio::select! {
            () = stop.cancelled() => break,
            held = timeout(patience, attempt) => held.unwrap_or(Err(())),
        };
        match held {
            Ok(true) => {
                renewed = Some(begun);
                if set(&leading, true) {
                    tracing::info!(me = election.me, "this operator acts now");
                }
            }
            Ok(false) => lose(&mut renewed, &leading, "somebody else holds the lease"),
            // Others may take it only after they have waited longer than this.
            Err(()) => {
                if renewed.is_some_and(|at| at.elapsed() >= election.times.give_up) {
                    lose(&mut renewed, &leading, "the lease could not be renewed");
                }
            }
        }
        let every = election.times.renew_every;
        let next = match held {
            Ok(_) => every,
            // Several tries before it is too late.
            Err(()) => every / 4,
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(next) => {}
        }
    }
    if set(&leading, false) {
        release(&api, &election, &observed, now()).await;
    }
}

/// Whether that is something new.
fn set(leading: &watch::Sender<bool>, leads: bool) -> bool {
    leading.send_if_modified(|it| std::mem::replace(it, leads) != leads)
}

fn lose(renewed: &mut Option<Instant>, leading: &watch::Sender<bool>, why: &str) {
    *renewed = None;
    if set(leading, false) {
        tracing::warn!(why, "this operator acts no longer");
    }
}

/// Whether the lease is held afterwards; an error when that is not known.
async fn attempt(
    api: &Api<Lease>,
    election: &Election,
    observed: &mut Observed,
    now: Timestamp,
) -> Result<bool, ()> {
    let Election { me, times, .. } = election;
    // Who holds it writes on what was last seen; everybody else looks first.
    if observed.holder() != Some(me.as_str()) {
        match api.get_opt(&election.name).await {
            Ok(Some(lease)) => observed.see(lease, Instant::now()),
            Ok(None) => *observed = Observed::default(),
            Err(error) => {
                say(&error);
                return Err(());
            }
        }
    }
    if observed.is_taken(me, *times, Instant::now()) {
        return Ok(false);
    }
    let lease = next(observed.lease.as_ref(), election, now);
    let written = match observed.lease {
        Some(_) => {
            api.replace(&election.name, &PostParams::default(), &lease)
                .await
        }
        None => api.create(&PostParams::default(), &lease).await,
    };
    match written {
        Ok(lease) => {
            observed.see(lease, Instant::now());
            Ok(true)
        }
        Err(error) => {
            let lost = matches!(failure(&error).reason, Reason::Conflict | Reason::Gone);
            if lost {
                // Somebody else wrote: whose it is now is looked up.
                *observed = Observed::default();
            }
            say(&error);
            Err(())
        }
    }
}

fn say(error: &kube::Error) {
    tracing::debug!(why = failure(error).message, "the lease could not be had");
}

fn next(old: Option<&Lease>, election: &Election, now: Timestamp) -> Lease {
    let spec = old.and_then(|it| it.spec.clone()).unwrap_or_default();
    let mine = spec.holder_identity.as_deref() == Some(&election.me);
    let transitions = spec.lease_transitions.unwrap_or_default();
    let acquired = spec.acquire_time.clone().filter(|_| mine);
    Lease {
        metadata: ObjectMeta {
            name: Some(election.name.clone()),
            namespace: Some(election.namespace.clone()),
            resource_version: old.and_then(|it| it.metadata.resource_version.clone()),
            labels: old.and_then(|it| it.metadata.labels.clone()),
            annotations: old.and_then(|it| it.metadata.annotations.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(election.me.clone()),
            lease_duration_seconds: i32::try_from(election.times.duration.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions + i32::from(old.is_some() && !mine)),
            ..spec
        }),
    }
}

/// So that another need not wait.
async fn release(api: &Api<Lease>, election: &Election, observed: &Observed, now: Timestamp) {
    let mut lease = next(observed.lease.as_ref(), election, now);
    if let Some(spec) = &mut lease.spec {
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
    }
    let params = PostParams::default();
    let given = api.replace(&election.name, &params, &lease);
    match timeout(election.times.give_up, given).await {
        Ok(Ok(_)) => tracing::info!("the lease is given back"),
        Ok(Err(error)) => tracing::warn!(
            error = &error as &(dyn std::error::Error + 'static),
            "the lease could not be given back; others wait until it is forsaken"
        ),
        Err(_) => tracing::warn!("no answer to giving back the lease"),
    }
}
