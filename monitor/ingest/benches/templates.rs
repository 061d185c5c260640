//! MB/s of what every record passes: redaction, template mining, routes.
//!
//! `cargo bench -p monitor-ingest --bench templates`

use divan::Bencher;
use divan::counter::BytesCount;
use monitor_ingest::redact::{RedactConfig, RedactionCounts, Redactor};
use monitor_ingest::routes::RouteLearner;
use monitor_ingest::templates::{Limits, Miner};

fn main() {
    divan::main();
}

/// Messages of about 250 bytes, as an order service might write them.
fn messages() -> Vec<String> {
    (0..1_000u64)
        .map(|i| {
            let id = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            match i % 4 {
                0 => format!(
                    "[OrderServiceImpl][createOrder][Create Order Success][orderId: {id:016x}-77aa, \
                     accountId: 4d2a46c7-71cb-4cf1-b5bb-{id:012x}, seat: {}, price: {}.50, \
                     train: G{}, from: shanghai, to: suzhou, status: {}, retried: false, elapsed: {} ms]",
                    i % 90, i % 300, 1000 + i % 9000, i % 6, i % 1700
                ),
                1 => format!(
                    "Completed request GET /api/v1/orders/{id} for client 10.0.{}.{} with status 200 in {} ms; \
                     upstream cart-{}.shop.svc.cluster.local answered after {} ms, {} bytes were sent to the \
                     client, connection kept alive, cache was not used for this request",
                    i % 250, i % 200, i % 900, i % 7, i % 800, id % 90_000
                ),
                2 => format!(
                    "Consumer of queue payments acknowledged message {id:032x} of partition {} at offset {} \
                     after {} attempts; the handler needed {} us and the broker reported a backlog of {} messages \
                     which is below the configured limit of 10000 messages for it",
                    i % 12, id % 1_000_000, i % 3, i % 4000, i % 9000
                ),
                _ => format!(
                    "Inventory of warehouse {} was synchronised: {} items changed, {} items removed, {} items \
                     added since 2026-11-21T10:{:02}:{:02}.123Z, the next synchronisation is scheduled to run in \
                     {} seconds unless the operator pauses it before that moment",
                    i % 40, i % 100, i % 10, i % 20, i % 60, i % 60, i % 600
                ),
            }
        })
        .collect()
}

fn bytes(texts: &[String]) -> BytesCount {
    BytesCount::new(texts.iter().map(String::len).sum::<usize>())
}

#[divan::bench]
fn mine(bencher: Bencher<'_, '_>) {
    let messages = messages();
    let mut miner = Miner::new("shop", Limits::default());
    bencher.counter(bytes(&messages)).bench_local(|| {
        messages
            .iter()
            .map(|message| miner.mine(message).variables.len())
            .sum::<usize>()
    });
}

#[divan::bench]
fn redact_clean(bencher: Bencher<'_, '_>) {
    let messages = messages();
    let redactor = Redactor::new(RedactConfig::default()).expect("the built-in rules are valid");
    let mut counts = RedactionCounts::default();
    bencher.counter(bytes(&messages)).bench_local(|| {
        messages
            .iter()
            .map(|message| redactor.redact_text(message, &mut counts).len())
            .sum::<usize>()
    });
    assert_eq!(counts.total(), 0, "the messages hold nothing to redact");
}

#[divan::bench]
fn redact_dirty(bencher: Bencher<'_, '_>) {
    let messages: Vec<String> = messages()
        .iter()
        .map(|message| format!("{message} password=hunter2 mail=ana@mail.example.com"))
        .collect();
    let redactor = Redactor::new(RedactConfig::default()).expect("the built-in rules are valid");
    let mut counts = RedactionCounts::default();
    bencher.counter(bytes(&messages)).bench_local(|| {
        messages
            .iter()
            .map(|message| redactor.redact_text(message, &mut counts).len())
            .sum::<usize>()
    });
}

#[divan::bench]
fn route(bencher: Bencher<'_, '_>) {
    let paths: Vec<String> = (0..1_000u64)
        .map(|i| match i % 4 {
            0 => format!("/api/v1/orders/{i}/items"),
            1 => format!("/api/v1/users/4d2a46c7-71cb-4cf1-b5bb-{i:012x}"),
            2 => "/api/v1/carts/search?term=shoe&page=2".to_owned(),
            _ => format!("/static/js/app.{i:08x}.js"),
        })
        .collect();
    let mut learner = RouteLearner::default();
    bencher.counter(bytes(&paths)).bench_local(|| {
        paths
            .iter()
            .map(|path| learner.route(path).len())
            .sum::<usize>()
    });
}
