//! The shipped experiments on the platform that they are for: each of them acts, and says so.

use std::sync::Arc;
use std::time::Duration;

use sim_services::chaos::{Experiment, Fault, Plan, Step, plan_of, shipped};
use sim_services::clock::Moment;
use sim_services::load::Rate;
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::mesh::{MeshConfig, PlatformConfig, run};
use sim_services::net::Wire;
use sim_services::telemetry::sink::Tee;
use sim_services::topology::Topology;
use tokio_util::sync::CancellationToken;

/// A Tuesday at noon, UTC.
const NOON: Moment = Moment(1_700_568_000_000_000_000);

const SHORT: Duration = Duration::from_secs(18);

/// All over sooner than the file says, so that the test is: what grows for minutes grows faster. A
/// single client needs more time to be there at all.
fn shortened(mut experiment: Experiment) -> Experiment {
    let mut placed = experiment.faults.iter();
    let rare = placed.any(|placed| placed.target.client.is_some());
    let faster = experiment.duration.as_secs_f64() / SHORT.as_secs_f64();
    for placed in &mut experiment.faults {
        if let Fault::MemoryLeak { mb_per_second } = &mut placed.fault {
            *mb_per_second *= faster;
        }
    }
    experiment.ramp = experiment.ramp.min(SHORT / 2);
    experiment.duration = if rare { SHORT * 4 } else { SHORT };
    experiment.recovery = SHORT;
    experiment
}

/// Every other one of them, from the first or from the second on.
fn all_act(from: usize) {
    let shop = Topology::shop();
    let mut at = SHORT;
    let mut steps = Vec::new();
    for (name, yaml) in shipped().iter().skip(from).step_by(2) {
        let plan = plan_of(name, yaml, &shop, |_| None).expect("a test reads them");
        if let [only] = plan.steps.as_slice() {
            let experiment = shortened(only.experiment.clone());
            let begins = at;
            at += experiment.duration + SHORT;
            steps.push(Step {
                at: begins,
                experiment,
            });
        }
    }
    let count = steps.len();
    let timeline = run_virtual(NOON, async |clock| {
        let config = PlatformConfig {
            mesh: MeshConfig {
                topology: Arc::new(shop),
                wire: Wire::memory(),
                clock,
                seed: 3,
                sink: Arc::new(Tee(Vec::new())),
            },
            rate: Some(Rate::Journeys(6.0)),
            constant: true,
            tell: Arc::new(|_| {}),
        };
        let warm_up = Duration::from_secs(15);
        run(config, warm_up, &Plan::new(steps), CancellationToken::new()).await
    });
    let truths = timeline
        .expect("a runtime")
        .expect("a platform that stands")
        .faults;
    assert_eq!(truths.len(), count);
    for truth in truths {
        let (name, evidence) = (&truth.experiment, &truth.acted.evidence);
        assert!(truth.acted.yes, "{name}: {evidence}");
        let first = truth.first_affected.expect("it touched something");
        assert!(truth.started <= first && first <= truth.ended, "{name}");
        if matches!(truth.kind.as_str(), "slow-ramp" | "memory-leak") {
            assert!(truth.ramp && truth.breached.is_some(), "{name}: {evidence}");
        }
    }
}

#[test]
fn every_odd_one_of_the_shipped() {
    all_act(0);
}

#[test]
fn every_even_one_of_the_shipped() {
    all_act(1);
}
