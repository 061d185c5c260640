//! Fields, histogram, facets, and what a hit shows.

use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use monitor_core::{
    CallStatus, DurationOrigin, Environment, Kind, LogSearch, Record, Resource, SearchRequest,
    ServiceKey, Severity, SpanKind, Value,
};
use monitor_store::{Index, IndexConfig};
use tempfile::{TempDir, tempdir};

use crate::index::numbered;
use crate::records::{DAY, at, record};

fn resource(service: &str, environment: &str) -> Arc<Resource> {
    Arc::new(Resource {
        service: ServiceKey::new("shop", service),
        version: Some("1.4.2".into()),
        instance: format!("{service}-0").into(),
        environment: Environment {
            name: environment.into(),
            ..Environment::default()
        },
        attributes: Vec::new(),
    })
}

/// Six records with letters for names.
fn shop() -> (TempDir, Arc<dyn LogSearch>) {
    let text = |letter: &str, rest: &str| format!("{letter}: {rest}");
    let mut records: Vec<Record> = Vec::new();
    let mut add = |letter: &str, seconds: i64, rest: &str, change: &dyn Fn(&mut Record)| {
        let mut made = record(at(seconds), &text(letter, rest), true);
        made.resource = resource("cart", "site-a");
        change(&mut made);
        records.push(made);
    };
    add("a", 0, "GET /cart/17/items took 12 ms", &|record| {
        record.severity = Some(Severity::Info);
        record.facts.method = Some("GET".into());
        record.facts.path = Some("/cart/17/items".to_owned());
        record.facts.route = Some("/cart/{id}/items".into());
        record.facts.status = Some(CallStatus::Http(200));
        record.facts.duration = Some((Duration::from_millis(12), DurationOrigin::Written));
        record.facts.client = Some("10.0.0.7".into());
        record.ids.trace_id = "0af7651916cd43dd8448eb211c80319c".parse().ok();
        record.ids.span_id = "b7ad6b7169203331".parse().ok();
    });
    add("b", 10, "GET /cart/18/items failed", &|record| {
        record.severity = Some(Severity::Error);
        record.facts.method = Some("GET".into());
        record.facts.path = Some("/cart/18/items".to_owned());
        record.facts.route = Some("/cart/{id}/items".into());
        record.facts.status = Some(CallStatus::Http(503));
        record.facts.duration = Some((Duration::from_millis(1500), DurationOrigin::Written));
        record.facts.error_type = Some("timeout".into());
        record.facts.callee = Some("stock".into());
        record.ids.request_id = Some("Req-77".into());
    });
    add("c", 20, "cache warm", &|record| {
        record.resource = resource("stock", "site-b");
        record.severity = Some(Severity::Warn);
        record.attributes = vec![
            ("cache.name".into(), Value::Str("Price List".to_owned())),
            ("entries".into(), Value::Int(4200)),
            ("warm".into(), Value::Bool(true)),
        ];
    });
    add("d", 30, "POST /checkout", &|record| {
        record.kind = Kind::Span;
        record.resource = resource("checkout", "site-b");
        record.span = Some((SpanKind::Server, Duration::from_millis(250)));
        record.facts.status = Some(CallStatus::Grpc(14));
        record.ids.trace_id = "0af7651916cd43dd8448eb211c80319c".parse().ok();
        record.ids.parent_span_id = "b7ad6b7169203331".parse().ok();
    });
    add("e", DAY, "next day", &|record| {
        record.attributes = vec![("entries".into(), Value::Str("17".to_owned()))];
    });
    add("f", 2 * DAY, "no facts at all", &|_| {});
    let dir = tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), IndexConfig::default()).unwrap();
    index.add(1, &numbered(records)).unwrap();
    index.commit().unwrap();
    let search = index.search();
    (dir, search)
}

fn request(query: &str) -> SearchRequest {
    SearchRequest {
        query: query.to_owned(),
        newest_first: false,
        ..SearchRequest::default()
    }
}

