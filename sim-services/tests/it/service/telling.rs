//! What replicas say: lines, spans, ids, and what goes on to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use expect_test::expect;
use futures::FutureExt as _;
use hyper::HeaderMap;
use sim_services::net::Reply;
use sim_services::service::Message;
use sim_services::telemetry::{Attribute, LogEvent, Span};
use tokio::time::sleep;

use super::world::{Nobody, Recorder, Scripted, World, ask, get_as, ms, status};

const SHOP: &str = "
  front:
    environment: here
    version: 1.0.0
    protocol: http1
    workers: 10
    log: { dialect: nginx }
    routes:
      GET /api/products/{id}:
        steps: [ call: { service: catalog, route: shop.Catalog/Get, timeout: 1s } ]
  catalog:
    environment: here
    version: 2.0.0
    protocol: grpc
    workers: 10
    log: { dialect: spring }
    stores: { catalog-db: { system: postgresql, connections: 4, patience: 1s } }
    routes:
      shop.Catalog/Get:
        steps:
          - query: { store: catalog-db, statement: SELECT * FROM products WHERE id = ?, takes: { constant: 4ms } }
          - call: { service: stock, route: \"GET /stock/{id}\", timeout: 1s, attempts: 2, optional: true }
          - publish: jobs
  stock:
    environment: here
    version: 3.0.0
    protocol: http1
    workers: 10
    log: { dialect: syslog }
    tracing: { propagates: request-id, exports_spans: false }
    routes:
      GET /stock/{id}:
        error_ratio: 1
        steps: []
  worker:
    environment: here
    version: 4.0.0
    protocol: http1
    workers: 1
    log: { dialect: ecs }
    consumes:
      jobs:
        concurrency: 1
        steps:
          - work: { constant: 6ms }
          - call: { service: mute, route: POST /book, timeout: 1s }
  mute:
    environment: here
    version: 5.0.0
    protocol: http1
    workers: 1
    log: { dialect: plain }
    tracing: { propagates: nothing, exports_spans: false }
    routes:
      POST /book:
        steps: [ call: { service: front, route: \"GET /api/products/{id}\", timeout: 1s } ]
";

/// As a tree, with small numbers for ids.
fn tree(spans: &[Span]) -> String {
    let mut text = String::new();
    let known: Vec<[u8; 8]> = spans.iter().map(|span| span.id).collect();
    let roots = spans
        .iter()
        .filter(|span| span.parent.is_none_or(|parent| !known.contains(&parent)));
    for root in roots {
        branch(&mut text, spans, root, 0);
    }
    text
}

fn branch(text: &mut String, spans: &[Span], span: &Span, depth: usize) {
    let pad = "  ".repeat(depth);
    let took = span.end.since(span.start).as_millis();
    text.push_str(&format!("{pad}{:?} {} {took} ms", span.kind, span.name));
    if let Some(error) = &span.error {
        text.push_str(&format!(", failed: {error}"));
    }
    text.push('\n');
    for (name, value) in &span.attributes {
        let value = match value {
            Attribute::Text(value) => value.clone(),
            Attribute::Int(value) => value.to_string(),
            Attribute::Bool(value) => value.to_string(),
        };
        text.push_str(&format!("{pad}  · {name}={value}\n"));
    }
    for child in spans.iter().filter(|child| child.parent == Some(span.id)) {
        branch(text, spans, child, depth + 1);
    }
}

/// One line each, without ids.
fn lines(voice: &Recorder) -> String {
    let events = voice.events.lock().unwrap();
    events.iter().fold(String::new(), |text, event| {
        let line = match event {
            LogEvent::Access(access) => format!(
                "{} {} → {} {:?} in {} ms, {} bytes, {} {:?} {:?}",
                access.method,
                access.path,
                access.status,
                access.grpc_status,
                access.duration.as_millis(),
                access.response_bytes,
                access.peer,
                access.client,
                access.upstream,
            ),
            LogEvent::Message(message) => format!(
                "{:?} {}: {} {:?} {:?}",
                message.level, message.logger, message.text, message.fields, message.error
            ),
        };
        text + &line + "\n"
    })
}

fn request() -> sim_services::net::Request {
    let mut request = get_as("/api/products/4711?colour=red", "partners-1", "acme");
    let headers = &mut request.headers;
    headers.insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
    headers.insert("user-agent", "sdk/1".parse().unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn a_request_through_three_services_is_one_tree_and_some_lines() {
    let world = World::new(SHOP);
    let replicas = world.all();
    let reply = ask(&replicas["front"], request()).await;
    // `front` is no broker, so that the message is lost.
    assert_eq!(reply.status, 500);
    expect![[r#"
        Server GET /api/products/{id} 4 ms, failed: rpc error
          · http.request.method=GET
          · http.route=/api/products/{id}
          · url.path=/api/products/4711
          · http.response.status_code=500
          · client.address=192.0.2.7
          · user_agent.original=sdk/1
          · app.client.id=partners-1
          · app.tenant=acme
          · error.type=rpc error
          Client shop.Catalog/Get 4 ms, failed: 13
            · server.address=catalog
            · rpc.system=grpc
            · rpc.service=shop.Catalog
            · rpc.method=Get
            · rpc.grpc.status_code=13
            · error.type=13
            Server shop.Catalog/Get 4 ms, failed: org.springframework.web.client.HttpClientErrorException
              · rpc.system=grpc
              · rpc.service=shop.Catalog
              · rpc.method=Get
              · rpc.grpc.status_code=13
              · client.address=10.0.0.7
              · user_agent.original=nginx/1.27.3
              · app.client.id=partners-1
              · app.tenant=acme
              · error.type=org.springframework.web.client.HttpClientErrorException
              Client SELECT 4 ms
                · db.system.name=postgresql
                · db.namespace=catalog-db
                · db.query.text=SELECT * FROM products WHERE id = ?
              Client GET /stock/{id} 0 ms, failed: 500
                · server.address=stock
                · http.request.method=GET
                · url.full=http://stock/stock/4711
                · http.response.status_code=500
                · error.type=500
              Client GET /stock/{id} 0 ms, failed: 500
                · server.address=stock
                · http.request.method=GET
                · url.full=http://stock/stock/4711
                · http.response.status_code=500
                · http.request.resend_count=1
                · error.type=500
              Producer publish jobs 0 ms, failed: org.springframework.web.client.HttpClientErrorException
                · messaging.system=rabbitmq
                · messaging.destination.name=jobs
                · messaging.operation.type=publish
                · server.address=front
                · error.type=org.springframework.web.client.HttpClientErrorException
                Server POST 0 ms
                  · http.request.method=POST
                  · url.path=/queues/jobs/messages
                  · http.response.status_code=404
                  · client.address=192.0.2.7
                  · user_agent.original=grpc-java-netty/1.66.0
                  · app.client.id=partners-1
                  · app.tenant=acme
    "#]].assert_eq(&tree(&world.voice.spans.lock().unwrap()));
    expect![[r#"
        Error RequestHandler: unhandled error [] Some(("EIO", "input/output error"))
        GET /stock/4711 → 500 None in 0 ms, 14 bytes, 10.0.0.7 Some("partners-1") None
        Warn HttpClient: call to stock failed, attempt 2 of 2 follows [("peer", "stock"), ("peer_status", "500")] Some(("org.springframework.web.client.HttpServerErrorException", "500 Internal Server Error from stock"))
        Error RequestHandler: unhandled error [] Some(("EIO", "input/output error"))
        GET /stock/4711 → 500 None in 0 ms, 14 bytes, 10.0.0.7 Some("partners-1") None
        Warn HttpClient: going on without stock [("peer", "stock"), ("peer_status", "500")] Some(("org.springframework.web.client.HttpServerErrorException", "500 Internal Server Error from stock"))
        POST /queues/jobs/messages → 404 None in 0 ms, 14 bytes, 192.0.2.7 Some("partners-1") None
        Error Publisher: message to queue jobs could not be published [("peer", "front"), ("peer_status", "404")] Some(("org.springframework.web.client.HttpClientErrorException", "404 Not Found from front"))
        POST /shop.Catalog/Get → 200 Some(13) in 4 ms, 0 bytes, 10.0.0.7 Some("partners-1") Some(("stock", 0ns))
        Error HttpClient: catalog answered INTERNAL [("peer", "catalog"), ("peer_status", "INTERNAL")] Some(("rpc error", "rpc error: code = INTERNAL desc = catalog did not succeed"))
        GET /api/products/4711?colour=red → 500 None in 4 ms, 14 bytes, 192.0.2.7 Some("partners-1") Some(("catalog", 4ms))
    "#]].assert_eq(&lines(&world.voice));
}

#[tokio::test(start_paused = true)]
async fn ids_are_logged_and_passed_on_as_far_as_a_service_knows_them() {
    let world = World::new(SHOP);
    let good = |_: &sim_services::net::Request| status(200);
    let front_calls = Scripted::new(|_| {
        std::future::ready(Ok(Reply {
            status: 200,
            grpc_status: Some(0),
            body: Bytes::new(),
        }))
        .boxed()
    });
    let front = world.replica("front", 0, front_calls.clone());
    ask(&front, request()).await;
    let asked = front_calls.asked.lock().unwrap().remove(0).1;
    assert_eq!(asked.path, "/shop.Catalog/Get");
    assert_eq!(asked.headers["content-type"], "application/grpc");
    assert_eq!(asked.headers["x-client-id"], "partners-1");
    assert_eq!(asked.headers["x-tenant"], "acme");
    assert_eq!(asked.headers["x-forwarded-for"], "192.0.2.7");
    assert_eq!(
        asked.headers["x-request-id"].len(),
        32,
        "the edge makes one"
    );
    let spans = std::mem::take(&mut *world.voice.spans.lock().unwrap());
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    // The client's span comes first, as it ends first.
    let expected = format!("00-{}-{}-01", hex(&spans[0].trace), hex(&spans[0].id));
    assert_eq!(asked.headers["traceparent"], expected);

    // `catalog` goes on with the trace; it makes no request id of its own.
    let catalog_calls = Scripted::new(good);
    let catalog = world.replica("catalog", 0, catalog_calls.clone());
    let mut inner = asked.clone();
    inner.headers.remove("x-request-id");
    ask(&catalog, inner).await;
    let passed_on = std::mem::take(&mut *catalog_calls.asked.lock().unwrap());
    let kinds: BTreeMap<&str, bool> = passed_on
        .iter()
        .map(|(service, request)| {
            (
                service.as_str(),
                request.headers.contains_key("x-request-id"),
            )
        })
        .collect();
    assert_eq!(kinds, BTreeMap::from([("front", false), ("stock", false)]));
    assert_eq!(passed_on[0].1.path, "/stock/4711");
    assert_eq!(passed_on[1].1.path, "/queues/jobs/messages");
    assert_eq!(&passed_on[1].1.body[..], br#"{"id":"4711"}"#);
    let traces = world
        .voice
        .spans
        .lock()
        .unwrap()
        .iter()
        .all(|span| span.trace == spans[0].trace);
    assert!(traces);

    // `mute` knows nothing, but whose request it is.
    world.voice.events.lock().unwrap().clear();
    let mute_calls = Scripted::new(good);
    let mute = world.replica("mute", 0, mute_calls.clone());
    let mut book = asked;
    book.path = "/book".into();
    ask(&mute, book).await;
    let (_, beyond) = mute_calls.asked.lock().unwrap().remove(0);
    let mut names: Vec<&str> = beyond
        .headers
        .keys()
        .map(hyper::header::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["user-agent", "x-client-id", "x-forwarded-for", "x-tenant"]
    );
    let events = world.voice.events.lock().unwrap();
    let LogEvent::Access(access) = &events[events.len() - 1] else {
        panic!("{events:?}");
    };
    assert_eq!(access.ids, sim_services::telemetry::Ids::default());
    assert_eq!(
        access.peer, "10.0.0.7",
        "only the edge believes what it is told"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_is_handled_under_the_trace_of_who_sent_it() {
    let world = World::new(SHOP);
    let caller = Scripted::new(|_| {
        async {
            sleep(ms(3)).await;
            status(200).await
        }
        .boxed()
    });
    let worker = world.replica("worker", 0, caller.clone());
    let message = |body: &'static str| Message {
        id: "m-17".into(),
        headers: HeaderMap::from_iter([
            (
                "traceparent".parse().unwrap(),
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                    .parse()
                    .unwrap(),
            ),
            ("x-tenant".parse().unwrap(), "acme".parse().unwrap()),
        ]),
        body: Bytes::from_static(body.as_bytes()),
    };
    assert_eq!(
        worker.consume("jobs", message(r#"{"id":"4711"}"#)).await,
        Ok(())
    );
    let spans = std::mem::take(&mut *world.voice.spans.lock().unwrap());
    assert_eq!(
        spans[1].parent,
        Some([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7])
    );
    expect![[r#"
        Consumer process jobs 9 ms
          · messaging.system=rabbitmq
          · messaging.destination.name=jobs
          · messaging.operation.type=process
          · messaging.message.id=m-17
          · app.tenant=acme
          Client POST /book 3 ms
            · server.address=mute
            · http.request.method=POST
            · url.full=http://mute/book
            · http.response.status_code=200
    "#]]
    .assert_eq(&tree(&spans));
    expect![[r#"
        Info Application: handled message m-17 of jobs about 4711 in 9 ms [] None
    "#]]
    .assert_eq(&lines(&world.voice));
    assert_eq!(
        caller.asked.lock().unwrap()[0].1.headers["x-tenant"],
        "acme"
    );

    let alone = world.replica("worker", 0, Arc::new(Nobody));
    let failed = alone.consume("jobs", message("no json")).await;
    assert_eq!(failed, Err("call to mute failed".into()));
    assert!(alone.consume("others", message("")).await.is_err());
    assert_eq!(world.counts("worker").consumed, 2);
}
