//! The demo on a simulated cluster: nothing here knows more than a person with kubectl would.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use monitor::config::ConfigError;
use monitor::signals::StopSignals;
use owo_colors::OwoColorize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{DemoArgs, label, time_of_day};
use crate::commands::chaos;
use crate::stage::kubernetes::{Kubernetes, documents, is};
use crate::terminal;

/// Where the mesh's control is, and the demo's experiment.
const MESH: &str = "mesh";
const APIS: &str = "monitoredapis.crosswatch.dev";
const EXPERIMENTS: &str = "chaosexperiments.crosswatch.dev";
/// A baseline is there after half a minute of calls, but what it expects is wide until it has seen
/// how much services vary by themselves: so long is waited at least …
const SEEN: Duration = Duration::from_secs(150);
/// … and so long at most. Rare calls take long to learn from; what is learned by then must do.
const LEARNED: Duration = Duration::from_secs(300);

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let experiment = experiment(&args.experiment)?;
    terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let length = args.seconds.map_or(Duration::MAX, Duration::from_secs);
        let waiting = tokio::spawn(async move {
            // Both mean the same: it is enough.
            drop(timeout(length, signals.asked_to_stop()).await);
            asked.cancel();
        });
        anstream::println!(
            "{}\n",
            "A small Kubernetes starts on this machine; its pods are processes.".bold()
        );
        let kubernetes = Kubernetes::start(args.seed).await?;
        let told = stop
            .run_until_cancelled(tell(&kubernetes, &experiment))
            .await;
        let outcome = told.unwrap_or(Ok(()));
        if outcome.is_ok() {
            stop.cancelled().await;
        }
        waiting.abort();
        anstream::println!("\nEnding all pods.");
        kubernetes.sim.stop().await;
        outcome
    })
}

/// As it is applied: in the mesh's namespace if it names none.
fn experiment(named: &str) -> anyhow::Result<Value> {
    let text = chaos::text(named)?;
    let mut objects = documents(&text)?;
    match (objects.pop(), objects.is_empty()) {
        (Some(mut object), true) if object["kind"] == "ChaosExperiment" => {
            let metadata = &mut object["metadata"];
            if metadata["namespace"].is_null() {
                metadata["namespace"] = json!(MESH);
            }
            Ok(object)
        }
        _ => Err(ConfigError(format!(
            "--experiment {named}: the demo needs one ChaosExperiment; a schedule runs with \
             --in-process --programme"
        ))
        .into()),
    }
}

/// The whole story, to the verdict.
async fn tell(kubernetes: &Kubernetes, experiment: &Value) -> anyhow::Result<()> {
    let begun = Instant::now();
    let sim = &kubernetes.sim;
    let nodes = sim.nodes().count();
    say(
        &label("cluster"),
        &format!("{nodes} nodes at {}", sim.url()),
    );
    let objects = kubernetes.install()?;
    let what = format!("{objects} objects, as `kubectl apply -k manifests/overlays/laptop` would");
    say(&label("applied"), &what);
    let pods = ready(kubernetes).await?;
    let secs = begun.elapsed().as_secs_f64();
    let what = format!("all {pods} pods are ready, {secs:.1} s after the start");
    say(&label("running").green(), &what);
    welcome(kubernetes)?;
    let apis = onboarded(kubernetes).await?;
    let secs = begun.elapsed().as_secs_f64();
    let what = format!(
        "{apis} MonitoredApis, which nobody wrote, with their logs flowing, {secs:.1} s after the \
         start"
    );
    say(&label("onboarded").green(), &what);
    learned(kubernetes, &needed(experiment)).await?;
    perform(kubernetes, experiment).await
}

/// How many pods there are, when all are ready.
async fn ready(kubernetes: &Kubernetes) -> anyhow::Result<usize> {
    let bar = terminal::spinner();
    let deployments = kubernetes
        .until("deployments.apps", |all| {
            // Until the controllers have seen all of it, nothing can be counted.
            let seen = all
                .iter()
                .all(|one| one["status"]["observedGeneration"].is_u64());
            let wanted = |one: &Arc<Value>| one["spec"]["replicas"].as_u64().unwrap_or(1);
            seen.then(|| all.iter().map(wanted).sum::<u64>())
        })
        .await?;
    let pods = kubernetes
        .until("pods", |pods| {
            let ready = pods.iter().filter(|pod| is(pod, "Ready")).count();
            bar.set_message(format!("{ready} of {} pods are ready", pods.len()));
            // Those of the monitor and of the agents come on top.
            let enough = pods.len() as u64 > deployments;
            (enough && ready == pods.len()).then_some(ready)
        })
        .await;
    bar.finish_and_clear();
    pods
}

fn welcome(kubernetes: &Kubernetes) -> anyhow::Result<()> {
    let address = |namespace: &str, name: &str, port: u16| {
        let service = kubernetes.get("services", namespace, name)?;
        let ip = service["spec"]["clusterIP"].as_str()?;
        Some(format!("http://{ip}:{port}"))
    };
    let page = address("crosswatch", "monitor", 8080).context("the monitor has no Service")?;
    let shop = address("shop", "edge", 8080).context("the shop has no Service")?;
    let config = kubernetes.sim.kubeconfig_path();
    let config = config.display();
    anstream::println!(
        "\n  {:<16}{}/  (its token is crosswatch-demo)\n  {:<16}kubectl --kubeconfig {config} get \
         mapi -A\n  {:<16}kubectl --kubeconfig {config} -n {MESH} apply -f chaos/partition.yaml\n  \
         {:<16}curl {shop}/api/products/1\n",
        "The page",
        page.underline(),
        "What it sees",
        "Break something",
        "Be a customer",
    );
    Ok(())
}

