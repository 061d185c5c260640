//! Does to the cluster what was decided, and says what came of it. Decides nothing.

use std::time::Duration;

use crds::{AlertPolicy, FIELD_MANAGER, MaintenanceWindow, MonitoredApi, STATUS_FIELD_MANAGER};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use serde::Serialize;
use serde_json::json;

use crate::effect::{Effect, Failure, Reason, Written, texts};
use crate::key::Key;
use crate::policy::SecretRead;

/// An answer that takes longer is given up; what was asked for may have happened all the same.
const LONGEST: Duration = Duration::from_secs(20);

pub(crate) async fn perform(client: &Client, effect: Effect) -> Result<Written, Failure> {
    match tokio::time::timeout(LONGEST, attempt(client, effect)).await {
        Ok(outcome) => outcome.map_err(|error| failure(&error)),
        Err(_) => Err(Failure {
            reason: Reason::Unavailable,
            message: format!("no answer within {} s", LONGEST.as_secs()),
            retry_after: None,
        }),
    }
}

async fn attempt(client: &Client, effect: Effect) -> Result<Written, kube::Error> {
    match effect {
        Effect::Apply(desired) => {
            let api: Api<MonitoredApi> = within(client, &desired.key);
            let params = PatchParams::apply(FIELD_MANAGER);
            let body = Patch::Apply(desired.body());
            let mut written = api.patch(&desired.key.name, &params, &body).await?;
            written.metadata.managed_fields = None;
            Ok(Written::Monitored(Box::new(written)))
        }
        Effect::Delete {
            key,
            uid,
            resource_version,
        } => {
            let api: Api<MonitoredApi> = within(client, &key);
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: Some(uid),
                    resource_version: Some(resource_version),
                }),
                ..DeleteParams::background()
            };
            api.delete(&key.name, &params).await?;
            Ok(Written::Gone)
        }
        Effect::Status { key, uid, status } => {
            let api: Api<MonitoredApi> = within(client, &key);
            let body = status_body("MonitoredApi", &key, &uid, &status);
            let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
            let mut written = api.patch_status(&key.name, &params, &body).await?;
            written.metadata.managed_fields = None;
            Ok(Written::Monitored(Box::new(written)))
        }
        Effect::PolicyStatus { key, uid, status } => {
            let api: Api<AlertPolicy> = within(client, &key);
            let body = status_body("AlertPolicy", &key, &uid, &status);
            let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
            api.patch_status(&key.name, &params, &body).await?;
            Ok(Written::Status)
        }
        Effect::WindowStatus { key, uid, status } => {
            let api: Api<MaintenanceWindow> = within(client, &key);
            let body = status_body("MaintenanceWindow", &key, &uid, &status);
            let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
            api.patch_status(&key.name, &params, &body).await?;
            Ok(Written::Status)
        }
        Effect::ReadSecret(key) => {
            let api: Api<Secret> = within(client, &key);
            let read = match api.get(&key.name).await {
                Ok(secret) => SecretRead::Entries(texts(secret.data.unwrap_or_default())),
                Err(error) => match failure(&error).reason {
                    Reason::Gone => SecretRead::Missing,
                    Reason::Forbidden => SecretRead::Forbidden,
                    _ => return Err(error),
                },
            };
            Ok(Written::Secret(read))
        }
    }
}

fn within<K>(client: &Client, key: &Key) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), &key.namespace)
}

/// Whole and forced: the status is ours alone. The uid keeps it off another object of this name.
fn status_body(
    kind: &str,
    key: &Key,
    uid: &str,
    status: &impl Serialize,
) -> Patch<serde_json::Value> {
    Patch::Apply(json!({
        "apiVersion": format!("{}/v1alpha1", crds::GROUP),
        "kind": kind,
        "metadata": { "name": key.name, "namespace": key.namespace, "uid": uid },
        "status": status,
    }))
}

/// What is to be done about an error of the API server.
pub(crate) fn failure(error: &kube::Error) -> Failure {
    let kube::Error::Api(status) = error else {
        return Failure {
            reason: Reason::Unavailable,
            message: chain(error),
            retry_after: None,
        };
    };
    let reason = match status.code {
        404 | 410 => Reason::Gone,
        409 => Reason::Conflict,
        400 | 405..=408 | 411..=428 => Reason::Refused,
        401 | 403 => Reason::Forbidden,
        429 => Reason::Busy,
        _ => Reason::Unavailable,
    };
    let after = status.details.as_ref().map(|it| it.retry_after_seconds);
    Failure {
        reason,
        message: format!("{} ({})", status.message, status.code),
        retry_after: (after.filter(|seconds| *seconds > 0))
            .map(|seconds| SignedDuration::from_secs(i64::from(seconds))),
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
