use expect_test::{Expect, expect};
use sim_services::chaos::plan_of;
use sim_services::topology::Topology;

fn refused(yaml: &str, expected: Expect) {
    let found = plan_of("x.yaml", yaml, &Topology::shop(), |name| {
        (name == "broken").then(|| experiment("- kind: latency\n  target: { service: carrt }"))
    });
    match found {
        Ok(plan) => panic!("taken: {plan:?}"),
        Err(error) => expected.assert_eq(&error.to_string()),
    }
}

fn experiment(faults: &str) -> String {
    let faults = faults.replace('\n', "\n    ");
    format!(
        "apiVersion: crosswatch.dev/v1alpha1\nkind: ChaosExperiment\nmetadata: {{ name: x }}\n\
         spec:\n  faults:\n    {faults}\n"
    )
}

fn schedule(experiments: &str) -> String {
    let experiments = experiments.replace('\n', "\n    ");
    format!(
        "apiVersion: crosswatch.dev/v1alpha1\nkind: ChaosSchedule\nmetadata: {{ name: x }}\n\
         spec:\n  experiments:\n    {experiments}\n"
    )
}

#[test]
fn what_is_no_experiment() {
    refused("", expect![[]]);
    refused("kind: Pod", expect![[]]);
    refused("kind: ChaosExperiment\nspec: [", expect![[]]);
    refused(
        &experiment("- kind: latency").replace("faults", "fualts"),
        expect![[]],
    );
    refused(
        &experiment("- kind: latency\n  target: { service: cart }")
            .replace("v1alpha1", "v1")
            .replace("name: x", "name: A b")
            .replace("spec:", "spec:\n  ramp: 2m"),
        expect![[]],
    );
    refused(
        &experiment("- kind: latency\n  target: { service: cart }")
            .replace("spec:", "spec:\n  duration: soon"),
        expect![[]],
    );
}

#[test]
fn kinds_and_parameters_that_there_are_not() {
    refused(&experiment("- kind: database-slwo"), expect![[]]);
    refused(
        &experiment(
            "- kind: database-slow\n  target: { service: ledger }\n  parameters: { factr: 6 }",
        ),
        expect![[]],
    );
    refused(
        &experiment(
            "- kind: error-burst\n  target: { service: ledger }\n  parameters: { ratio: 50, status: 200 }\n\
             - kind: configuration-change\n  target: { service: web }",
        ),
        expect![[]],
    );
}

#[test]
fn names_that_the_topology_does_not_have() {
    refused(
        &experiment(
            "- kind: latency\n  target: { service: legder, environment: onprem }\n\
             - kind: partial-failure\n  target: { service: orders, route: GET /order }\n\
             - kind: partial-failure\n  target: { service: orders, replica: 7, tenant: acne, client: bot-1 }\n\
             - kind: database-slow\n  target: { service: ledger }\n  parameters: { store: db }\n\
             - kind: partition\n  target: { environment: on-prem }\n  parameters: { to: moon }\n\
             - kind: configuration-change\n  target: { service: payments }\n  parameters: { callee: cart, timeout: 1ms }\n\
             - kind: latency\n  target: { service: cart, environment: on-prem }",
        ),
        expect![[]],
    );
    refused(
        &experiment("- kind: latency\n  target: { service: cart }").replace(
            "spec:",
            "spec:\n  expect: { symptoms: [catr], rootCause: { service: x, environment: y } }",
        ),
        expect![[]],
    );
}

#[test]
fn targets_that_lack_what_the_fault_needs() {
    refused(
        &experiment(
            "- kind: latency\n\
             - kind: certificate-expiry\n  target: { service: cart }\n\
             - kind: lock-contention\n  target: { service: cart }\n\
             - kind: partial-failure\n  target: { service: cart }\n\
             - kind: link-loss\n  target: { service: cart }\n\
             - kind: planned-batch\n  target: { environment: cloud-a }\n\
             - kind: traffic-surge\n  target: { service: edge }\n\
             - kind: log-format-change\n  target: { service: web }\n  parameters: { dialect: pino }",
        ),
        expect![[]],
    );
}

#[test]
fn schedules_are_told_where_it_is() {
    refused(
        &schedule("- { at: 5s, experiment: nothing-such }"),
        expect![[]],
    );
    refused(&schedule("- { at: 5s, experiment: broken }"), expect![[]]);
    refused(&schedule("- { at: 5s, experiment: demo }"), expect![[]]);
    refused(
        &schedule(
            "- at: 5s\n  experiment:\n    metadata: { name: y }\n    spec:\n      faults:\n        \
             - kind: latency\n          target: { service: x }",
        ),
        expect![[]],
    );
    refused(&schedule("[]"), expect![[]]);
}
