//! Schemas of custom resources: a table of schemas, objects and what the API says about them.

use std::sync::LazyLock;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};
use sim_cluster::status::Cause;
use sim_cluster::structural::{Schema, definition};

/// A schema whose `spec` is this.
fn schema(spec: Value) -> Schema {
    match Schema::parse(&whole(spec)) {
        Ok(schema) => schema,
        Err(causes) => panic!("no schema: {}", said(&causes)),
    }
}

fn whole(spec: Value) -> Value {
    json!({ "type": "object", "properties": { "spec": spec } })
}

fn said(causes: &[Cause]) -> String {
    causes
        .iter()
        .map(|cause| format!("{}: {}\n", cause.field, cause.message))
        .collect()
}

#[track_caller]
fn check(spec: Value, value: Value, expected: Expect) {
    let causes = schema(spec).validate(&json!({ "spec": value }), None);
    expected.assert_eq(&said(&causes));
}

#[track_caller]
fn check_change(spec: Value, old: Value, new: Value, expected: Expect) {
    let causes = schema(spec).validate(&json!({ "spec": new }), Some(&json!({ "spec": old })));
    expected.assert_eq(&said(&causes));
}

#[track_caller]
fn check_refused(spec: Value, expected: Expect) {
    let causes = Schema::parse(&whole(spec)).expect_err("not structural");
    expected.assert_eq(&said(&causes));
}

/// A string with a rule.
fn ruled(kind: Value, rule: &str) -> Value {
    let mut schema = kind;
    schema["x-kubernetes-validations"] = json!([{ "rule": rule }]);
    schema
}

/// Whether a rule holds for a value of a type; panics where it does not compile.
#[track_caller]
fn check_rule(kind: Value, value: Value, rule: &str) {
    let causes = schema(ruled(kind, rule)).validate(&json!({ "spec": value }), None);
    assert_eq!(said(&causes), "", "{rule}");
}