/// How many services of the shop were found, when the logs of all of them flow.
async fn onboarded(kubernetes: &Kubernetes) -> anyhow::Result<usize> {
    let bar = terminal::spinner();
    let services = (kubernetes.until("deployments.apps", |all| {
        let shop = "/metadata/labels/app.kubernetes.io~1part-of";
        let is_api = |one: &&Arc<Value>| {
            one.pointer(shop).is_some_and(|of| of == "shop") && one["metadata"]["namespace"] != MESH
        };
        Some(all.iter().filter(is_api).count())
    }))
    .await?;
    let found = kubernetes
        .until(APIS, |all| {
            let flowing = all.iter().filter(|api| is(api, "LogsFlowing")).count();
            bar.set_message(format!("logs of {flowing} of {services} services flow"));
            (flowing >= services).then_some(flowing)
        })
        .await;
    bar.finish_and_clear();
    found
}

/// The services that an experiment is about, by their names, and the one that clients call.
fn needed(experiment: &Value) -> Vec<String> {
    let faults = experiment["spec"]["faults"].as_array();
    let targets = faults.into_iter().flatten().filter_map(|fault| {
        let service = fault["target"]["service"].as_str()?;
        Some(service.to_owned())
    });
    targets.chain(["edge".to_owned()]).collect()
}

/// Waits until what is normal is known of those that are needed.
async fn learned(kubernetes: &Kubernetes, needed: &[String]) -> anyhow::Result<()> {
    let begun = Instant::now();
    let bar = terminal::spinner();
    let mut known = (0, 0);
    let learning = kubernetes.until(APIS, |all| {
        let ready = |api: &&Arc<Value>| is(api, "BaselineReady");
        known = (all.iter().filter(ready).count(), all.len());
        bar.set_message(format!(
            "normal is known of {} of {} services",
            known.0, known.1
        ));
        let is_known = |name: &String| {
            let mut named = all.iter().filter(|api| api["metadata"]["name"] == **name);
            named.any(|api| is(api, "BaselineReady"))
        };
        needed.iter().all(is_known).then_some(())
    });
    let outcome = timeout(LEARNED, learning).await;
    bar.set_message("seeing how much services vary by themselves");
    sleep_until(begun + SEEN).await;
    bar.finish_and_clear();
    let secs = begun.elapsed().as_secs_f64();
    let (ready, all) = known;
    let what = format!("normal is known of {ready} of {all} services, after {secs:.0} s");
    match outcome {
        Ok(outcome) => {
            outcome?;
            say(&label("learned").green(), &what);
        }
        Err(_) => say(&label("learned").yellow(), &format!("{what}; that must do")),
    }
    Ok(())
}

/// Applies the experiment and tells of it until there is a verdict.
async fn perform(kubernetes: &Kubernetes, experiment: &Value) -> anyhow::Result<()> {
    kubernetes.apply(experiment)?;
    let name = experiment["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = experiment["metadata"]["namespace"]
        .as_str()
        .unwrap_or_default();
    let description = experiment["spec"]["description"].as_str().unwrap_or(name);
    say(
        &label("applied").red().bold(),
        &format!("ChaosExperiment {namespace}/{name}: {}", description.bold()),
    );
    let mut last = String::new();
    let over = kubernetes
        .until(EXPERIMENTS, |all| {
            let of_demo = |one: &&Arc<Value>| {
                one["metadata"]["name"] == name && one["metadata"]["namespace"] == namespace
            };
            let status = &all.iter().find(of_demo)?["status"];
            let phase = status["phase"].as_str().unwrap_or("Pending").to_owned();
            let why = status["message"].as_str().unwrap_or_default();
            if phase != last && !why.is_empty() {
                say(&label(&phase.to_lowercase()), why);
                last.clone_from(&phase);
            }
            let is_over = matches!(phase.as_str(), "Completed" | "Aborted" | "Failed");
            is_over.then(|| status.clone())
        })
        .await?;
    verdict(&over);
    Ok(())
}

fn verdict(status: &Value) {
    if let Some(evidence) = status["acted"]["evidence"].as_str() {
        say(&label("acted"), evidence);
    }
    if let Some(after) = status["timeToDetect"].as_str() {
        say(
            &label("found"),
            &format!("{after} after the first affected request"),
        );
    }
    let verdict = &status["verdict"];
    let result = verdict["result"].as_str().unwrap_or("none");
    let head = label("verdict");
    let head = match result {
        "Passed" => head.green().bold().to_string(),
        _ => head.yellow().bold().to_string(),
    };
    say(&head, result);
    for reason in verdict["reasons"].as_array().into_iter().flatten() {
        anstream::println!("{:20}{}", "", reason.as_str().unwrap_or_default());
    }
    anstream::println!("\nAll of it goes on. Ctrl-C ends it and leaves nothing behind.");
}

fn say(head: &impl std::fmt::Display, what: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a line of the screen bears the time at which it is printed"
    )]
    let now = jiff::Timestamp::now();
    anstream::println!("{} {head} {what}", time_of_day(now));
}
