//! What a hop through the mesh costs at low load, how much goes through the edge, and how fast
//! virtual time passes. Prints what it measured: the figures are about a whole platform, so that
//! a harness that repeats a small function would not do.
//!
//! `cargo bench -p sim-services --bench hop`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads a clock and prints"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use sim_services::clock::{Clock, Moment};
use sim_services::load::{Load, Rate, Summary};
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::mesh::{Mesh, MeshConfig};
use sim_services::net::{Request, Wire};
use sim_services::telemetry::sink::Counting;
use sim_services::topology::Topology;
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (one, five) =
        runtime.block_on(async { anyhow::Ok((latency(1).await?, latency(5).await?)) })?;
    let micros = |length: Duration| length.as_secs_f64() * 1e6;
    println!(
        "hop: one service {:.0} us, a chain of five {:.0} us (medians)",
        micros(one),
        micros(five)
    );
    let hop = (micros(five) - micros(one)) / 4.0;
    println!("hop: {hop:.0} us each");
    anyhow::ensure!(hop < 200.0, "a hop must cost less than 200 us");
    for per_second in [500.0, 1_000.0, 2_000.0] {
        let (summary, lines) = runtime.block_on(edge(per_second))?;
        println!(
            "edge: {per_second} requests/s asked, {:.0} answered, {:.2} % failed, \
             p50 {:.1} ms, p99 {:.1} ms, generator late by {:.1} ms at p99, {lines} lines and spans",
            summary.all.per_second,
            summary.all.failed_ratio * 100.0,
            summary.all.latency.p50_ms,
            summary.all.latency.p99_ms,
            summary.late.p99_ms,
        );
    }
    let length = Duration::from_secs(120);
    let began = Instant::now();
    run_virtual(Moment::from_secs(1_700_568_000), async |clock| {
        shop(Wire::memory(), clock, Rate::Journeys(20.0), length).await
    })??;
    let speed = length.as_secs_f64() / began.elapsed().as_secs_f64();
    println!("virtual time: {speed:.0} s of the shop at 20 journeys/s in a second");
    Ok(())
}

/// The median of requests made one after the other through so many services that do nothing.
async fn latency(services: usize) -> anyhow::Result<Duration> {
    const REQUESTS: usize = 3_000;
    let sink = Arc::new(Counting::default());
    let mesh = Mesh::start(MeshConfig {
        topology: Arc::new(Topology::parse(&chain(services))?),
        wire: Wire::Tcp,
        clock: Clock::wall().await,
        seed: 1,
        sink: sink.clone(),
    })
    .await?;
    let caller = mesh.clients();
    let mut took = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let request = Request {
            method: Method::GET,
            path: "/".to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let began = Instant::now();
        let reply = caller
            .call("service-1", request, Duration::from_secs(5))
            .await?;
        took.push(began.elapsed());
        anyhow::ensure!(reply.status == 200, "status {}", reply.status);
    }
    mesh.stop().await;
    anyhow::ensure!(sink.read().spans as usize >= services * REQUESTS);
    // The first ones open connections.
    took.drain(..REQUESTS / 10);
    took.sort();
    Ok(took[took.len() / 2])
}

fn chain(services: usize) -> String {
    use std::fmt::Write as _;

    let mut yaml = "name: chain\nentry: service-1\nenvironments: { here: { kind: edge } }\n\
        links: []\nservices:\n"
        .to_owned();
    for number in 1..=services {
        let steps = if number < services {
            format!(
                "[call: {{ service: service-{}, route: GET /, timeout: 5s }}]",
                number + 1
            )
        } else {
            "[]".to_owned()
        };
        // Writing to a string cannot fail.
        write!(
            yaml,
            "  service-{number}:\n    environment: here\n    version: \"1\"\n    protocol: http1\n    \
             workers: 64\n    log: {{ dialect: logfmt }}\n    routes: {{ GET /: {{ steps: {steps} }} }}\n"
        )
        .unwrap_or_default();
    }
    yaml + "clients: [{ name: all, weight: 1, count: 1, tenants: [public], user_agent: bench }]\n\
        journeys: [{ name: one, weight: 1, steps: [{ request: GET / }] }]\n\
        load: { journeys_per_second: 1, ids: 1, timeout: 8s }\n"
}

/// The shop over TCP, at a rate of requests.
async fn edge(per_second: f64) -> anyhow::Result<(Summary, u64)> {
    let length = Duration::from_secs(20);
    let rate = Rate::Requests(per_second);
    shop(Wire::Tcp, Clock::wall().await, rate, length).await
}

async fn shop(
    wire: Wire,
    clock: Clock,
    rate: Rate,
    length: Duration,
) -> anyhow::Result<(Summary, u64)> {
    let sink = Arc::new(Counting::default());
    let mesh = Mesh::start(MeshConfig {
        topology: Arc::new(Topology::shop()),
        wire,
        clock,
        seed: 1,
        sink: sink.clone(),
    })
    .await?;
    let load = Load::new(
        Arc::clone(mesh.topology()),
        mesh.clients(),
        clock,
        1,
        mesh.follow(),
        Arc::clone(mesh.meters()),
    );
    let load = Arc::new(load.with_rate(rate).constant());
    let stop = CancellationToken::new();
    let driver = tokio::spawn(Arc::clone(&load).run(stop.clone()));
    // Caches and connections are cold, and journeys have just begun.
    tokio::time::sleep(length / 4).await;
    load.restart_summary();
    tokio::time::sleep(length - length / 4).await;
    let summary = load.summary();
    stop.cancel();
    driver.await?;
    mesh.stop().await;
    let said = sink.read();
    Ok((summary, said.lines + said.spans))
}
