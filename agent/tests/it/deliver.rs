//! What was read arrives, whatever the monitor does meanwhile.

use std::path::Path;
use std::time::Duration;

use agent::args::AgentArgs;
use agent::run::{Running, start};
use clap::Parser;

use crate::node::Node;
use crate::receiver::{Mood, Receiver};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    agent: AgentArgs,
}

/// What is written on the command line.
pub(crate) fn arguments(
    logs: &Path,
    receiver: &Receiver,
    state: Option<&Path>,
    more: &[&str],
) -> AgentArgs {
    let mut words = vec![
        "agent".to_owned(),
        format!("--monitor=http://{}", receiver.address),
        format!("--logs={}", logs.display()),
        // The lines of these tests are as old as their fixed times.
        "--look-back-seconds=1000000000".to_owned(),
    ];
    words.extend(state.map(|folder| format!("--state={}", folder.display())));
    words.extend(more.iter().map(|word| (*word).to_owned()));
    Cli::try_parse_from(words).expect("arguments").agent
}

/// An agent without a cluster.
async fn agent(node: &Node, receiver: &Receiver, state: Option<&Path>, more: &[&str]) -> Running {
    let mut words = vec!["--no-cluster"];
    words.extend_from_slice(more);
    let args = arguments(node.root(), receiver, state, &words);
    start(args, async || unreachable!("no cluster is asked"))
        .await
        .expect("an agent")
}

/// The value of a series, written as Prometheus does.
pub(crate) fn metric(running: &Running, series: &str) -> f64 {
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&running.registry.gather())
        .expect("metrics");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {text}"))
        .parse()
        .expect("a number")
}

/// Numbers have no events: they are looked at until they are right.
pub(crate) async fn until(what: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while !what() {
            looks.tick().await;
        }
    });
    waited.await.expect("it happens");
}

#[tokio::test]
async fn lines_arrive_with_their_times_and_what_the_path_says() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let running = agent(&node, &receiver, None, &["--node=worker-1"]).await;
    let mut web = node.container("cart-7d4b9c6f5-x2x9k", "web");
    web.line("GET /cart 200");
    receiver.taken(1).await;
    let record = receiver.records().remove(0);
    assert_eq!(record.text, "GET /cart 200");
    assert_eq!(record.nanos, 1_795_284_000_000_000_001);
    let attributes: Vec<String> = record
        .resource
        .iter()
        .chain(&record.attributes)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    expect_test::expect![[r#"
        crosswatch.environment=unknown
        crosswatch.metadata=path
        k8s.container.name=web
        k8s.container.restart_count=0
        k8s.namespace.name=shop
        k8s.node.name=worker-1
        k8s.pod.name=cart-7d4b9c6f5-x2x9k
        k8s.pod.uid=uid-cart-7d4b9c6f5-x2x9k
        log.file.path=/var/log/pods/shop_cart-7d4b9c6f5-x2x9k_uid-cart-7d4b9c6f5-x2x9k/web/0.log
        service.instance.id=shop.cart-7d4b9c6f5-x2x9k.web
        service.name=cart
        service.namespace=shop
        log.iostream=stdout"#]]
    .assert_eq(&attributes.join("\n"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_restart_sends_nothing_twice_and_misses_nothing() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let state = tempfile::tempdir().unwrap();
    let mut web = node.container("cart-0", "web");
    web.line("one");
    let running = agent(&node, &receiver, Some(state.path()), &[]).await;
    receiver.taken(1).await;
    web.line("just before the end");
    running.stop().await.unwrap();
    web.line("in between");
    web.rotate();
    web.line("behind a rotation");
    let running = agent(&node, &receiver, Some(state.path()), &[]).await;
    receiver.taken(4).await;
    running.stop().await.unwrap();
    assert_eq!(
        receiver.texts(),
        [
            "one",
            "just before the end",
            "in between",
            "behind a rotation"
        ]
    );
}

#[tokio::test]
async fn while_the_monitor_is_away_the_disk_keeps_everything_over_a_restart() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Away).await);
    let state = tempfile::tempdir().unwrap();
    let mut web = node.container("cart-0", "web");
    web.line("one");
    let running = agent(&node, &receiver, Some(state.path()), &[]).await;
    receiver.turned_away(1).await;
    until(|| metric(&running, "crosswatch_agent_spool_records") == 1.0).await;
    web.line("two");
    until(|| metric(&running, "crosswatch_agent_spool_records") == 2.0).await;
    running.stop().await.unwrap();
    // The kubelet may throw the logs away meanwhile.
    std::fs::remove_dir_all(&web.folder).unwrap();
    let running = agent(&node, &receiver, Some(state.path()), &[]).await;
    node.container("cart-1", "web").line("three");
    until(|| metric(&running, "crosswatch_agent_spool_records") == 3.0).await;
    receiver.set(Mood::Takes);
    receiver.taken(3).await;
    assert_eq!(receiver.texts(), ["one", "two", "three"]);
    until(|| metric(&running, "crosswatch_agent_spool_bytes") == 0.0).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_disk_the_log_files_themselves_wait() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Away).await);
    let mut web = node.container("cart-0", "web");
    let running = agent(&node, &receiver, None, &[]).await;
    let numbers: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    for line in &numbers {
        web.line(line);
    }
    receiver.turned_away(2).await;
    receiver.set(Mood::Takes);
    receiver.taken(50).await;
    assert_eq!(receiver.texts(), numbers);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_spool_that_is_full_loses_its_oldest_and_counts_them() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Away).await);
    let state = tempfile::tempdir().unwrap();
    let mut web = node.container("cart-0", "web");
    let running = agent(&node, &receiver, Some(state.path()), &["--spool-bytes=900"]).await;
    let lost = "crosswatch_agent_dropped_records_total{reason=\"spool_full\"}";
    let mut written = 0;
    while metric(&running, lost) == 0.0 {
        written += 1;
        web.line(&format!("line {written}"));
        let read = f64::from(written);
        until(|| metric(&running, "crosswatch_agent_read_records_total") == read).await;
    }
    until(|| {
        let kept = metric(&running, "crosswatch_agent_spool_records");
        kept + metric(&running, lost) == f64::from(written)
    })
    .await;
    let lost = metric(&running, lost) as usize;
    receiver.set(Mood::Takes);
    receiver.taken(written as usize - lost).await;
    running.stop().await.unwrap();
    let expected = (lost + 1..=written as usize).map(|n| format!("line {n}"));
    assert_eq!(receiver.texts(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_makes_the_files_wait() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Away).await);
    let state = tempfile::tempdir().unwrap();
    let mut web = node.container("cart-0", "web");
    web.line("one");
    let running = agent(&node, &receiver, Some(state.path()), &[]).await;
    until(|| metric(&running, "crosswatch_agent_spool_records") == 1.0).await;
    let spool = state.path().join("spool");
    let moved = state.path().join("moved");
    std::fs::rename(&spool, &moved).unwrap();
    std::fs::write(&spool, "in the way").unwrap();
    web.line("two");
    until(|| metric(&running, "crosswatch_agent_spool_failures_total") >= 1.0).await;
    std::fs::remove_file(&spool).unwrap();
    std::fs::rename(&moved, &spool).unwrap();
    receiver.set(Mood::Takes);
    receiver.taken(2).await;
    running.stop().await.unwrap();
    assert_eq!(receiver.texts(), ["one", "two"]);
}

