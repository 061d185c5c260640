//! A typed client of the API, for the command line and other programs.
//!
//! Speaks plain HTTP/1.1; a monitor behind TLS is reached through whatever terminates it. Reads no
//! environment and no files: address and token are arguments.

use std::fmt;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Alert, AlertsQuery, AnomaliesQuery, Anomaly, Api, ApiDetail, ApiForecast, ApisQuery,
    BacktestResult, Change, ChangesOutcome, ChangesQuery, Configuration, ConfigurationOutcome,
    ConfigurationSource, Environment, Facets, FacetsQuery, Feedback, FeedbackQuery,
    ForecastRequest, Histogram, HistogramQuery, Incident, IncidentsQuery, JourneyType, Journeys,
    Learned, LearnedQuery, Listing, Model, ModelDetail, NewBacktest, NewFeedback, NewTrial, PREFIX,
    Predictions, PredictionsQuery, Problem, Promotion, Scores, SearchPage, SearchQuery, Series,
    SeriesForecasts, Service, ServicesQuery, Status, Stream, StreamsQuery, TailMessage, TailQuery,
    Template, TemplatesQuery, Topology, TopologyQuery, Trace, TraceQuery, WhatIf, WhatIfQuery,
    Workloads, WorkloadsQuery,
};

/// An answer longer than this is refused rather than read into memory.
const LONGEST_ANSWER_BYTES: usize = 256 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The monitor says what is wrong: see [`Problem`].
    #[error("{0}")]
    Problem(Box<Problem>),
    #[error("cannot use `{address}` as the monitor's address; expected http://HOST:PORT")]
    Address { address: String },
    #[error("the bearer token holds characters that no HTTP header may carry")]
    Token,
    #[error("no answer from the monitor at {url}; is it running there?")]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the monitor at {url} wants a bearer token that it knows")]
    Unauthorized { url: String },
    /// Something answers, but it is no monitor or another version.
    #[error("{url} answered with something that is not the monitor's API (HTTP {status})")]
    Unexpected { url: String, status: u16 },
    #[error("{url} answered with more than {LONGEST_ANSWER_BYTES} bytes")]
    TooLong { url: String },
    #[error("the answer of {url} is not understood")]
    Decode {
        url: String,
        #[source]
        source: serde_json::Error,
    },
}

/// Asks one monitor. Cloning shares its connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Without a slash at the end.
    base: String,
}

