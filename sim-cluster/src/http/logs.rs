//! What containers have said: asked for over HTTP here, answered by whoever runs them.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use hyper::Response;
use jiff::Timestamp;
use serde_json::Value;

use super::body::{Body, answer, streamed};
use super::query::Query;
use crate::client::Cluster;
use crate::status::Status;

/// The answer to `pods/log`, a piece at a time; it ends when there is nothing more, or never when it
/// is followed. Dropped when the client has gone.
pub type LogStream = BoxStream<'static, Bytes>;

/// Who has the logs of containers.
pub trait Logs: Send + Sync {
    /// The log of one container of a pod that exists.
    ///
    /// # Errors
    /// What the client is told instead, such as 400 when it has to say which container.
    fn open(&self, pod: &Arc<Value>, options: &LogOptions) -> Result<LogStream, Status>;
}

/// What of a log is wanted, with the names of `PodLogOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The only one of the pod when `None`.
    pub container: Option<String>,
    pub follow: bool,
    /// Of the container's last life but one.
    pub previous: bool,
    pub since_seconds: Option<u64>,
    pub since_time: Option<Timestamp>,
    /// Each line begins with its time.
    pub timestamps: bool,
    pub tail_lines: Option<u64>,
    pub limit_bytes: Option<u64>,
}

pub(super) fn open(
    cluster: &Cluster,
    pod: &Arc<Value>,
    query: &Query,
) -> Result<Response<Body>, Status> {
    let logs = cluster.logs().ok_or_else(|| {
        Status::bad_request("this cluster runs no containers, so that there are no logs")
    })?;
    let stream = logs.open(pod, &options(query)?)?;
    Ok(answer(200, "text/plain", streamed(stream)))
}

fn options(query: &Query) -> Result<LogOptions, Status> {
    let since_time = match query.text("sinceTime") {
        "" => None,
        text => Some(text.parse().map_err(|error| {
            Status::bad_request(format!(
                "invalid value {text:?} of parameter sinceTime: {error}"
            ))
        })?),
    };
    Ok(LogOptions {
        container: Some(query.text("container").to_owned()).filter(|it| !it.is_empty()),
        follow: query.truth("follow"),
        previous: query.truth("previous"),
        since_seconds: query.number("sinceSeconds")?,
        since_time,
        timestamps: query.truth("timestamps"),
        tail_lines: query.number("tailLines")?,
        limit_bytes: query.number("limitBytes")?,
    })
}
