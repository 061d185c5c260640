//! From a pod's first log line to its `MonitoredApi` with `LogsFlowing=True`, and what the operator
//! costs at rest.
//!
//! `cargo bench -p crosswatch-cli --bench onboarding` runs a simulated cluster whose pods are hollow
//! (no processes, but real log files), and beside it, as processes of their own with the rights that
//! the manifests give them, the monitor, the operator and an agent for each node; everything on this
//! machine. `CROSSWATCH_BENCH_WORKLOADS=1,100,1000` are its sizes, each workload with three pods.
//! Times are from the return of the write of the line to the moment at which the API server has the
//! condition.

mod cluster;
mod processes;

use std::time::Duration;

use cluster::Bench;
use tokio::time::Instant;

/// Workloads onboarded one after the other.
const ALONE: usize = 10;
/// For the operator to have said all that there is to say about a burst.
const SETTLE: Duration = Duration::from_secs(45);
const REST: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    let sizes = std::env::var("CROSSWATCH_BENCH_WORKLOADS").unwrap_or("1,100,1000".to_owned());
    let runtime = tokio::runtime::Runtime::new()?;
    for size in sizes.split(',') {
        runtime.block_on(measure(size.trim().parse()?))?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
async fn measure(workloads: usize) -> anyhow::Result<()> {
    let bench = Bench::start(workloads + ALONE).await?;
    let names: Vec<String> = (0..workloads).map(|index| format!("api-{index}")).collect();
    bench.deploy(&names).await?;
    println!("\n{workloads} workloads of {} pods", cluster::PODS);

    let burst = bench.first_lines(&names).await?;
    say(&format!("first lines of all {workloads} at once"), burst);

    let late: Vec<String> = (0..ALONE).map(|index| format!("late-{index}")).collect();
    bench.deploy(&late).await?;
    let mut alone = Vec::new();
    for name in &late {
        alone.extend(bench.first_lines(std::slice::from_ref(name)).await?);
    }
    say(&format!("{ALONE} more, one after the other"), alone);

    let speaking = bench.go_on_speaking(names);
    tokio::time::sleep(SETTLE).await;
    let before = bench.requests();
    let began = Instant::now();
    tokio::time::sleep(REST).await;
    let seconds = began.elapsed().as_secs_f64();
    let after = bench.requests();
    speaking.abort();
    let total: u64 = after.values().sum::<u64>() - before.values().sum::<u64>();
    println!("  operator at rest, while every workload logs a line each five seconds:");
    println!(
        "    requests to the API server  {:.2}/s",
        total as f64 / seconds
    );
    for (what, count) in &after {
        let count = count - before.get(what).copied().unwrap_or(0);
        if count > 0 {
            println!("      {what:<42} {:.2}/s", count as f64 / seconds);
        }
    }
    let memory = bench.operator_memory()?;
    println!(
        "    resident memory             {:.0} MB, {:.0} MB at most",
        memory.now, memory.peak
    );
    anyhow::ensure!(total > 0, "the operator does not even renew its lease");
    let refused = bench.refused();
    anyhow::ensure!(
        refused.is_empty(),
        "the manifests' rights do not suffice: {refused:?}"
    );
    bench.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn say(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64();
    println!(
        "  {what:<38} median {:.2} s, 99 % within {:.2} s, all within {:.2} s",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
