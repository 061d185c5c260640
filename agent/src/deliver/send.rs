//! One request to the monitor, and what its answer means.

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message as _;
use reqwest::StatusCode;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A monitor that makes everything durable first may take a while under load.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Of an answer's text in a log line.
const SHOWN_BYTES: usize = 300;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Taken, except for `refused` records.
    Taken { refused: u64, why: String },
    /// The same request would be refused again.
    Refused { why: String },
    /// Try again; the monitor may have said when.
    Later {
        why: String,
        retry_after: Option<Duration>,
    },
}

impl Answer {
    pub(super) fn later(why: impl Into<String>) -> Answer {
        Answer::Later {
            why: why.into(),
            retry_after: None,
        }
    }
}

#[derive(Debug)]
pub struct Sender {
    client: reqwest::Client,
    url: Url,
    /// Read for each request: Kubernetes replaces tokens while programs run.
    token_file: Option<PathBuf>,
}

impl Sender {
    /// `endpoint`: `http://monitor:4318`; the path `/v1/logs` is added when there is none.
    ///
    /// # Errors
    ///
    /// When no client can be made.
    pub fn new(endpoint: &Url, token_file: Option<PathBuf>) -> anyhow::Result<Sender> {
        let mut url = endpoint.clone();
        if url.path() == "/" {
            url.set_path("/v1/logs");
        }
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        Ok(Sender {
            client,
            url,
            token_file,
        })
    }

    pub async fn send(&self, body: Vec<u8>) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        match self.authorization().await {
            Ok(None) => {}
            Ok(Some(value)) => _ = headers.insert(AUTHORIZATION, value),
            Err(why) => return Answer::later(why),
        }
        let request = self.client.post(self.url.clone());
        let response = match request.headers(headers).body(body).send().await {
            Ok(response) => response,
            Err(error) => return Answer::later(chain(&error)),
        };
        let status = response.status();
        let headers = response.headers().clone();
        match response.bytes().await {
            Ok(body) => judge(status, &headers, &body, &self.url),
            // Taken or not: a second time is better than never.
            Err(error) => Answer::later(chain(&error)),
        }
    }

    async fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(|error| format!("the token `{}`: {error}", path.display()))?;
        let value = HeaderValue::try_from(format!("Bearer {}", text.trim()));
        let mut value = value
            .map_err(|_| format!("the token `{}` is no single line of text", path.display()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>; what is a mistake of settings
/// (a wrong address, a wrong token) is tried again, since a person can put it right.
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], url: &Url) -> Answer {
    if status.is_success() {
        let partial = ExportLogsServiceResponse::decode(body)
            .ok()
            .and_then(|it| it.partial_success)
            .unwrap_or_default();
        return Answer::Taken {
            refused: u64::try_from(partial.rejected_log_records).unwrap_or(0),
            why: partial.error_message,
        };
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]);
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let why = format!("{url} answered {status}: {}", text.trim());
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => Answer::Refused { why },
        _ => Answer::Later {
            why,
            retry_after: headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs),
        },
    }
}

/// The error with its causes: reqwest's own text stops at "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&'static str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        let url = Url::parse("http://monitor:4318/v1/logs").unwrap();
        judge(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            b"because",
            &url,
        )
    }

    #[test]
    fn only_what_would_be_refused_again_is_given_up() {
        for status in [400, 413, 422] {
            let answer = judged(status, None);
            assert!(matches!(answer, Answer::Refused { .. }), "{status}");
        }
        for status in [401, 403, 404, 408, 429, 500, 502, 503, 504] {
            let answer = judged(status, None);
            assert!(matches!(answer, Answer::Later { .. }), "{status}");
        }
        let Answer::Later { retry_after, why } = judged(429, Some("3")) else {
            panic!("429 is for later");
        };
        assert_eq!(retry_after, Some(Duration::from_secs(3)));
        let url = "http://monitor:4318/v1/logs";
        assert_eq!(
            why,
            format!("{url} answered 429 Too Many Requests: because")
        );
    }
}
