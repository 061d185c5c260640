//! A platform that goes through a plan of faults.

use std::sync::Mutex;

use sim_services::chaos::{Plan, plan_of};
use sim_services::mesh::{PlatformConfig, run};
use sim_services::truth::Timeline;

use super::*;

const PLAN: &str = r#"
apiVersion: crosswatch.dev/v1alpha1
kind: ChaosExperiment
metadata: { name: legacy-down }
spec:
  description: The old core answers nothing.
  faults:
    - kind: dependency-down
      target: { service: legacy-core }
  duration: 30s
  recovery: 10s
"#;

fn played(length: Option<Duration>) -> (Timeline, Vec<String>) {
    in_virtual_time(async |clock| {
        let plan: Plan = plan_of("plan", PLAN, &Topology::shop(), |_| None).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let config = PlatformConfig {
            mesh: MeshConfig {
                topology: Arc::new(Topology::shop()),
                wire: Wire::memory(),
                clock,
                seed: 3,
                sink: Arc::new(Memory::default()),
            },
            rate: Some(Rate::Journeys(10.0)),
            constant: true,
            tell: Arc::new(move |happening| tell.lock().unwrap().push(happening.to_string())),
        };
        let stop = CancellationToken::new();
        if let Some(length) = length {
            let stop = stop.clone();
            tokio::spawn(async move {
                sleep(length).await;
                stop.cancel();
            });
        }
        let timeline = run(config, 20 * SECOND, &plan, stop).await.unwrap();
        let told = told.lock().unwrap().clone();
        (timeline, told)
    })
}

#[test]
fn a_run_tells_the_truth_about_its_faults() {
    let (timeline, told) = played(None);
    assert!(timeline.virtual_time);
    assert_eq!(timeline.started, NOON);
    assert_eq!(timeline.judged_from, NOON + 20 * SECOND);
    let [fault] = &timeline.faults[..] else {
        panic!("{:?}", timeline.faults);
    };
    assert!(fault.acted.yes, "{:?}", fault.acted);
    assert!(fault.affected > 10);
    assert!(fault.first_affected.unwrap() >= fault.started);
    assert_eq!(fault.cause.service.as_deref(), Some("legacy-core"));
    assert_eq!(told.len(), 2, "{told:#?}");
    let has = |environment: &str, service: &str, operation: &str| {
        let mut apis = timeline.apis.iter();
        apis.any(|api| (&*api.0, &*api.1, &*api.2) == (environment, service, operation))
    };
    assert!(has("cloud-a", "cart", "GET /cart/{id}"));
    assert!(has("on-prem", "ledger", "RPC bank.ledger.Ledger/Post"));
    assert!(has("cloud-b", "shipping", "CONSUME order-events"));
}

#[test]
fn a_run_that_is_stopped_early_knows_what_it_did() {
    let (timeline, _) = played(Some(65 * SECOND));
    assert_eq!(timeline.ended, NOON + 65 * SECOND);
    assert_eq!(timeline.faults.len(), 1);
    assert_eq!(timeline.faults[0].ended, timeline.ended);
}