/// The token stays out of logs.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// `address` such as `http://127.0.0.1:8080`; `token` for monitors that ask for one.
    pub fn new(address: &str, token: Option<&str>) -> Result<Client, ClientError> {
        let refused = || ClientError::Address {
            address: address.to_owned(),
        };
        let base = address.trim_end_matches('/');
        let url = reqwest::Url::parse(base).map_err(|_| refused())?;
        if url.scheme() != "http" || url.host_str().is_none() || url.query().is_some() {
            return Err(refused());
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            // The token must not follow a redirection to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| refused())?;
        Ok(Client {
            http,
            base: base.to_owned(),
        })
    }

    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get(&["status"], &()).await
    }

    /// Everything, or what changed since the query's cursor. With `wait_seconds` the answer may take
    /// that long.
    pub async fn workloads(&self, query: &WorkloadsQuery) -> Result<Workloads, ClientError> {
        self.get(&["workloads"], query).await
    }

    /// The most troubled first.
    pub async fn apis(&self, query: &ApisQuery) -> Result<Listing<Api>, ClientError> {
        self.get(&["apis"], query).await
    }

    pub async fn api(&self, id: &str) -> Result<ApiDetail, ClientError> {
        self.get(&["apis", id], &()).await
    }

    /// What is expected of an Api.
    pub async fn api_forecast(&self, id: &str) -> Result<ApiForecast, ClientError> {
        self.get(&["apis", id, "forecast"], &()).await
    }

    pub async fn services(&self, query: &ServicesQuery) -> Result<Listing<Service>, ClientError> {
        self.get(&["services"], query).await
    }

    pub async fn environments(&self) -> Result<Listing<Environment>, ClientError> {
        self.get(&["environments"], &()).await
    }

    pub async fn anomalies(&self, query: &AnomaliesQuery) -> Result<Listing<Anomaly>, ClientError> {
        self.get(&["anomalies"], query).await
    }

    pub async fn anomaly(&self, id: &str) -> Result<Anomaly, ClientError> {
        self.get(&["anomalies", id], &()).await
    }

    pub async fn incidents(
        &self,
        query: &IncidentsQuery,
    ) -> Result<Listing<Incident>, ClientError> {
        self.get(&["incidents"], query).await
    }

    pub async fn incident(&self, id: &str) -> Result<Incident, ClientError> {
        self.get(&["incidents", id], &()).await
    }

    pub async fn predictions(&self, query: &PredictionsQuery) -> Result<Predictions, ClientError> {
        self.get(&["predictions"], query).await
    }

    pub async fn alerts(&self, query: &AlertsQuery) -> Result<Listing<Alert>, ClientError> {
        self.get(&["alerts"], query).await
    }

    pub async fn search(&self, query: &SearchQuery) -> Result<SearchPage, ClientError> {
        self.get(&["search"], query).await
    }

    pub async fn histogram(&self, query: &HistogramQuery) -> Result<Histogram, ClientError> {
        self.get(&["search", "histogram"], query).await
    }

    pub async fn facets(&self, query: &FacetsQuery) -> Result<Facets, ClientError> {
        self.get(&["search", "facets"], query).await
    }

    /// Records that match, as they become searchable.
    pub async fn tail(&self, query: &TailQuery) -> Result<Tail, ClientError> {
        let response = self.send(&["search", "tail"], query).await?;
        let url = response.url().to_string();
        Ok(Tail {
            response,
            url,
            unread: Vec::new(),
        })
    }

    pub async fn trace(&self, trace_id: &str, query: &TraceQuery) -> Result<Trace, ClientError> {
        self.get(&["traces", trace_id], query).await
    }

    pub async fn streams(&self, query: &StreamsQuery) -> Result<Listing<Stream>, ClientError> {
        self.get(&["streams"], query).await
    }

    pub async fn templates(
        &self,
        query: &TemplatesQuery,
    ) -> Result<Listing<Template>, ClientError> {
        self.get(&["templates"], query).await
    }

    /// Journeys in flight that are late, clocks, and what became of all hops.
    pub async fn journeys(&self) -> Result<Journeys, ClientError> {
        self.get(&["journeys"], &()).await
    }

    /// The most frequent first.
    pub async fn journey_types(&self) -> Result<Listing<JourneyType>, ClientError> {
        self.get(&["journeys", "types"], &()).await
    }

    /// What happens to journeys if something is taken away.
    pub async fn what_if(&self, query: &WhatIfQuery) -> Result<WhatIf, ClientError> {
        self.get(&["what-if"], query).await
    }

    /// Who calls whom, in the minutes up to a moment.
    pub async fn topology(&self, query: &TopologyQuery) -> Result<Topology, ClientError> {
        self.get(&["topology"], query).await
    }

    /// Who wants something of the monitor, in the order in which they are read.
    pub async fn configurations(&self) -> Result<Listing<ConfigurationSource>, ClientError> {
        self.get(&["configuration"], &()).await
    }

    /// What a source put, its secrets as `***`; `None` when it has put nothing.
    pub async fn configuration(&self, source: &str) -> Result<Option<Configuration>, ClientError> {
        match self.get(&["configuration", source], &()).await {
            Ok(found) => Ok(Some(found)),
            Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts the whole wish of a source in the place of what it wanted before.
    pub async fn put_configuration(
        &self,
        source: &str,
        wish: &Configuration,
    ) -> Result<ConfigurationOutcome, ClientError> {
        let request = self.http.put(self.url(&["configuration", source])?);
        decode(ask(request.json(wish)).await?).await
    }

    /// Forgets a source; it is no error when it has put nothing.
    pub async fn delete_configuration(&self, source: &str) -> Result<(), ClientError> {
        let request = self.http.delete(self.url(&["configuration", source])?);
        ask(request).await.map(drop)
    }

    /// The latest first.
    pub async fn changes(&self, query: &ChangesQuery) -> Result<Listing<Change>, ClientError> {
        self.get(&["changes"], query).await
    }

    pub async fn post_changes(&self, changes: &[Change]) -> Result<ChangesOutcome, ClientError> {
        let request = self.http.post(self.url(&["changes"])?);
        decode(ask(request.json(changes)).await?).await
    }

    /// The active model, the one on trial, then those that are no more.
    pub async fn models(&self) -> Result<Listing<Model>, ClientError> {
        self.get(&["models"], &()).await
    }

    pub async fn model(&self, id: &str) -> Result<ModelDetail, ClientError> {
        self.get(&["models", id], &()).await
    }

    pub async fn begin_trial(&self, wanted: &NewTrial) -> Result<Model, ClientError> {
        self.post(&["models"], wanted).await
    }

    pub async fn end_trial(&self, id: &str) -> Result<(), ClientError> {
        let request = self.http.delete(self.url(&["models", id])?);
        ask(request).await.map(drop)
    }

    pub async fn promote(&self, id: &str, wanted: &Promotion) -> Result<Model, ClientError> {
        self.post(&["models", id, "promote"], wanted).await
    }

    pub async fn roll_back(&self) -> Result<Model, ClientError> {
        self.post(&["models", "rollback"], &serde_json::Map::new())
            .await
    }

    /// May take minutes.
    pub async fn backtest(&self, wanted: &NewBacktest) -> Result<BacktestResult, ClientError> {
        self.post(&["models", "backtest"], wanted).await
    }

    pub async fn learned(&self, query: &LearnedQuery) -> Result<Listing<Learned>, ClientError> {
        self.get(&["learned"], query).await
    }

    /// The latest first.
    pub async fn feedback(&self, query: &FeedbackQuery) -> Result<Listing<Feedback>, ClientError> {
        self.get(&["feedback"], query).await
    }

    pub async fn answer_anomaly(
        &self,
        id: &str,
        said: &NewFeedback,
    ) -> Result<Feedback, ClientError> {
        self.post(&["anomalies", id, "feedback"], said).await
    }

    /// Says the same of all its anomalies.
    pub async fn answer_alert(
        &self,
        id: &str,
        said: &NewFeedback,
    ) -> Result<Vec<Feedback>, ClientError> {
        self.post(&["alerts", id, "feedback"], said).await
    }

    pub async fn score(&self, series: &[Series]) -> Result<Scores, ClientError> {
        self.post(&["score"], series).await
    }

    pub async fn forecast(&self, wanted: &ForecastRequest) -> Result<SeriesForecasts, ClientError> {
        self.post(&["forecast"], wanted).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, ClientError> {
        let request = self.http.post(self.url(path)?);
        decode(ask(request.json(body)).await?).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &(impl Serialize + Sync),
    ) -> Result<T, ClientError> {
        decode(self.send(path, query).await?).await
    }

    /// The response, if it is a success.
    async fn send(
        &self,
        path: &[&str],
        query: &(impl Serialize + Sync),
    ) -> Result<reqwest::Response, ClientError> {
        ask(self.http.get(self.url(path)?).query(query)).await
    }

    /// Escapes each part, so that an id typed by a person cannot lead elsewhere.
    fn url(&self, path: &[&str]) -> Result<reqwest::Url, ClientError> {
        let refused = || ClientError::Address {
            address: self.base.clone(),
        };
        let mut url =
            reqwest::Url::parse(&format!("{}{PREFIX}", self.base)).map_err(|_| refused())?;
        url.path_segments_mut()
            .map_err(|()| refused())?
            .extend(path);
        Ok(url)
    }
}

/// A running tail; dropping it ends it.
#[derive(Debug)]
pub struct Tail {
    response: reqwest::Response,
    url: String,
    unread: Vec<u8>,
}

impl Tail {
    /// The next message; `None` when the monitor ended the tail.
    ///
    /// Safe to cancel: nothing that has arrived is lost.
    pub async fn next(&mut self) -> Result<Option<TailMessage>, ClientError> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                // Each of our events is one `data:` line; comments keep the connection alive.
                if let Some(data) = line.strip_prefix(b"data:") {
                    return serde_json::from_slice(data).map(Some).map_err(|source| {
                        ClientError::Decode {
                            url: self.url.clone(),
                            source,
                        }
                    });
                }
            }
            if self.unread.len() > LONGEST_ANSWER_BYTES {
                return Err(ClientError::TooLong {
                    url: self.url.clone(),
                });
            }
            let chunk = self
                .response
                .chunk()
                .await
                .map_err(|source| ClientError::Unreachable {
                    url: self.url.clone(),
                    source: source.without_url(),
                })?;
            match chunk {
                Some(bytes) => self.unread.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

async fn decode<T: DeserializeOwned>(response: reqwest::Response) -> Result<T, ClientError> {
    let url = response.url().to_string();
    let body = read(response, &url).await?;
    serde_json::from_slice(&body).map_err(|source| ClientError::Decode { url, source })
}

/// The response, if it is a success.
async fn ask(request: reqwest::RequestBuilder) -> Result<reqwest::Response, ClientError> {
    let response = request.send().await.map_err(|source| {
        let url = source.url().map(ToString::to_string).unwrap_or_default();
        ClientError::Unreachable {
            url,
            source: source.without_url(),
        }
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let url = response.url().to_string();
    let body = read(response, &url).await?;
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(ClientError::Problem(Box::new(problem))),
        // Asked for by whatever guards the monitor, which need not speak in problems.
        Err(_) if status == reqwest::StatusCode::UNAUTHORIZED => {
            Err(ClientError::Unauthorized { url })
        }
        Err(_) => Err(ClientError::Unexpected {
            url,
            status: status.as_u16(),
        }),
    }
}

async fn read(mut response: reqwest::Response, url: &str) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|source| ClientError::Unreachable {
                url: url.to_owned(),
                source: source.without_url(),
            })?;
        let Some(bytes) = chunk else { return Ok(body) };
        if body.len() + bytes.len() > LONGEST_ANSWER_BYTES {
            return Err(ClientError::TooLong {
                url: url.to_owned(),
            });
        }
        body.extend_from_slice(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_must_be_one() {
        for address in [
            "",
            "localhost:8080",
            "https://h",
            "file:///etc",
            "http://h/?x=1",
        ] {
            let error = Client::new(address, None).unwrap_err();
            assert!(
                matches!(error, ClientError::Address { .. }),
                "{address}: {error}"
            );
        }
    }

    #[test]
    fn an_id_cannot_leave_the_api() {
        let client = Client::new("http://localhost:8080/", None).unwrap();
        let url = client.url(&["anomalies", "../../x?y#z"]).unwrap();
        assert_eq!(
            url.as_str(),
            "http://localhost:8080/api/v1/anomalies/..%2F..%2Fx%3Fy%23z"
        );
    }

    #[test]
    fn the_token_is_not_shown() {
        let client = Client::new("http://localhost", Some("s3cret")).unwrap();
        assert!(!format!("{client:?}").contains("s3cret"));
        assert!(matches!(
            Client::new("http://h", Some("a\nb")),
            Err(ClientError::Token)
        ));
    }
}