#[tokio::test]
async fn what_is_refused_for_good_is_counted_and_holds_nothing_up() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Refuses).await);
    let mut web = node.container("cart-0", "web");
    let running = agent(&node, &receiver, None, &[]).await;
    web.line("one");
    let lost = "crosswatch_agent_dropped_records_total{reason=\"refused\"}";
    until(|| metric(&running, lost) == 1.0).await;
    receiver.set(Mood::RefusesOne);
    web.line("two");
    until(|| metric(&running, lost) == 2.0).await;
    receiver.set(Mood::Takes);
    web.line("three");
    receiver.taken(2).await;
    assert_eq!(receiver.texts(), ["two", "three"]);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_is_read_anew_for_each_request() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let flag = format!("--token-file={}", token.display());
    let mut web = node.container("cart-0", "web");
    let running = agent(&node, &receiver, None, &[&flag]).await;
    web.line("one");
    receiver.taken(1).await;
    std::fs::write(&token, "second\n").unwrap();
    web.line("two");
    receiver.taken(2).await;
    assert_eq!(receiver.authorizations(), ["Bearer first", "Bearer second"]);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_record_has_the_same_id_whenever_it_is_sent() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let mut web = node.container("cart-0", "web");
    web.line("one");
    web.line("two");
    for sent in [2, 4] {
        // Without a state folder nothing is remembered.
        let running = agent(&node, &receiver, None, &["--record-ids"]).await;
        receiver.taken(sent).await;
        running.stop().await.unwrap();
    }
    let ids: Vec<String> = receiver
        .records()
        .into_iter()
        .map(|it| it.attributes["log.record.uid"].clone())
        .collect();
    assert_eq!(ids[..2], ids[2..]);
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn the_agent_says_how_it_is() {
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let running = agent(&node, &receiver, None, &["--listen=127.0.0.1:0"]).await;
    node.container("cart-0", "web").line("one");
    receiver.taken(1).await;
    let address = running.address.unwrap();
    let get = async |path: &str| {
        let response = reqwest::get(format!("http://{address}{path}"))
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/livez").await.0, 200);
    assert_eq!(get("/readyz").await.0, 200);
    let (status, text) = get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        text.contains("crosswatch_agent_read_records_total 1"),
        "{text}"
    );
    running.stop().await.unwrap();
}
