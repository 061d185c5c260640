//! What is acknowledged survives SIGKILL, once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::process::Monitor;

const KILLS: u64 = 25;
const SENDERS: u64 = 4;
const BATCH: u64 = 20;

/// Which numbers were acknowledged, and which were only sent.
#[derive(Default)]
struct Ledger {
    acknowledged: BTreeMap<u64, ()>,
    sent: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_record_is_lost_or_doubled_by_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let client = reqwest::Client::new();
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let next = Arc::new(AtomicU64::new(0));
    let mut random = StdRng::seed_from_u64(0x5eed);
    for _ in 0..KILLS {
        let monitor = Monitor::start(folder.path());
        let url = format!("http://{}/insert/jsonline", monitor.otlp_http);
        // The moment is random in acknowledged batches; four senders are at any point of theirs.
        let until = random.random_range(1..120u64);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (enough, mut reached) = tokio::sync::mpsc::channel::<()>(1);
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            let (client, url) = (client.clone(), url.clone());
            let (ledger, next) = (Arc::clone(&ledger), Arc::clone(&next));
            let (acknowledged, enough) = (Arc::clone(&acknowledged), enough.clone());
            senders.spawn(async move {
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    let body = lines(first);
                    ledger.lock().await.sent += BATCH;
                    match client.post(&url).body(body).send().await {
                        Ok(response) if response.status().is_success() => {
                            let mut ledger = ledger.lock().await;
                            ledger
                                .acknowledged
                                .extend((first..first + BATCH).map(|n| (n, ())));
                            if acknowledged.fetch_add(1, Ordering::Relaxed) + 1 >= until {
                                // Full when another sender was first.
                                let _told = enough.try_send(());
                            }
                        }
                        // Killed: whether it was taken is unknown.
                        _ => return,
                    }
                }
            });
        }
        reached.recv().await.expect("a sender reaches the number");
        monitor.kill();
        while senders.join_next().await.is_some() {}
    }

    let monitor = Monitor::start(folder.path());
    let ledger = ledger.lock().await;
    let found = search_all(&client, &monitor).await;
    let missing: Vec<u64> = ledger
        .acknowledged
        .keys()
        .filter(|n| !found.contains_key(n))
        .copied()
        .collect();
    let doubled: Vec<(&u64, &u64)> = found.iter().filter(|(_, times)| **times > 1).collect();
    assert!(
        ledger.acknowledged.len() as u64 > KILLS * BATCH,
        "too little was sent to tell anything"
    );
    assert!(
        missing.is_empty(),
        "{} acknowledged records are missing: {missing:?}",
        missing.len()
    );
    assert!(
        doubled.is_empty(),
        "{} records are doubled: {doubled:?}",
        doubled.len()
    );
    assert!(found.len() as u64 <= ledger.sent);
}

/// A batch of records, each with a number of its own.
fn lines(first: u64) -> String {
    (first..first + BATCH)
        .map(|number| {
            format!(
                "{{\"service\":\"cart\",\"level\":\"info\",\"msg\":\"took order\",\"number\":{number},\
                 \"method\":\"POST\",\"path\":\"/orders\",\"status\":201,\"duration_ms\":{}}}\n",
                number % 90
            )
        })
        .collect()
}

/// How often each number is found.
async fn search_all(client: &reqwest::Client, monitor: &Monitor) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    let mut offset = 0;
    loop {
        let url = format!(
            "http://{}/api/v1/search?query=service:cart&limit=1000&order=oldest&offset={offset}",
            monitor.http
        );
        let response = client.get(url).send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{}",
            response.text().await.unwrap()
        );
        let page: serde_json::Value = response.json().await.unwrap();
        let records = page["records"].as_array().unwrap();
        for record in records {
            let line: serde_json::Value =
                serde_json::from_str(record["text"].as_str().unwrap()).unwrap();
            *found.entry(line["number"].as_u64().unwrap()).or_default() += 1;
        }
        offset += records.len();
        if records.is_empty() || offset as u64 >= page["total"].as_u64().unwrap() {
            return found;
        }
    }
}
