//! The WebSocket, over a real connection.

use std::time::Duration;

use expect_test::expect;
use futures::{SinkExt, StreamExt};
use monitor_api::LiveMessage;
use monitor_core::{Call, CallSource, CallStatus};
use monitor_serve::LiveEvent;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;

use super::fixture::{Site, noon};
use super::parcels::{key, view};
use super::usual;

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

struct Server {
    site: Site,
    address: String,
    stop: CancellationToken,
}

async fn server() -> Server {
    let site = usual();
    let stop = CancellationToken::new();
    let router = monitor_serve::router(site.ports.clone(), stop.clone(), std::convert::identity);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server {
        site,
        address,
        stop,
    }
}

impl Server {
    /// Connects, and waits until the subscription stands.
    async fn listen(&self, parameters: &str) -> Socket {
        let url = format!("ws://{}/api/v1/live{parameters}", self.address);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        assert!(matches!(next(&mut socket).await, LiveMessage::Hello { .. }));
        socket
    }

    fn tell(&self, event: LiveEvent) {
        self.site.ports.live.send(event).unwrap();
    }
}

async fn next(socket: &mut Socket) -> LiveMessage {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
}

fn call(service: &str) -> LiveEvent {
    LiveEvent::Call(Call {
        api: key("dc-north", service, "POST", "/labels"),
        source: CallSource::Log,
        end: noon(),
        duration: Some(Duration::from_millis(31)),
        response_bytes: None,
        status: CallStatus::Http(503),
        error_type: Some("PrinterOffline".into()),
        instance: "a-0".into(),
        version: None,
        caller: None,
        client: None,
        trace_id: None,
        span_id: None,
        parent: None,
        request_id: None,
        synthetic: false,
    })
}

#[tokio::test]
async fn events_arrive_as_they_happen() {
    let server = server().await;
    let mut socket = server.listen("").await;
    server.tell(call("labels"));
    let message = serde_json::to_string_pretty(&next(&mut socket).await).unwrap();
    expect![[r#"
        {
          "type": "call",
          "api_id": "7ef39a5d5a397eda",
          "environment": "dc-north",
          "namespace": "post",
          "service": "labels",
          "method": "POST",
          "route": "/labels",
          "source": "log",
          "end": "2026-11-21T12:00:00Z",
          "duration_seconds": 0.031,
          "status": "503",
          "outcome": "server-error",
          "error_type": "PrinterOffline",
          "trace_id": null,
          "skipped": 0
        }"#]]
    .assert_eq(&message);

    let view = view(noon());
    server.tell(LiveEvent::Anomaly(view.anomalies[0].clone()));
    let LiveMessage::Anomaly(anomaly) = next(&mut socket).await else {
        panic!()
    };
    assert_eq!(anomaly.id, "0000000000000051");
    server.tell(LiveEvent::Incident(view.incidents[0].clone()));
    let LiveMessage::Incident(incident) = next(&mut socket).await else {
        panic!()
    };
    assert_eq!(incident.suspects[0].workload.service, "tariffs");
    server.tell(LiveEvent::Alert(view.alerts[0].clone()));
    let LiveMessage::Alert(alert) = next(&mut socket).await else {
        panic!()
    };
    assert_eq!(alert.labels["service"], "tariffs");
}

#[tokio::test]
async fn a_reader_gets_what_it_asked_for() {
    let server = server().await;
    let mut socket = server
        .listen("?kinds=alerts,incidents,calls&service=post/tariffs")
        .await;
    let view = view(noon());
    server.tell(call("labels"));
    server.tell(LiveEvent::Incident(view.incidents[1].clone()));
    server.tell(LiveEvent::Anomaly(view.anomalies[0].clone()));
    server.tell(LiveEvent::Alert(view.alerts[0].clone()));
    server.tell(call("tariffs"));
    assert!(matches!(next(&mut socket).await, LiveMessage::Alert(_)));
    let LiveMessage::Call(call) = next(&mut socket).await else {
        panic!()
    };
    assert_eq!(call.service, "tariffs");
}

#[tokio::test]
async fn a_reader_that_lags_is_told_how_many_it_missed() {
    let server = server().await;
    let mut socket = server.listen("?kinds=anomalies").await;
    // On one thread, all of these are told before the reader's task runs again: 16 fit, 4 are lost.
    let anomaly = view(noon()).anomalies[0].clone();
    for _ in 0..20 {
        server.tell(LiveEvent::Anomaly(anomaly.clone()));
    }
    assert_eq!(next(&mut socket).await, LiveMessage::Lagged { missed: 4 });
    assert!(matches!(next(&mut socket).await, LiveMessage::Anomaly(_)));
}

#[tokio::test]
async fn stopping_says_goodbye() {
    let server = server().await;
    let mut socket = server.listen("").await;
    server.stop.cancel();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
}

#[tokio::test]
async fn a_reader_that_leaves_gives_its_place_back() {
    let server = server().await;
    for _ in 0..80 {
        let mut socket = server.listen("").await;
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
        // The server's side is over when its subscription is.
        while server.site.ports.live.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn long_messages_from_readers_end_the_connection() {
    let server = server().await;
    let mut socket = server.listen("").await;
    socket.send(Message::text("x".repeat(5_000))).await.unwrap();
    let last = loop {
        match socket.next().await {
            Some(Ok(Message::Ping(_))) => {}
            other => break other,
        }
    };
    assert!(!matches!(last, Some(Ok(Message::Text(_)))), "{last:?}");
}

#[tokio::test]
async fn pages_of_others_are_refused() {
    let server = server().await;
    let url = format!("ws://{}/api/v1/live", server.address);
    let mut request = url.as_str().into_client_request().unwrap();
    request
        .headers_mut()
        .insert("origin", "http://elsewhere.example".parse().unwrap());
    let error = tokio_tungstenite::connect_async(request).await.unwrap_err();
    let tungstenite::Error::Http(response) = error else {
        panic!("{error}")
    };
    assert_eq!(response.status(), 403);

    let mut request = url.into_client_request().unwrap();
    let own = format!("http://{}", server.address);
    request.headers_mut().insert("origin", own.parse().unwrap());
    tokio_tungstenite::connect_async(request).await.unwrap();
}

#[tokio::test]
async fn bad_filters_are_explained_before_the_upgrade() {
    let server = server().await;
    for parameters in ["?kinds=gossip", "?calls_per_second=1001", "?colour=red"] {
        let url = format!("ws://{}/api/v1/live{parameters}", server.address);
        let error = tokio_tungstenite::connect_async(url).await.unwrap_err();
        let tungstenite::Error::Http(response) = error else {
            panic!("{error}")
        };
        assert_eq!(response.status(), 400, "{parameters}");
    }
}
