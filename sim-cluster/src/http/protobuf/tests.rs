//! Bodies of the shape that client-go sends.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

fn number(field: u64, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3, &mut out);
    varint(value.cast_unsigned(), &mut out);
    out
}

fn bytes(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3 | 2, &mut out);
    let content = content.as_ref();
    varint(u64::try_from(content.len()).unwrap(), &mut out);
    out.extend(content);
    out
}

fn body(api_version: &str, kind: &str, object: Vec<u8>) -> Vec<u8> {
    let type_meta = [bytes(1, api_version), bytes(2, kind)].concat();
    let envelope = [
        bytes(1, type_meta),
        bytes(2, object),
        bytes(3, ""),
        bytes(4, ""),
    ]
    .concat();
    [MAGIC, &envelope].concat()
}

/// As Go writes it: everything that is no pointer, set or not.
fn metadata(name: &str) -> Vec<u8> {
    let label = [bytes(1, "app"), bytes(2, "web")].concat();
    let fields = [
        bytes(1, name),
        bytes(2, ""),
        bytes(3, ""),
        bytes(5, ""),
        bytes(6, ""),
        number(7, 0),
        bytes(8, ""),
        bytes(11, label),
    ];
    bytes(1, fields.concat())
}

#[test]
fn what_nobody_set_is_not_there() {
    let spec = bytes(2, "");
    let sent = body("v1", "Namespace", [metadata("a"), spec].concat());
    assert_eq!(
        read(&sent).unwrap(),
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": "a", "labels": { "app": "web" } }, "spec": {},
        })
    );
}

#[test]
fn a_zero_that_somebody_set_is_kept() {
    let time_out = number(1, -5);
    let job = bytes(
        2,
        [number(1, 0), number(7, 0), number(3, 9), time_out].concat(),
    );
    let read = read(&body("batch/v1", "Job", job)).unwrap();
    assert_eq!(
        read["spec"],
        json!({ "parallelism": -5, "backoffLimit": 0, "activeDeadlineSeconds": 9 })
    );
}

#[test]
fn ports_are_numbers_or_texts_and_quantities_texts() {
    let by_text = bytes(4, [number(1, 1), number(2, 0), bytes(3, "web")].concat());
    let unset = bytes(4, [number(1, 0), number(2, 0), bytes(3, "")].concat());
    let ports = [
        bytes(1, [number(3, 80), by_text].concat()),
        bytes(1, [number(3, 81), unset].concat()),
    ];
    let service = read(&body("v1", "Service", bytes(2, ports.concat()))).unwrap();
    assert_eq!(
        service["spec"]["ports"],
        json!([{ "port": 80, "targetPort": "web" }, { "port": 81 }])
    );
    let hard = bytes(1, [bytes(1, "pods"), bytes(2, bytes(1, "10"))].concat());
    let quota = read(&body("v1", "ResourceQuota", bytes(2, hard))).unwrap();
    assert_eq!(quota["spec"], json!({ "hard": { "pods": "10" } }));
}

#[test]
fn fields_of_embedded_messages_stand_beside_the_others() {
    let secret = bytes(6, bytes(1, "keys"));
    let volume = bytes(1, [bytes(1, "v"), bytes(2, secret)].concat());
    let pod = read(&body("v1", "Pod", bytes(2, volume))).unwrap();
    assert_eq!(
        pod["spec"]["volumes"],
        json!([{ "name": "v", "secret": { "secretName": "keys" } }])
    );
}

#[test]
fn secrets_are_in_base64_and_times_in_rfc_3339() {
    let data = bytes(2, [bytes(1, "k"), bytes(2, [0xff, 0x00])].concat());
    let created = bytes(1, bytes(8, number(1, 1_763_748_060)));
    let secret = read(&body("v1", "Secret", [created, data].concat())).unwrap();
    assert_eq!(secret["data"], json!({ "k": "/wA=" }));
    assert_eq!(
        secret["metadata"]["creationTimestamp"],
        "2025-11-21T18:01:00Z"
    );
}

#[test]
fn options_of_a_deletion_come_in_any_group() {
    let options = [number(1, 0), bytes(4, "Foreground"), bytes(5, "All")].concat();
    let options = read(&body("policy/v1", "DeleteOptions", options)).unwrap();
    assert_eq!(options["gracePeriodSeconds"], 0);
    assert_eq!(options["propagationPolicy"], "Foreground");
    assert_eq!(options["dryRun"], json!(["All"]));
}

#[test]
fn later_fields_are_skipped_and_other_kinds_refused() {
    let object = [metadata("a"), number(900, 1), bytes(901, "new")].concat();
    let map = read(&body("v1", "ConfigMap", object)).unwrap();
    assert_eq!(map["metadata"]["name"], "a");
    let refusal = read(&body("example.com/v1", "Widget", Vec::new())).unwrap_err();
    assert_eq!(refusal.code, 415);
    assert_eq!(read(b"{}").unwrap_err().code, 400);
    let cut = body("v1", "ConfigMap", bytes(1, "abc"));
    assert_eq!(read(&cut).unwrap_err().code, 400);
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _any = read(&raw);
        for kind in ["Pod", "ConfigMap", "Service", "Event"] {
            let _any = read(&body("v1", kind, raw.clone()));
        }
    }

    #[test]
    fn a_text_in_a_config_map_arrives(key in "[a-z]{1,8}", value in ".{0,20}") {
        let data = bytes(2, [bytes(1, &key), bytes(2, &value)].concat());
        let map = read(&body("v1", "ConfigMap", data)).unwrap();
        prop_assert_eq!(&map["data"], &json!({ key: value }));
    }
}
