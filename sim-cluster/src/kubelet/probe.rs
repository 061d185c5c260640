//! Probes: is a container started, ready, alive?
//!
//! What a probe is and when its results mean something is pure; [`Probe::attempt`] asks once.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{guardian::Guardian, process::Launch};
use crate::object::{list, text};

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Http {
        host: String,
        port: u16,
        path: String,
        headers: Vec<(String, String)>,
    },
    Tcp {
        host: String,
        port: u16,
    },
    /// A command, to be run with the container's variables.
    Exec(Vec<String>),
    /// What the simulated kubelet cannot ask, and why.
    Unsupported(String),
}

/// A probe as a container's spec has it, defaults filled in.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) question: Question,
    pub(super) initial_delay: Duration,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    pub(super) success_threshold: u64,
    pub(super) failure_threshold: u64,
}

impl Probe {
    /// `kind` is `startupProbe`, `readinessProbe` or `livenessProbe`; `second` is how long a second
    /// of the spec takes.
    pub(super) fn of(
        container: &Value,
        kind: &str,
        pod_ip: IpAddr,
        second: Duration,
    ) -> Option<Probe> {
        let probe = container.get(kind).filter(|probe| probe.is_object())?;
        let number = |field: &str, default: u64| probe[field].as_u64().unwrap_or(default);
        let time = |field: &str, default: u64| {
            second.saturating_mul(u32::try_from(number(field, default)).unwrap_or(u32::MAX))
        };
        Some(Probe {
            question: question(container, probe, pod_ip),
            initial_delay: time("initialDelaySeconds", 0),
            period: time("periodSeconds", 10).max(Duration::from_millis(1)),
            timeout: time("timeoutSeconds", 1),
            success_threshold: number("successThreshold", 1).max(1),
            failure_threshold: number("failureThreshold", 3).max(1),
        })
    }

    /// Asks once; the refusal says why, as the event `Unhealthy` does.
    pub(super) async fn attempt(&self, launch: &Launch, guardian: &Guardian) -> Result<(), String> {
        match &self.question {
            Question::Exec(command) => {
                let Some((program, arguments)) = command.split_first() else {
                    return Err("the probe's command is empty".to_owned());
                };
                let launch = Launch {
                    program: program.into(),
                    arguments: arguments.to_vec(),
                    ..launch.clone()
                };
                launch.run(self.timeout, guardian).await
            }
            Question::Unsupported(why) => Err(why.clone()),
            question => tokio::time::timeout(self.timeout, over_network(question))
                .await
                .unwrap_or_else(|_late| {
                    Err(format!(
                        "no answer within {} s (timeoutSeconds)",
                        self.timeout.as_secs_f64()
                    ))
                }),
        }
    }
}

fn question(container: &Value, probe: &Value, pod_ip: IpAddr) -> Question {
    let host = |action: &Value| match text(action, &["host"]) {
        "" => pod_ip.to_string(),
        host => host.to_owned(),
    };
    if let Some(action) = probe.get("exec") {
        let words = list(action, &["command"]).iter().filter_map(Value::as_str);
        return Question::Exec(words.map(str::to_owned).collect());
    }
    if let Some(action) = probe.get("grpc") {
        let port = &action["port"];
        return Question::Unsupported(format!(
            "gRPC probes (port {port}) are not simulated: use httpGet or tcpSocket"
        ));
    }
    let (action, is_http) = match (probe.get("httpGet"), probe.get("tcpSocket")) {
        (Some(action), _) => (action, true),
        (None, Some(action)) => (action, false),
        (None, None) => return Question::Unsupported("the probe has no action".to_owned()),
    };
    let Some(port) = port(container, &action["port"]) else {
        return Question::Unsupported(format!("there is no port {}", action["port"]));
    };
    if !is_http {
        return Question::Tcp {
            host: host(action),
            port,
        };
    }
    if action["scheme"] == "HTTPS" {
        return Question::Unsupported("HTTPS probes are not simulated: use tcpSocket".to_owned());
    }
    let header = |header: &Value| {
        (
            text(header, &["name"]).to_owned(),
            text(header, &["value"]).to_owned(),
        )
    };
    Question::Http {
        host: host(action),
        port,
        path: match text(action, &["path"]) {
            "" => "/".to_owned(),
            path => path.to_owned(),
        },
        headers: list(action, &["httpHeaders"]).iter().map(header).collect(),
    }
}

