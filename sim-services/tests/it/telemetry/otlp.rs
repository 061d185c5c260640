//! What goes over the wire.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use sim_services::telemetry::{Export, Identity, otlp};
use sim_services::topology::EnvironmentKind;

use expect_test::{Expect, expect};

use super::{AT, export, gauges, identity};

fn attributes(resource: Option<&Resource>) -> String {
    let lines = resource.unwrap().attributes.iter().map(|pair| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        let Some(Value::StringValue(value)) = value else {
            panic!("{} is no text", pair.key);
        };
        format!("{}={value}\n", pair.key)
    });
    lines.collect()
}

fn check(identity: Identity, expected: &Expect) {
    let exports = [Export {
        identity: identity.into(),
        ..export(0)
    }];
    let logs = otlp::logs(&exports);
    let resource = attributes(logs.resource_logs[0].resource.as_ref());
    let traces = otlp::traces(&exports);
    let of_spans = attributes(traces.resource_spans[0].resource.as_ref());
    assert_eq!(resource, of_spans);
    let record = &logs.resource_logs[0].scope_logs[0].log_records[0];
    let path = record.attributes[0].value.as_ref().unwrap();
    let Some(Value::StringValue(path)) = &path.value else {
        panic!("the path is no text");
    };
    expected.assert_eq(&format!("{resource}{path}\n"));
}

#[test]
fn a_pod_of_a_cloud() {
    check(
        identity(),
        &expect![[r#"
        service.name=orders
        service.namespace=shop
        service.version=3.1.4
        service.instance.id=orders-6d5f7c9b8-x2x4k
        deployment.environment.name=production
        crosswatch.environment=cloud-a
        cloud.provider=aws
        cloud.region=eu-west-1
        cloud.availability_zone=eu-west-1a
        k8s.cluster.name=shop-eu
        k8s.namespace.name=shop
        k8s.pod.name=orders-6d5f7c9b8-x2x4k
        k8s.container.name=orders
        /var/log/pods/shop_orders-6d5f7c9b8-x2x4k_f5244928-456e-44e0-a11f-927c561127a8/orders/0.log
    "#]],
    );
}

#[test]
fn a_host_of_a_data_centre() {
    let host = Identity {
        service: "ledger".into(),
        namespace: "finance".into(),
        instance: "ledger-01".into(),
        environment: "on-prem".into(),
        kind: EnvironmentKind::OnPrem,
        provider: None,
        region: None,
        zone: None,
        cluster: None,
        site: Some("frankfurt-2".into()),
        ..identity()
    };
    check(
        host,
        &expect![[r#"
        service.name=ledger
        service.namespace=finance
        service.version=3.1.4
        service.instance.id=ledger-01
        deployment.environment.name=production
        crosswatch.environment=on-prem
        crosswatch.site=frankfurt-2
        host.name=ledger-01
        /var/log/ledger/ledger.log
    "#]],
    );
}

#[test]
fn readings_of_one_metric_are_its_points_by_the_replicas_clock() {
    let exports = [Export {
        gauges: gauges(),
        ..export(350_000_000)
    }];
    let request = otlp::metrics(&exports);
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let points: Vec<(&str, usize)> = metrics
        .iter()
        .map(|metric| match &metric.data {
            Some(Data::Gauge(gauge)) => (metric.name.as_str(), gauge.data_points.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(points, [("go.memory.used", 2), ("go.memory.limit", 1)]);
    let Some(Data::Gauge(used)) = &metrics[0].data else {
        panic!("no gauge");
    };
    let (at, stack) = (&used.data_points[0], &used.data_points[1]);
    assert_eq!(
        i128::from(at.time_unix_nano),
        i128::from(AT.0) + 350_000_000
    );
    assert_eq!(stack.attributes[0].key, "go.memory.type");
    assert!(otlp::metrics(&[export(0)]).resource_metrics.is_empty());
}

#[test]
fn lines_are_raw_and_spans_have_the_wrong_time() {
    let exports = [export(350_000_000)];
    let logs = otlp::logs(&exports);
    let record = &logs.resource_logs[0].scope_logs[0].log_records[1];
    let body = record.body.as_ref().unwrap().value.clone();
    assert_eq!(
        body,
        Some(Value::StringValue("second\n\tat of(Two.java:1)".into()))
    );
    let at = u64::try_from(AT.0).unwrap();
    assert_eq!(
        (record.time_unix_nano, record.observed_time_unix_nano),
        (0, at)
    );
    assert!(record.trace_id.is_empty() && record.severity_number == 0);
    let traces = otlp::traces(&exports);
    let span = &traces.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.end_time_unix_nano, at + 350_000_000);
    assert_eq!(
        span.end_time_unix_nano - span.start_time_unix_nano,
        12_000_000
    );
    assert_eq!(span.status.as_ref().unwrap().code, 2);
}

#[test]
fn json_comes_back_as_it_was() {
    let exports = [export(-40_000_000), export(0)];
    let logs = otlp::logs(&exports);
    let json = serde_json::to_string(&logs).unwrap();
    let back: ExportLogsServiceRequest = serde_json::from_str(&json).unwrap();
    assert_eq!(back, logs);
    assert!(json.contains(r#""observedTimeUnixNano":"1772359200123456789""#));
    let traces = otlp::traces(&exports);
    let json = serde_json::to_string(&traces).unwrap();
    let back: ExportTraceServiceRequest = serde_json::from_str(&json).unwrap();
    assert_eq!(back, traces);
    assert!(
        json.contains(r#""traceId":"69a40f600102030405060708090a0b0c""#),
        "{json}"
    );
}

#[test]
fn a_replica_that_said_nothing_is_not_there() {
    let mut quiet = export(0);
    quiet.spans.clear();
    assert!(
        otlp::traces(std::slice::from_ref(&quiet))
            .resource_spans
            .is_empty()
    );
    quiet.lines.clear();
    assert!(otlp::logs(&[quiet]).resource_logs.is_empty());
}