#[test]
fn fields_find_records() {
    let (_dir, search) = shop();
    let cases = [
        ("", "abcdef"),
        ("service:cart", "abef"),
        ("service:CART env:site-a", "abef"),
        ("service:c*", "abdef"),
        ("namespace:shop version:1.4.2", "abcdef"),
        ("instance:stock-0", "c"),
        ("kind:span", "d"),
        ("severity:error", "b"),
        ("level:>=warn", "bc"),
        ("severity:*", "abc"),
        ("-severity:*", "def"),
        ("status:503", "b"),
        ("status:5xx", "b"),
        ("status:5*", "b"),
        ("status:[200 TO 299]", "a"),
        ("status:<100", "d"),
        ("duration:>250ms", "b"),
        ("duration:>=250", "bd"),
        ("duration:[10ms TO 1s}", "ad"),
        ("duration:*", "abd"),
        ("method:get route:/cart/{id}/items", "ab"),
        ("path:/cart/17/items", "a"),
        ("path:/cart/*/items", "ab"),
        ("path:[/cart/18 TO *]", "b"),
        ("client:10.0.0.7", "a"),
        ("trace_id:0af7651916cd43dd8448eb211c80319c", "ad"),
        ("trace_id:0af7*", "ad"),
        ("0af7651916cd43dd8448eb211c80319c", "ad"),
        ("b7ad6b7169203331", "ad"),
        ("parent_span_id:*", "d"),
        ("request_id:req-77", "b"),
        ("error.type:timeout callee:stock", "b"),
        ("cache.name:price", "c"),
        ("cache.name:\"price list\"", "c"),
        ("attributes.cache.name:\"list price\"", ""),
        ("cache.name:pri*", "c"),
        ("entries:*", "ce"),
        ("entries:>100", "c"),
        ("entries:[10 TO 20]", "e"),
        ("warm:true", "c"),
        ("span.kind:server", "d"),
        ("time:2023-11-16", "e"),
        ("time:<2023-11-16", "abcd"),
        ("time:[2023-11-16 TO *]", "ef"),
        ("text:cart -text:failed", "a"),
        ("service:(stock OR checkout)", "cd"),
        ("NOT (service:cart OR kind:span)", "c"),
        ("items OR day", "abe"),
        ("\"cart 18 items\"", "b"),
        ("/cart/18/items", "b"),
        ("it?ms", "ab"),
        ("it*s 17", "a"),
        ("nosuchfield:x", ""),
    ];
    for (query, expected) in cases {
        let page = search.search(&request(query)).unwrap();
        let found: String = page.hits.iter().map(|hit| &hit.text[..1]).collect();
        assert_eq!(found, expected, "{query}");
        assert_eq!(page.total, expected.len() as u64, "{query}");
    }
    // A template's number finds its records, and facets give the numbers.
    let templates = search.facets(&request("cart"), "template", 10).unwrap();
    assert_eq!(templates.len(), 2);
    for template in templates {
        let query = format!("template:{}", template.value);
        assert_eq!(
            search.search(&request(&query)).unwrap().total,
            template.count
        );
    }
}

#[test]
fn the_time_of_the_request_is_a_half_open_range() {
    let (_dir, search) = shop();
    let page = search
        .search(&SearchRequest {
            from: Some(at(10)),
            to: Some(at(DAY)),
            newest_first: true,
            ..SearchRequest::default()
        })
        .unwrap();
    let found: String = page.hits.iter().map(|hit| &hit.text[..1]).collect();
    assert_eq!(found, "dcb");
}