/// A port by number or by its name in the container.
fn port(container: &Value, port: &Value) -> Option<u16> {
    if let Some(number) = port.as_u64() {
        return u16::try_from(number).ok();
    }
    let written = port.as_str()?;
    let named = || {
        let found = list(container, &["ports"])
            .iter()
            .find(|declared| declared["name"] == written)?;
        u16::try_from(found["containerPort"].as_u64()?).ok()
    };
    written.parse().ok().or_else(named)
}

async fn over_network(question: &Question) -> Result<(), String> {
    let (Question::Http { host, port, .. } | Question::Tcp { host, port }) = question else {
        return Ok(());
    };
    let stream = TcpStream::connect((host.as_str(), *port))
        .await
        .map_err(|error| format!("dial tcp {host}:{port}: {error}"))?;
    let Question::Http { path, headers, .. } = question else {
        return Ok(());
    };
    let mut request = Request::get(path)
        .header("host", format!("{host}:{port}"))
        .header("user-agent", "kube-probe/1.34")
        .header("accept", "*/*")
        .header("connection", "close");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the probe is not a request: {error}"))?;
    let failed = |error: hyper::Error| format!("Get \"http://{host}:{port}{path}\": {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // Moved in, so that the connection ends with the request.
    let answer = async move {
        let response = sender.send_request(request).await?;
        Ok(response.status().as_u16())
    };
    let (status, _ended) = tokio::join!(answer, connection);
    let status = status.map_err(failed)?;
    if (200..400).contains(&status) {
        Ok(())
    } else {
        Err(format!("HTTP probe failed with statuscode: {status}"))
    }
}

/// Counts results in a row until they mean something.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    successes: u64,
    failures: u64,
}

impl Tally {
    /// What the probe says after this result; none while it may still be chance.
    pub(super) fn count(&mut self, probe: &Probe, succeeded: bool) -> Option<bool> {
        if succeeded {
            self.failures = 0;
            self.successes += 1;
            (self.successes >= probe.success_threshold).then_some(true)
        } else {
            self.successes = 0;
            self.failures += 1;
            (self.failures >= probe.failure_threshold).then_some(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn probe(container: &Value) -> Probe {
        let address = IpAddr::from([127, 20, 64, 1]);
        Probe::of(container, "readinessProbe", address, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn a_probe_asks_the_pod_at_a_port_by_number_or_name() {
        let of = |action: Value| {
            let mut container = json!({ "ports": [{ "name": "http", "containerPort": 8080 }] });
            container["readinessProbe"] = action;
            probe(&container).question
        };
        let at = |port: u16| Question::Http {
            host: "127.20.64.1".to_owned(),
            port,
            path: "/readyz".to_owned(),
            headers: Vec::new(),
        };
        assert_eq!(
            of(json!({ "httpGet": { "path": "/readyz", "port": "http" } })),
            at(8080)
        );
        assert_eq!(
            of(json!({ "httpGet": { "path": "/readyz", "port": 81 } })),
            at(81)
        );
        let unknown = of(json!({ "tcpSocket": { "port": "grpc" } }));
        assert_eq!(
            unknown,
            Question::Unsupported("there is no port \"grpc\"".to_owned())
        );
    }

    #[test]
    fn results_mean_something_when_there_are_enough_in_a_row() {
        let probe = probe(&json!({ "readinessProbe": {
            "tcpSocket": { "port": 1 }, "successThreshold": 2, "failureThreshold": 3,
        } }));
        let mut tally = Tally::default();
        let said: Vec<Option<bool>> = [true, true, false, false, true, false, false, false, false]
            .into_iter()
            .map(|succeeded| tally.count(&probe, succeeded))
            .collect();
        let expected = [
            None,
            Some(true),
            None,
            None,
            None,
            None,
            None,
            Some(false),
            Some(false),
        ];
        assert_eq!(said, expected);
    }
}
