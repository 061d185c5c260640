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
    refused(
        "",
        expect![[r#"
        x.yaml cannot be used:
          unexpected end of input at line 1, column 1"#]],
    );
    refused(
        "kind: Pod",
        expect![[r#"
        x.yaml cannot be used:
          kind: there is no kind `Pod`; there are ChaosExperiment and ChaosSchedule"#]],
    );
    refused(
        "kind: ChaosExperiment\nspec: [",
        expect![[r#"
        x.yaml cannot be used:
          error: line 2 column 7: unclosed bracket '['
         --> <input>:2:7
          |
        1 | kind: ChaosExperiment
        2 | spec: [
          |       ^ unclosed bracket '['"#]],
    );
    refused(
        &experiment("- kind: latency").replace("faults", "fualts"),
        expect![[r#"
            x.yaml cannot be used:
              error: line 5 column 3: unknown field `fualts`, expected one of description, faults, ramp, duration, recovery, expect
             --> <input>:5:3
              |
            3 | metadata: { name: x }
            4 | spec:
            5 |   fualts:
              |   ^ unknown field `fualts`, expected one of description, faults, ramp, duration, recovery, expect
            6 |     - kind: latency
              |"#]],
    );
    refused(
        &experiment("- kind: latency\n  target: { service: cart }")
            .replace("v1alpha1", "v1")
            .replace("name: x", "name: A b")
            .replace("spec:", "spec:\n  ramp: 2m"),
        expect![[r#"
            x.yaml cannot be used:
              apiVersion: must be `crosswatch.dev/v1alpha1`
              metadata.name: must be lower-case letters, digits and `-`, such as `ledger-database-slow`
              spec.ramp: must not be longer than `duration`, which includes it"#]],
    );
    refused(
        &experiment("- kind: latency\n  target: { service: cart }")
            .replace("spec:", "spec:\n  duration: soon"),
        expect![[r#"
            x.yaml cannot be used:
              error: line 5 column 13: `soon` is not a length of time; write it as `250ms`, `1.5s` or `2m`
             --> <input>:5:13
              |
            3 | metadata: { name: x }
            4 | spec:
            5 |   duration: soon
              |             ^ `soon` is not a length of time; write it as `250ms`, `1.5s` or `2m`
            6 |   faults:
            7 |     - kind: latency
              |"#]],
    );
}

#[test]
fn kinds_and_parameters_that_there_are_not() {
    refused(
        &experiment("- kind: database-slwo"),
        expect![[r#"
        x.yaml cannot be used:
          spec.faults[0].kind: there is no fault `database-slwo`; there are latency, slow-ramp, error-burst, partial-failure, dependency-down, database-slow, lock-contention, pool-exhaustion, retry-storm, cache-failure, cache-stampede, cpu-contention, memory-leak, bad-deployment, configuration-change, traffic-surge, traffic-drop, service-silent, consumer-stopped, link-latency, link-loss, partition, dns-failure, certificate-expiry, clock-skew, rate-limiting, authentication-failure, log-flood, log-format-change, benign-deployment, planned-batch, marketing-peak"#]],
    );
    refused(
        &experiment(
            "- kind: database-slow\n  target: { service: ledger }\n  parameters: { factr: 6 }",
        ),
        expect![[r#"
            x.yaml cannot be used:
              spec.faults[0].parameters: unknown field `factr`, expected `store` or `factor`"#]],
    );
    refused(
        &experiment(
            "- kind: error-burst\n  target: { service: ledger }\n  parameters: { ratio: 50, status: 200 }\n\
             - kind: configuration-change\n  target: { service: web }",
        ),
        expect![[r#"
            x.yaml cannot be used:
              spec.faults[0].parameters.ratio: must be more than 0 and at most 1
              spec.faults[0].parameters.status: must be one of HTTP's from 400 to 599
              spec.faults[1].parameters.timeout: give either `timeout` (of calls, with `callee` or of all) or `workers`"#]],
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
        expect![[r#"
            x.yaml cannot be used:
              spec.faults[0].target.environment: there is no environment `onprem`; there are cloud-a, cloud-b, on-prem
              spec.faults[0].target.service: there is no service `legder`; there are cart, catalog, checkout, edge, events, inventory, ledger, legacy-core, notifications, orders, payments, recommendations, search, shipping, statements, web
              spec.faults[1].target.route: there is no route `GET /order`; there are GET /orders/{id}, POST /orders, POST /orders/{id}/refund
              spec.faults[2].target.replica: `orders` has replicas 0 to 1 only
              spec.faults[2].target.tenant: there is no tenant `acne`; there are acme, globex, initech, members, public, umbrella
              spec.faults[2].target.client: there is no client `bot-1`; there are browsers-0 to browsers-399, app-0 to app-149, partners-0 to partners-3, crawlers-0 to crawlers-2
              spec.faults[3].parameters.store: there is no store `db`; there is only ledger-db
              spec.faults[4].parameters.to: there is no link that calls go over to `moon`; there are cloud-a, cloud-b
              spec.faults[5].parameters.callee: there is no call to a service `cart`; there is only ledger
              spec.faults[6].target.environment: `cart` is in cloud-a"#]],
    );
    refused(
        &experiment("- kind: latency\n  target: { service: cart }").replace(
            "spec:",
            "spec:\n  expect: { symptoms: [catr], rootCause: { service: x, environment: y } }",
        ),
        expect![[r#"
            x.yaml cannot be used:
              spec.expect.symptoms: there is no service `catr`; there are cart, catalog, checkout, edge, events, inventory, ledger, legacy-core, notifications, orders, payments, recommendations, search, shipping, statements, web
              spec.expect.rootCause.service: there is no service `x`; there are cart, catalog, checkout, edge, events, inventory, ledger, legacy-core, notifications, orders, payments, recommendations, search, shipping, statements, web
              spec.expect.rootCause.environment: there is no environment `y`; there are cloud-a, cloud-b, on-prem"#]],
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
        expect![[r#"
            x.yaml cannot be used:
              spec.faults[0].target: `latency` needs a service that answers requests; there are cart, catalog, checkout, edge, inventory, ledger, legacy-core, orders, payments, recommendations, search, shipping, statements, web
              spec.faults[1].target: `certificate-expiry` needs a service with `tls: true`; there are payments
              spec.faults[2].target: `lock-contention` needs a service with a store some of whose statements lock; there are inventory, ledger
              spec.faults[3].target: `partial-failure` needs a service and one `route`, `replica`, `client` or `tenant` of it; give exactly one
              spec.faults[4].target: `link-loss` needs an environment with a link that calls go over; there are cloud-a, cloud-b, on-prem
              spec.faults[5].target: `planned-batch` needs an environment with a batch; there are on-prem
              spec.faults[6].target: `traffic-surge` needs no target: the clients are everywhere; leave it out
              spec.faults[7].parameters.dialect: `web` writes so already"#]],
    );
}

#[test]
fn schedules_are_told_where_it_is() {
    refused(
        &schedule("- { at: 5s, experiment: nothing-such }"),
        expect![[r#"
            x.yaml cannot be used:
              spec.experiments[0].experiment: there is no experiment `nothing-such`; there are cart-benign-deployment, cart-clock-skew, cart-error-burst, catalog-cache-failure, catalog-cache-stampede, catalog-latency-constant, catalog-log-flood, checkout-bad-deployment, cloud-a-cloud-b-link-lossy, cloud-a-on-prem-link-slow, cloud-a-on-prem-partition, demo, edge-too-few-workers, inventory-latency-heavy-tail, ledger-database-slow, ledger-dns-failure, legacy-core-down, marketing-peak, on-prem-planned-batch, orders-pool-exhaustion, orders-refund-route-failing, orders-silent, partner-client-failing, payments-certificate-expiry, payments-retry-storm, payments-timeout-too-short, recommendations-memory-leak, search-cpu-contention, search-latency-jitter, search-log-format-change, search-rate-limiting, shipping-consumer-stopped, slow-link-and-bad-deployment, statements-authentication-failure, statements-slow-ramp, stock-lock-contention, tenant-acme-failing, traffic-drop, traffic-surge, web-one-replica-failing"#]],
    );
    refused(
        &schedule("- { at: 5s, experiment: broken }"),
        expect![[r#"
        broken.yaml cannot be used:
          spec.faults[0].target.service: there is no service `carrt`; there are cart, catalog, checkout, edge, events, inventory, ledger, legacy-core, notifications, orders, payments, recommendations, search, shipping, statements, web"#]],
    );
    refused(
        &schedule("- { at: 5s, experiment: demo }"),
        expect![[r#"
        demo.yaml cannot be used:
          kind: must be `ChaosExperiment`: a schedule cannot be within another"#]],
    );
    refused(
        &schedule(
            "- at: 5s\n  experiment:\n    metadata: { name: two }\n    spec:\n      faults:\n        \
             - kind: latency\n          target: { service: x }\n\
             - { at: 6s, experiment: { metadata: { name: z }, spec: { fault: [] } } }\n\
             - { at: 7s, experiment: 7 }",
        ),
        expect![[r#"
            x.yaml cannot be used:
              spec.experiments[1].experiment: unknown field `fault`, expected one of `description`, `faults`, `ramp`, `duration`, `recovery`, `expect`
              spec.experiments[2].experiment: must be the name of an experiment, or one with `metadata` and `spec`"#]],
    );
    refused(
        &schedule("[]"),
        expect![[r#"
        x.yaml cannot be used:
          spec.experiments: needs at least one `{ at: 30s, experiment: ledger-database-slow }`"#]],
    );
}