#[test]
fn a_hit_shows_all_that_is_known() {
    let (_dir, search) = shop();
    let hits = search
        .search(&request("status:503 OR kind:span"))
        .unwrap()
        .hits;
    expect![[r#"
        [
            Hit {
                id: RecordId {
                    batch: 1,
                    item: 1,
                },
                kind: Log,
                time: Time(
                    1700006410000000000,
                ),
                service: ServiceKey {
                    namespace: "shop",
                    name: "cart",
                },
                environment: "site-a",
                instance: "cart-0",
                severity: Some(
                    Error,
                ),
                format: Some(
                    "plain",
                ),
                text: "b: GET /cart/18/items failed",
                template: Some(
                    "b: GET /cart/<*>/items failed",
                ),
                trace_id: None,
                span_id: None,
                attributes: [
                    (
                        "request_id",
                        Str(
                            "Req-77",
                        ),
                    ),
                    (
                        "method",
                        Str(
                            "GET",
                        ),
                    ),
                    (
                        "route",
                        Str(
                            "/cart/{id}/items",
                        ),
                    ),
                    (
                        "path",
                        Str(
                            "/cart/18/items",
                        ),
                    ),
                    (
                        "status",
                        Int(
                            503,
                        ),
                    ),
                    (
                        "duration",
                        Float(
                            1500.0,
                        ),
                    ),
                    (
                        "callee",
                        Str(
                            "stock",
                        ),
                    ),
                    (
                        "error.type",
                        Str(
                            "timeout",
                        ),
                    ),
                ],
            },
            Hit {
                id: RecordId {
                    batch: 1,
                    item: 3,
                },
                kind: Span,
                time: Time(
                    1700006430000000000,
                ),
                service: ServiceKey {
                    namespace: "shop",
                    name: "checkout",
                },
                environment: "site-b",
                instance: "checkout-0",
                severity: None,
                format: Some(
                    "plain",
                ),
                text: "d: POST /checkout",
                template: Some(
                    "d: POST /checkout",
                ),
                trace_id: Some(
                    0af7651916cd43dd8448eb211c80319c,
                ),
                span_id: None,
                attributes: [
                    (
                        "parent_span_id",
                        Str(
                            "b7ad6b7169203331",
                        ),
                    ),
                    (
                        "status",
                        Int(
                            14,
                        ),
                    ),
                    (
                        "duration",
                        Float(
                            250.0,
                        ),
                    ),
                    (
                        "span.kind",
                        Str(
                            "server",
                        ),
                    ),
                ],
            },
        ]
    "#]]
    .assert_debug_eq(&hits);
}

#[test]
fn facets_count_values() {
    let (_dir, search) = shop();
    let check = |field: &str, expected: Expect| {
        let shown = match search.facets(&request(""), field, 3) {
            Ok(counts) => counts
                .iter()
                .map(|facet| format!("{} {}", facet.value, facet.count))
                .collect::<Vec<_>>()
                .join(", "),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    };
    check("service", expect!["cart 4, checkout 1, stock 1"]);
    check("severity", expect!["ERROR 1, INFO 1, WARN 1"]);
    check("status", expect!["14 1, 200 1, 503 1"]);
    check("path", expect!["/cart/17/items 1, /cart/18/items 1"]);
    check("entries", expect!["17 1, 4200 1"]);
    check("nothing", expect![""]);
    check(
        "duration",
        expect![
            "cannot search by `duration`: fields are text, time, kind, service, namespace, environment, instance, version, format, stream, severity, trace_id, span_id, parent_span_id, request_id, correlation_id, method, route, path, status, duration, template, caller, callee, client, error.type, and any attribute by its key"
        ],
    );
}

#[test]
fn histograms_have_empty_intervals_and_an_end() {
    let (_dir, search) = shop();
    let step = Duration::from_secs(10);
    let within = SearchRequest {
        from: Some(at(0)),
        to: Some(at(50)),
        ..request("-cache")
    };
    let counts: Vec<u64> = search
        .histogram(&within, step)
        .unwrap()
        .iter()
        .map(|bucket| bucket.count)
        .collect();
    assert_eq!(counts, [1, 1, 0, 1, 0]);
    let open = search.histogram(&request("day OR facts"), Duration::from_secs(DAY as u64));
    assert_eq!(open.unwrap().len(), 2);
    let error = search
        .histogram(&request(""), Duration::from_millis(1))
        .unwrap_err();
    expect!["query: the time range holds 172800001 intervals of 1ms, of which at most 10000 are counted at once: choose longer ones at character 1"]
        .assert_eq(&error.to_string());
}

#[test]
fn values_that_are_not_understood_are_explained() {
    let (_dir, search) = shop();
    let check = |query: &str, expected: Expect| {
        let error = search.search(&request(query)).unwrap_err();
        expected.assert_eq(&error.to_string());
    };
    check(
        "a duration:fast",
        expect!["query: expected a duration such as 250ms or 1.5s, found `fast` at character 3"],
    );
    check(
        "status:bad",
        expect!["query: expected a number such as 500, found `bad` at character 1"],
    );
    check(
        "time:[now TO *]",
        expect![
            "query: expected a time such as 2026-01-31 or 2026-01-31T10:05:00Z, found `now` at character 1"
        ],
    );
    check(
        "level:loud",
        expect![
            "query: expected one of trace, debug, info, warn, error, fatal, found `loud` at character 1"
        ],
    );
    check(
        "a (b",
        expect!["query: this `(` is never closed at character 3"],
    );
    check(
        "-->",
        expect!["query: expected a word: there is no letter or digit in this term at character 1"],
    );
}