#[test]
fn values_of_a_wrong_type() {
    let spec = json!({ "type": "object", "properties": {
        "text": { "type": "string" }, "number": { "type": "integer" }, "flag": { "type": "boolean" },
        "list": { "type": "array", "items": { "type": "string" } },
        "port": { "x-kubernetes-int-or-string": true },
        "share": { "type": "number" }, "maybe": { "type": "string", "nullable": true },
    } });
    check(
        spec.clone(),
        json!({
            "text": 1, "number": "x", "flag": null, "list": ["a", 2], "port": true, "share": 1,
            "maybe": null,
        }),
        expect![[r#"
            spec.flag: Invalid value: "null": spec.flag in body must be of type boolean: "null"
            spec.list[1]: Invalid value: "integer": spec.list[1] in body must be of type string: "integer"
            spec.number: Invalid value: "string": spec.number in body must be of type integer: "string"
            spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"
            spec.text: Invalid value: "integer": spec.text in body must be of type string: "integer"
        "#]],
    );
    check(
        spec,
        json!({ "port": "http", "number": 2.0, "share": 0.5 }),
        expect![""],
    );
}

#[test]
fn limits_of_values() {
    check(
        json!({ "type": "object", "required": ["name"], "maxProperties": 8, "properties": {
            "kind": { "type": "string", "enum": ["a", "b"] },
            "short": { "type": "string", "maxLength": 3 },
            "long": { "type": "string", "minLength": 3 },
            "shape": { "type": "string", "pattern": "^a+$" },
            "most": { "type": "integer", "maximum": 5 },
            "least": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
            "even": { "type": "integer", "multipleOf": 2 },
            "few": { "type": "array", "maxItems": 1, "items": { "type": "string" } },
            "some": { "type": "array", "minItems": 1, "items": { "type": "string" } },
            "name": { "type": "string" },
            "when": { "type": "string", "format": "date-time" },
        } }),
        json!({
            "kind": "c", "short": "abcd", "long": "ab", "shape": "b", "most": 6, "least": 0,
            "even": 3, "few": ["a", "b"], "some": [], "when": "yesterday",
        }),
        expect![[r#"
            spec.name: Required value
            spec: Too many: 10: must have at most 8 items
            spec.even: Invalid value: 3: spec.even in body should be a multiple of 2
            spec.few: Too many: 2: must have at most 1 item
            spec.kind: Unsupported value: "c": supported values: "a", "b"
            spec.least: Invalid value: 0: spec.least in body should be greater than 0
            spec.long: Invalid value: "ab": spec.long in body should be at least 3 chars long
            spec.most: Invalid value: 6: spec.most in body should be less than or equal to 5
            spec.shape: Invalid value: "b": spec.shape in body should match '^a+$'
            spec.short: Too long: may not be more than 3 bytes
            spec.some: Invalid value: []: spec.some in body should have at least 1 items
            spec.when: Invalid value: "yesterday": spec.when in body must be of type date-time: "yesterday"
        "#]],
    );
}

#[test]
fn alternatives() {
    let spec = json!({
        "type": "object",
        "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
        "oneOf": [{ "required": ["a"] }, { "required": ["b"] }],
        "not": { "properties": { "a": { "minimum": 100 } }, "required": ["a"] },
    });
    check(
        spec.clone(),
        json!({}),
        expect![[r#"
            spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid
            spec.a: Required value
        "#]],
    );
    check(
        spec.clone(),
        json!({ "a": 100, "b": 1 }),
        expect![[r#"
            spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives
            spec: Invalid value: "": "spec" must not validate the schema (not)
        "#]],
    );
    check(spec, json!({ "b": 1 }), expect![""]);
}

#[test]
fn lists_that_are_sets_or_maps_have_no_duplicates() {
    check(
        json!({ "type": "object", "properties": {
            "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
            "map": {
                "type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["port", "protocol"],
                "items": { "type": "object", "required": ["port"], "properties": {
                    "port": { "type": "integer" },
                    "protocol": { "type": "string", "default": "TCP" },
                } },
            },
        } }),
        json!({
            "set": ["a", "b", "a"],
            "map": [{ "port": 80 }, { "port": 80, "protocol": "UDP" }, { "port": 80, "protocol": "TCP" }],
        }),
        expect![[r#"
            spec.map[2]: Duplicate value: {"port":80,"protocol":"TCP"}
            spec.set[2]: Duplicate value: "a"
        "#]],
    );
}

/// "Defaulting" and "Field pruning" in the documentation of custom resource definitions.
#[test]
fn unknown_fields_go_and_defaults_come() {
    let schema = schema(json!({ "type": "object", "properties": {
        "known": { "type": "string", "default": "x" },
        "nothing": { "type": "string", "nullable": true, "default": "y" },
        "cleared": { "type": "string", "default": "z" },
        "nested": { "type": "object", "default": {}, "properties": {
            "deep": { "type": "integer", "default": 1 },
        } },
        "absent": { "type": "object", "properties": { "deep": { "type": "integer", "default": 1 } } },
        "items": { "type": "array", "items": { "type": "object", "properties": {
            "name": { "type": "string" }, "weight": { "type": "integer", "default": 5 },
        } } },
        "any": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "labels": { "type": "object", "additionalProperties": { "type": "string" } },
    } }));
    let mut object = json!({
        "apiVersion": "a/v1", "kind": "K", "metadata": { "name": "n", "nonsense": 1 },
        "extra": 1,
        "spec": {
            "foo": 1, "nothing": null, "cleared": null, "items": [{ "name": "a", "bar": 2 }],
            "any": { "thing": 1 }, "labels": { "a": "b" },
        },
    });
    let unknown = schema.prune(&mut object);
    assert_eq!(
        unknown,
        [
            "metadata.nonsense",
            "extra",
            "spec.foo",
            "spec.items[0].bar"
        ]
    );
    schema.default(&mut object);
    assert_eq!(
        object,
        json!({
            "apiVersion": "a/v1", "kind": "K", "metadata": { "name": "n" },
            "spec": {
                "known": "x", "nothing": null, "cleared": "z", "nested": { "deep": 1 },
                "items": [{ "name": "a", "weight": 5 }], "any": { "thing": 1 },
                "labels": { "a": "b" },
            },
        })
    );
}

#[test]
fn schemas_that_are_not_structural() {
    check_refused(
        json!({ "type": "object", "properties": {
            "untyped": {}, "reference": { "$ref": "#/a", "type": "object" },
            "list": { "type": "array" },
            "both": { "type": "object", "properties": { "a": { "type": "string" } },
                      "additionalProperties": { "type": "string" } },
            "odd": { "type": "text" },
            "keyless": { "type": "array", "x-kubernetes-list-type": "map",
                         "items": { "type": "object", "properties": {} } },
            "optional-key": { "type": "array", "x-kubernetes-list-type": "map",
                              "x-kubernetes-list-map-keys": ["a"],
                              "items": { "type": "object", "properties": { "a": { "type": "string" } } } },
            "pattern": { "type": "string", "pattern": "(" },
            "junctor": { "type": "object", "anyOf": [{ "default": 1 }] },
        } }),
        expect![[r#"
            properties[spec].properties[both].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive
            properties[spec].properties[junctor].anyOf[0].default: Forbidden: must be undefined to be structural
            properties[spec].properties[keyless].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map
            properties[spec].properties[list].items: Required value: must be specified
            properties[spec].properties[odd].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"
            properties[spec].properties[optional-key].items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property
            properties[spec].properties[pattern].pattern: Invalid value: "(": must be a valid regular expression, but isn't: regex parse error:
                (
                ^
            error: unclosed group
            properties[spec].properties[reference].$ref: Forbidden: $ref is not supported
            properties[spec].properties[untyped].type: Required value: must not be empty for specified object fields
        "#]],
    );
}

/// The examples of "Validation rules" in the documentation of custom resource definitions.
#[test]
fn rules_of_the_documentation() {
    let spec = json!({
        "type": "object",
        "x-kubernetes-validations": [
            { "rule": "self.minReplicas <= self.replicas",
              "message": "replicas should be greater than or equal to minReplicas." },
            { "rule": "self.replicas <= self.maxReplicas",
              "messageExpression": "'replicas must not exceed ' + string(self.maxReplicas)",
              "fieldPath": ".replicas", "reason": "FieldValueForbidden" },
        ],
        "properties": {
            "minReplicas": { "type": "integer" }, "replicas": { "type": "integer" },
            "maxReplicas": { "type": "integer" },
        },
        "required": ["minReplicas", "replicas", "maxReplicas"],
    });
    check(
        spec.clone(),
        json!({ "minReplicas": 0, "replicas": 20, "maxReplicas": 10 }),
        expect![[r#"
            spec.replicas: Forbidden: replicas must not exceed 10
        "#]],
    );
    check(
        spec.clone(),
        json!({ "minReplicas": 3, "replicas": 2, "maxReplicas": 10 }),
        expect![[r#"
            spec: Invalid value: "object": replicas should be greater than or equal to minReplicas.
        "#]],
    );
    // What is missing is said by the schema; the rule adds that it cannot be evaluated.
    check(
        spec,
        json!({ "replicas": 2, "maxReplicas": 10 }),
        expect![[r#"
            spec.minReplicas: Required value
            spec: Invalid value: "object": no such key: minReplicas evaluating rule: self.minReplicas <= self.replicas
        "#]],
    );
}

#[test]
fn rules_see_values_of_their_schemas_types() {
    let object = |properties: Value| json!({ "type": "object", "properties": properties });
    let text = || json!({ "type": "string" });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let map = |values: Value| json!({ "type": "object", "additionalProperties": values });
    for (kind, value, rule) in [
        (text(), json!("kube-x"), "self.startsWith('kube')"),
        (
            text(),
            json!("abc"),
            "self.matches('^[a-c]+$') && size(self) == 3",
        ),
        (
            text(),
            json!("https://a.example:8443/p?q=1"),
            "isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() == 'a.example:8443' && url(self).getPort() == '8443' && url(self).getEscapedPath() == '/p' && url(self).getQuery()['q'] == ['1']",
        ),
        (text(), json!("nope nope"), "!isURL(self)"),
        (
            text(),
            json!("a1b22"),
            "self.find('[0-9]+') == '1' && self.findAll('[0-9]+') == ['1', '22'] && self.findAll('[0-9]+', 1) == ['1']",
        ),
        (
            text(),
            json!("a,b"),
            "self.split(',').join('+') == 'a+b' && self.replace(',', '.') == 'a.b' && self.upperAscii() == 'A,B'",
        ),
        (text(), json!("x"), "'%s-%d'.format([self, 5]) == 'x-5'"),
        (
            text(),
            json!("10.0.0.1"),
            "isIP(self) && ip(self).family() == 4 && cidr('10.0.0.0/8').containsIP(self) && !ip(self).isLoopback() && ip.isCanonical(self)",
        ),
        (
            text(),
            json!("10.1.0.0/16"),
            "isCIDR(self) && cidr('10.0.0.0/8').containsCIDR(cidr(self)) && cidr(self).prefixLength() == 16 && cidr(self).masked().ip() == ip('10.1.0.0')",
        ),
        (
            text(),
            json!("500m"),
            "isQuantity(self) && quantity(self).isLessThan(quantity('1')) && quantity(self).add(quantity('500m')).asInteger() == 1 && quantity(self).compareTo(quantity('0.5')) == 0",
        ),
        (
            json!({ "type": "string", "format": "duration" }),
            json!("90s"),
            "self > duration('1m') && self < duration('1h')",
        ),
        (
            json!({ "type": "string", "format": "date-time" }),
            json!("2026-11-21T00:00:00Z"),
            "self < timestamp('2027-01-01T00:00:00Z') && self.getFullYear() == 2026",
        ),
        (
            list(json!({ "type": "integer" })),
            json!([1, 2, 3]),
            "self.all(x, x > 0) && self.exists(x, x == 2) && self.exists_one(x, x == 2) && self.map(x, x * 2) == [2, 4, 6] && self.filter(x, x > 1).size() == 2",
        ),
        (
            list(json!({ "type": "integer" })),
            json!([1, 2, 3]),
            "self.isSorted() && self.sum() == 6 && self.min() == 1 && self.max() == 3 && self.indexOf(2) == 1 && self.lastIndexOf(9) == -1",
        ),
        (
            list(text()),
            json!(["a", "b"]),
            "'a' in self && sets.contains(self, ['b']) && sets.intersects(self, ['a', 'z']) && !sets.equivalent(self, ['a'])",
        ),
        (
            map(json!({ "type": "integer" })),
            json!({ "a": 1 }),
            "self['a'] == 1 && 'a' in self && self.all(k, self[k] > 0)",
        ),
        (
            object(
                json!({ "namespace": { "type": "integer" }, "x-prop": { "type": "integer" }, "redact__d": { "type": "integer" } }),
            ),
            json!({ "namespace": 1, "x-prop": 1, "redact__d": 1 }),
            "self.__namespace__ > 0 && self.x__dash__prop > 0 && self.redact__underscores__d > 0",
        ),
        (
            object(json!({ "a": text() })),
            json!({}),
            "!has(self.a) && self.?a.orValue('none') == 'none'",
        ),
        (
            object(json!({ "a": { "type": "string", "nullable": true } })),
            json!({ "a": null }),
            "!has(self.a)",
        ),
        (
            json!({ "x-kubernetes-int-or-string": true }),
            json!("50%"),
            "type(self) == string && self == '50%'",
        ),
        (
            json!({ "x-kubernetes-int-or-string": true }),
            json!(5),
            "type(self) == int ? self == 5 : false",
        ),
        (
            json!({ "type": "number" }),
            json!(1),
            "self == 1.0 && self < 1.5",
        ),
    ] {
        check_rule(kind, value, rule);
    }
}

#[test]
fn rules_that_do_not_compile_are_refused_with_the_crd() {
    for (rule, expected) in [
        (
            "self.foo > 1",
            expect![[r#"
            properties[spec].x-kubernetes-validations[0].rule: Invalid value: "self.foo > 1": compilation failed: ERROR: <input>:1:5: undefined field 'foo'
             | self.foo > 1
             | ....^
        "#]],
        ),
        (
            "self.count",
            expect![[r#"
            properties[spec].x-kubernetes-validations[0].rule: Invalid value: "self.count": compilation failed: must evaluate to a bool
        "#]],
        ),
        (
            "self.count > 'a'",
            expect![[r#"
            properties[spec].x-kubernetes-validations[0].rule: Invalid value: "self.count > 'a'": compilation failed: ERROR: <input>:1:12: found no matching overload for '_>_' applied to '(int, string)'
             | self.count > 'a'
             | ...........^
        "#]],
        ),
        (
            "selff.count > 1",
            expect![[r#"
            properties[spec].x-kubernetes-validations[0].rule: Invalid value: "selff.count > 1": compilation failed: ERROR: <input>:1:1: undeclared reference to 'selff' (in container '')
             | selff.count > 1
             | ^
        "#]],
        ),
        (
            "self.list.all(x, x.name == y)",
            expect![[r#"
            properties[spec].x-kubernetes-validations[0].rule: Invalid value: "self.list.all(x, x.name == y)": compilation failed: ERROR: <input>:1:28: undeclared reference to 'y' (in container '')
             | self.list.all(x, x.name == y)
             | ...........................^
        "#]],
        ),
        (
            "self.list.all(x, x.nam == '')",
            expect![[r#"
            properties[spec].x-kubernetes-validations[0].rule: Invalid value: "self.list.all(x, x.nam == '')": compilation failed: ERROR: <input>:1:19: undefined field 'nam'
             | self.list.all(x, x.nam == '')
             | ..................^
        "#]],
        ),
        (
            "shout(self.count)",
            expect![[r#"
            properties[spec].x-kubernetes-validations[0].rule: Invalid value: "shout(self.count)": compilation failed: ERROR: <input>:1:6: undeclared reference to 'shout' (in container '')
             | shout(self.count)
             | .....^
        "#]],
        ),
        (
            "",
            expect![[r#"
            properties[spec].x-kubernetes-validations[0].rule: Required value: rule is not specified
        "#]],
        ),
    ] {
        check_refused(
            ruled(
                json!({ "type": "object", "properties": {
                    "count": { "type": "integer" },
                    "list": { "type": "array", "items": {
                        "type": "object", "properties": { "name": { "type": "string" } },
                    } },
                } }),
                rule,
            ),
            expected,
        );
    }
    let broken = Schema::parse(&whole(ruled(json!({ "type": "string" }), "self ==")));
    assert!(
        said(&broken.expect_err("no expression")).contains("compilation failed: ERROR: <input>:1:")
    );
}

/// "Transition rules" in the documentation.
#[test]
fn a_field_can_be_made_immutable() {
    let spec = json!({ "type": "object", "properties": {
        "fixed": { "type": "string", "x-kubernetes-validations": [
            { "rule": "self == oldSelf", "message": "fixed is immutable" },
        ] },
        "list": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": { "type": "object", "required": ["name"], "properties": {
                "name": { "type": "string" },
                "size": { "type": "integer", "x-kubernetes-validations": [
                    { "rule": "self >= oldSelf", "message": "cannot shrink" },
                ] },
            } },
        },
    } });
    check(spec.clone(), json!({ "fixed": "a" }), expect![""]);
    check_change(
        spec.clone(),
        json!({ "fixed": "a", "list": [{ "name": "x", "size": 1 }, { "name": "y", "size": 5 }] }),
        json!({ "fixed": "b", "list": [{ "name": "y", "size": 4 }, { "name": "z", "size": 0 }] }),
        expect![[r#"
            spec.fixed: Invalid value: "string": fixed is immutable
            spec.list[0].size: Invalid value: "integer": cannot shrink
        "#]],
    );
    check_change(spec, json!({}), json!({ "fixed": "b" }), expect![""]);
    check_refused(
        json!({ "type": "array", "items": ruled(json!({ "type": "string" }), "self == oldSelf") }),
        expect![[r#"
            properties[spec].items.x-kubernetes-validations[0].rule: Invalid value: oldSelf cannot be used on the uncorrelatable portion of the schema
        "#]],
    );
}

#[test]
fn a_rule_can_ask_whether_there_was_an_old_value() {
    let spec = json!({ "type": "string", "x-kubernetes-validations": [
        { "rule": "oldSelf.hasValue() || self == 'new'", "optionalOldSelf": true, "message": "starts as new" },
    ] });
    check(
        spec.clone(),
        json!("old"),
        expect![[r#"
        spec: Invalid value: "string": starts as new
    "#]],
    );
    check_change(spec, json!("new"), json!("old"), expect![""]);
}

/// KEP-4008: a mistake that was there before does not keep anyone from changing something else.
#[test]
fn what_has_not_changed_is_not_refused() {
    let spec = json!({ "type": "object", "properties": {
        "old": { "type": "string", "maxLength": 1 }, "new": { "type": "string", "maxLength": 1 },
    } });
    check_change(
        spec,
        json!({ "old": "abc" }),
        json!({ "old": "abc", "new": "xyz" }),
        expect![[r#"
            spec.new: Too long: may not be more than 1 bytes
        "#]],
    );
}

/// Hostile rules come to an end, and soon.
#[test]
fn rules_cannot_spend_more_than_their_budget() {
    let list = || json!({ "type": "array", "items": { "type": "string" } });
    let many: Value = (0..2000)
        .map(|number| Value::from(number.to_string()))
        .collect();
    let out_of_budget = "running out of cost budget";
    for rule in [
        "self.all(a, self.all(b, self.all(c, a + b + c != '')))".to_owned(),
        "self.map(a, self.map(b, self)).size() > 0".to_owned(),
        format!("['aaaaaaaaaaaaaaaa']{}.size() > 0", ".map(x, x + x)".repeat(60)),
        "self.all(a, self.join(self.join(a)).size() >= 0)".to_owned(),
        "['a'].all(x, self.join('').replace('', self.join('')).replace('', self.join('')).size() > 0)".to_owned(),
        "self.all(a, self == self)".to_owned(),
    ] {
        let causes = schema(ruled(list(), &rule)).validate(&json!({ "spec": many }), None);
        assert!(
            said(&causes).contains(out_of_budget),
            "{rule}: {}",
            said(&causes)
        );
    }
    let causes = schema(ruled(list(), "'%.1000000000f'.format([1.0]) == ''"))
        .validate(&json!({ "spec": [] }), None);
    assert!(said(&causes).contains("three digits"));
}

fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "crontabs.stable.example.com" },
        "spec": {
            "group": "stable.example.com", "scope": "Namespaced",
            "names": { "plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"], "categories": ["all"] },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": whole(json!({ "type": "object", "properties": {
                    "replicas": { "type": "integer" }, "colour": { "type": "string" },
                } })) },
                "subresources": { "status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector",
                } },
                "selectableFields": [{ "jsonPath": ".spec.colour" }],
                "additionalPrinterColumns": [{
                    "name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1,
                }],
            }],
        },
    })
}

#[test]
fn a_definition_gives_resources() {
    let defined = definition(&crd()).expect("sound");
    let resources = defined.resources();
    let [resource] = resources.as_slice() else {
        panic!("one version")
    };
    assert_eq!(resource.id.to_string(), "crontabs.stable.example.com");
    assert_eq!(resource.api_version(), "stable.example.com/v1");
    assert_eq!(
        (resource.kind.as_str(), resource.singular.as_str()),
        ("CronTab", "crontab")
    );
    assert_eq!(defined.list_kind, "CronTabList");
    assert!(resource.namespaced && resource.has_status);
    assert_eq!(
        resource.scale.as_ref().expect("has one").spec_replicas,
        ".spec.replicas"
    );
    assert_eq!(resource.selectable, ["spec.colour"]);
    assert_eq!(resource.columns[0].priority, 1);
    assert_eq!(defined.storage().expect("one").name, "v1");
}

#[test]
fn definitions_that_are_not_sound() {
    let mut crd = crd();
    crd["metadata"]["name"] = json!("crons");
    crd["spec"]["group"] = json!("example");
    crd["spec"]["scope"] = json!("World");
    crd["spec"]["names"]["plural"] = json!("CronTabs");
    let mut second = crd["spec"]["versions"][0].clone();
    second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["x"] = json!({});
    second["selectableFields"] = json!([{ "jsonPath": ".spec.nothing" }]);
    second["additionalPrinterColumns"] =
        json!([{ "name": "A", "type": "text", "jsonPath": "spec" }]);
    second["subresources"]["scale"] = json!({ "specReplicasPath": ".status.x" });
    crd["spec"]["versions"].as_array_mut().unwrap().push(second);
    let causes = definition(&crd).expect_err("not sound");
    expect![[r#"
        spec.group: Invalid value: "example": should be a domain with at least one dot
        spec.names.plural: Invalid value: "CronTabs": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
        metadata.name: Invalid value: "crons": must be spec.names.plural+"."+spec.group
        spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"
        spec.versions: Invalid value: must have exactly one version marked as storage version
        spec.versions: Invalid value: "v1": must contain unique version names
        spec.versions[1].subresources.scale.specReplicasPath: Invalid value: ".status.x": should be a json path under .spec
        spec.versions[1].subresources.scale.statusReplicasPath: Required value
        spec.versions[1].additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string
        spec.versions[1].additionalPrinterColumns[0].jsonPath: Invalid value: "spec": must be a simple json path starting with .
        spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[x].type: Required value: must not be empty for specified object fields
    "#]]
    .assert_eq(&said(&causes));
}

/// Any JSON, a few levels deep, of the field names that the schema below knows.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..9i64).prop_map(Value::from),
        "[a-c]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-e]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

static TANGLED: LazyLock<Schema> = LazyLock::new(|| {
    schema(json!({ "type": "object", "properties": {
        "a": { "type": "string", "default": "a", "maxLength": 2 },
        "b": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
               "items": { "type": "object", "required": ["a"], "properties": {
                   "a": { "type": "string" }, "b": { "type": "integer", "default": 3 } } } },
        "c": { "type": "object", "additionalProperties": { "type": "integer", "default": 1 } },
        "d": { "type": "object", "x-kubernetes-preserve-unknown-fields": true,
               "properties": { "a": { "x-kubernetes-int-or-string": true } },
               "x-kubernetes-validations": [{ "rule": "!has(self.a) || self.a != oldSelf.a" }] },
    } }))
});

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pruning_and_defaulting_are_done_once(value in values()) {
        let schema = &*TANGLED;
        let mut object = json!({ "spec": value });
        schema.prune(&mut object);
        schema.default(&mut object);
        let mut again = object.clone();
        let unknown = schema.prune(&mut again);
        prop_assert!(unknown.is_empty());
        schema.default(&mut again);
        prop_assert_eq!(object, again);
    }

    #[test]
    fn nothing_makes_validation_panic(new in values(), old in values()) {
        let schema = &*TANGLED;
        let (new, old) = (json!({ "spec": new }), json!({ "spec": old }));
        schema.validate(&new, None);
        schema.validate(&new, Some(&old));
    }

    #[test]
    fn no_schema_makes_parsing_panic(schema in values()) {
        prop_assert!(Schema::parse(&schema).is_err());
    }
}

#[test]
fn rules_as_deep_as_allowed_are_evaluated_and_deeper_ones_refused() {
    let deep = |levels: usize| {
        let rule = format!("size('a'{}) > 0", " + self".repeat(levels));
        Schema::parse(&whole(ruled(json!({ "type": "string" }), &rule)))
    };
    let causes = deep(190)
        .expect("allowed")
        .validate(&json!({ "spec": "a" }), None);
    assert_eq!(causes, []);
    assert!(said(&deep(250).expect_err("too deep")).contains("200 levels deep at most"));
}
