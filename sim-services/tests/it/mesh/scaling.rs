//! Clouds grow and shrink with load; data centres do not.

use sim_services::mesh::Phase;

use super::*;

/// The same service twice: in a cloud, and in a data centre.
const TWO: &str = r#"
name: two
entry: front
environments:
  cloud:
    kind: cloud
    scaling: { target_utilisation: 0.6, max_replicas: 4, every: 15s, cold_start: 45s }
  cellar: { kind: on-prem }
links:
  - { between: [cloud, cellar], latency: 5ms, jitter: 0ms, megabits_per_second: 1000 }
services:
  front:
    environment: cloud
    version: "1"
    protocol: http1
    workers: 500
    log: { dialect: logfmt }
    routes:
      GET /:
        steps:
          - parallel:
              - call: { service: elastic, route: GET /, timeout: 5s }
              - call: { service: fixed, route: GET /, timeout: 5s }
  elastic:
    environment: cloud
    version: "1"
    protocol: http1
    workers: 10
    log: { dialect: logfmt }
    routes:
      GET /: { steps: [work: { constant: 50ms }] }
  fixed:
    environment: cellar
    version: "1"
    protocol: http1
    workers: 10
    log: { dialect: logfmt }
    routes:
      GET /: { steps: [work: { constant: 50ms }] }
clients: [{ name: all, weight: 1, count: 10, tenants: [public], user_agent: test }]
journeys: [{ name: one, weight: 1, steps: [{ request: GET / }] }]
load: { journeys_per_second: 100, ids: 10, timeout: 8s }
"#;

#[test]
fn a_cloud_adds_replicas_after_a_cold_start_and_a_data_centre_does_not() {
    in_virtual_time(async |clock| {
        let topology = Topology::parse(TWO).unwrap();
        // 8 of 10 workers are busy; 16 would be at twice the load, of which 10 are seen.
        let rate = Rate::Requests(160.0);
        let platform = Platform::start(topology, Wire::memory(), clock, rate).await;
        let phases = |name: &str| -> Vec<Phase> {
            let replicas = platform.replicas(name);
            replicas.iter().map(|replica| replica.phase).collect()
        };
        sleep(14 * SECOND).await;
        assert_eq!(phases("elastic"), [Phase::Running]);
        sleep(36 * SECOND).await;
        assert_eq!(phases("elastic"), [Phase::Running, Phase::Starting]);
        let second = platform.mesh.meters().read();
        assert!(!second.replicas.contains_key(&("elastic".to_owned(), 1)));
        sleep(15 * SECOND).await;
        assert_eq!(phases("elastic"), [Phase::Running, Phase::Running]);
        let did = platform.after(10 * SECOND).await;
        let share = did.replicas[&("elastic".to_owned(), 1)].requests;
        assert!((600..1_000).contains(&share), "half of 1600: {share}");
        assert_eq!(phases("fixed"), [Phase::Running]);
        // Load goes; five minutes later, so does the second replica, in order.
        platform.stop_load.cancel();
        sleep(4 * 60 * SECOND).await;
        assert_eq!(phases("elastic").len(), 2);
        sleep(2 * 60 * SECOND).await;
        assert_eq!(phases("elastic"), [Phase::Running]);
        assert_eq!(platform.mesh.meters().read().load.failed, 0);
        platform.stop().await;
    });
}
