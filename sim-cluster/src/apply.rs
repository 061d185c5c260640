//! Server-side apply: objects with several owners, each of some fields.
//!
//! Follows KEP-555, `sigs.k8s.io/structured-merge-diff/merge` and
//! `k8s.io/apimachinery/pkg/util/managedfields`. Pure: live object and configuration in, the object
//! to be stored out, its `metadata.managedFields` included. Who calls checks names, versions and
//! preconditions, fills defaults in, and stores; after any other write it calls [`track`].

use std::sync::LazyLock;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::{Value, json};

use crate::object;
use crate::shape::{Shape, check};
use crate::status::Status;

mod fields;
mod managers;
mod walk;

use fields::FieldSet;
use managers::Entry;

/// Of managers that update (not apply) an object only so many are told apart; the oldest are added
/// up under the name [`ANCIENT`].
const MOST_UPDATERS: usize = 10;
const ANCIENT: &str = "ancient-changes";
/// Who is said to own what was there before the first one applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// Where `kubectl apply` without `--server-side` keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who writes, through which door, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// `fieldManager` of the request; for writes that name none, the start of the user agent.
    pub manager: &'a str,
    /// The version in which the object is written: `apps/v1`.
    pub api_version: &'a str,
    /// Empty, `status` or `scale`.
    pub subresource: &'a str,
    /// Whether the kind has a status subresource: `status` is then set through it only.
    pub has_status: bool,
    pub now: Timestamp,
}

/// Lays an applied configuration over the live object, `None` where there is none yet.
///
/// What the manager applied before and does not apply now goes, unless others own it too. An apply
/// that changes nothing returns the live object as it is, `managedFields` and their times included,
/// so that its version need not change.
///
/// # Errors
/// 409 with one cause a field where others own what would change, unless `force`; 400 for a
/// configuration with `managedFields`; 500 where it does not fit the shape (unknown fields, items
/// without the keys of their list), in the words of the API server.
pub fn apply(
    live: Option<&Value>,
    config: &Value,
    shape: &Shape,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Status> {
    if !object::at(config, &["metadata", "managedFields"]).is_null() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let config = scoped(config, writer);
    fits(&config, shape)?;

    let nothing = json!({
        "apiVersion": config["apiVersion"], "kind": config["kind"], "metadata": {},
    });
    let before = live.unwrap_or(&nothing);
    let mut entries = live.map_or_else(Vec::new, managers::read);
    if entries.is_empty()
        && let Some(live) = live
    {
        entries.extend(owner_of_all(live, shape, writer));
    }
    let applies = |entry: &Entry| {
        entry.is_of(
            "Apply",
            writer.manager,
            writer.api_version,
            writer.subresource,
        )
    };
    let last = entries
        .iter()
        .position(applies)
        .map(|at| entries.remove(at));

    let bare = without_managed_fields(before);
    let mut fields = FieldSet::default();
    walk::fields_of(shape, &config, &mut fields);

    let merged = walk::merge(shape, &bare, &config);
    let mut after = match &last {
        Some(last) => prune(merged, &last.fields, &fields, &entries, shape),
        None => merged,
    };
    // Only now: that the configuration names the object is what keeps its `metadata` above.
    fields.subtract(&NEVER_OWNED);

    let difference = walk::compare(shape, &bare, &after);
    let mut changed = difference.changed();
    changed.subtract(&NEVER_OWNED);
    let may_take = force || only_reapplies(before, &entries, &changed, shape, writer);
    if !may_take {
        refuse_conflicts(&entries, &changed)?;
    }
    for entry in &mut entries {
        entry.fields.subtract(&changed);
        entry.fields.subtract(&difference.removed);
    }
    let is_same_object = bare == after;
    let before_time = last.as_ref().and_then(|last| last.time.clone());
    let time = match before_time {
        Some(time) if is_same_object => Some(time),
        _ => Some(seconds(writer.now)),
    };
    entries.push(Entry {
        manager: writer.manager.to_owned(),
        operation: "Apply".to_owned(),
        api_version: writer.api_version.to_owned(),
        subresource: writer.subresource.to_owned(),
        time,
        fields,
    });
    managers::write(&mut after, entries);
    if let Some(live) = live
        && &after == live
    {
        return Ok(live.clone());
    }
    Ok(after)
}

/// After a plain write (create, update, patch): what it changed belongs to the writer from now on,
/// and to nobody else. `before` is `None` on creation.
///
/// A writer can hand `managedFields` in: they are taken as the state before, which is how clients
/// rename themselves; `[{}]` empties them. A write that changes nothing leaves them as they are.
///
/// Costs a comparison of both states, and an allocation only for what differs.
pub fn track(
    before: Option<&Value>,
    mut after: Value,
    shape: &Shape,
    writer: &Writer<'_>,
) -> Value {
    let handed_in = object::list(&after, &["metadata", "managedFields"]);
    let is_reset = handed_in.len() == 1 && handed_in[0] == json!({});
    let may_set = writer.subresource.is_empty();
    let mut entries = if is_reset && may_set {
        Vec::new()
    } else {
        let own = if may_set {
            managers::read(&after)
        } else {
            Vec::new()
        };
        match (own.is_empty(), before) {
            (true, Some(before)) => managers::read(before),
            _ => own,
        }
    };
    if entries.is_empty() && before.is_some() {
        // Objects whose owners were wiped stay without, until somebody applies.
        managers::write(&mut after, entries);
        return after;
    }
    take_managed_fields(&mut after);
    // That `after` has no `managedFields` by now looks like a removal, of what nobody owns.
    let difference = walk::compare(shape, before.unwrap_or(&Value::Null), &after);
    let mut changed = difference.changed();
    changed.subtract(&NEVER_OWNED);
    for entry in &mut entries {
        entry.fields.subtract(&changed);
        entry.fields.subtract(&difference.removed);
    }
    if !changed.is_empty() {
        let updates = |entry: &&mut Entry| {
            entry.is_of(
                "Update",
                writer.manager,
                writer.api_version,
                writer.subresource,
            )
        };
        let time = Some(seconds(writer.now));
        match entries.iter_mut().find(updates) {
            Some(entry) => {
                entry.fields.add(&changed);
                entry.time = time;
            }
            None => entries.push(Entry {
                manager: writer.manager.to_owned(),
                operation: "Update".to_owned(),
                api_version: writer.api_version.to_owned(),
                subresource: writer.subresource.to_owned(),
                time,
                fields: changed,
            }),
        }
    }
    managers::write(&mut after, with_few_updaters(entries));
    after
}

/// What nobody owns: which object it is, and what the API itself keeps.
static NEVER_OWNED: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::from_json(&json!({
        "f:apiVersion": {}, "f:kind": {},
        "f:metadata": {
            ".": {}, "f:name": {}, "f:namespace": {}, "f:creationTimestamp": {}, "f:selfLink": {},
            "f:uid": {}, "f:generation": {}, "f:managedFields": {}, "f:resourceVersion": {},
        },
    }))
});

/// What the door lets in: `status` goes through its own, which lets nothing else in. `null` says
/// nothing in an applied configuration.
fn scoped(config: &Value, writer: &Writer<'_>) -> Value {
    let mut config = without_nulls(config);
    let Some(fields) = config.as_object_mut() else {
        return config;
    };
    if writer.subresource == "status" {
        fields.retain(|name, _| {
            matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status")
        });
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|name, _| matches!(name.as_str(), "name" | "namespace"));
        }
    } else if writer.has_status {
        fields.remove("status");
    }
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        // Preconditions, which the caller has checked, and what only the API sets.
        for name in [
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
            "selfLink",
        ] {
            metadata.remove(name);
        }
    }
    config
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        value => value.clone(),
    }
}

fn fits(config: &Value, shape: &Shape) -> Result<(), Status> {
    let report = check::check(shape, config);
    let unknown = report
        .unknown
        .first()
        .map(|field| format!(".{field}: field not declared in schema"));
    let undecodable = || report.undecodable.clone();
    let unaddressable = || walk::unaddressable(shape, config, "");
    let Some(why) = unknown.or_else(undecodable).or_else(unaddressable) else {
        return Ok(());
    };
    let (group, version) = match object::text(config, &["apiVersion"]).split_once('/') {
        Some((group, version)) => (format!("{group}/"), version),
        None => (String::new(), object::text(config, &["apiVersion"])),
    };
    Err(Status::internal(format!(
        "failed to create typed patch object ({}/{}; {group}{version}, Kind={}): {why}",
        object::namespace(config),
        object::name(config),
        object::text(config, &["kind"]),
    )))
}

/// Removes what the manager applied before and does not now, and nobody else owns.
///
/// `Updater.prune` of structured-merge-diff: named fields go with all that is in them once nobody
/// owns any of it; items of lists go with their last applier.
fn prune(merged: Value, last: &FieldSet, now: &FieldSet, others: &[Entry], shape: &Shape) -> Value {
    let named = |set: &FieldSet| set.with_named_fields(shape);
    let fields_of = |value: &Value| {
        let mut set = FieldSet::default();
        walk::fields_of(shape, value, &mut set);
        named(&set)
    };
    let last = named(last);
    let mut managed = now.clone();
    for entry in others {
        managed.add(&entry.fields);
    }
    let managed = named(&managed);

    let present = fields_of(&merged);
    let mut pruned = merged.clone();
    walk::remove(shape, &mut pruned, &last);
    let unowned = present.without(&fields_of(&pruned)).without(&managed);
    let mut pruned = merged.clone();
    walk::remove(shape, &mut pruned, &unowned);
    let gone = present.without(&fields_of(&pruned)).common(&last);
    let mut pruned = merged;
    walk::remove(shape, &mut pruned, &gone);
    pruned
}

/// An object that nobody is known to own anything of belongs to whoever was before.
fn owner_of_all(live: &Value, shape: &Shape, writer: &Writer<'_>) -> Option<Entry> {
    let bare = without_managed_fields(live);
    let mut fields = walk::compare(shape, &json!({}), &bare).changed();
    fields.subtract(&NEVER_OWNED);
    (!fields.is_empty()).then(|| Entry {
        manager: BEFORE_FIRST_APPLY.to_owned(),
        operation: "Update".to_owned(),
        api_version: writer.api_version.to_owned(),
        subresource: String::new(),
        time: Some(seconds(writer.now)),
        fields,
    })
}

/// Whether `kubectl` only takes over what it had applied itself, client-side: it may.
fn only_reapplies(
    live: &Value,
    entries: &[Entry],
    changed: &FieldSet,
    shape: &Shape,
    writer: &Writer<'_>,
) -> bool {
    if writer.manager != "kubectl" {
        return false;
    }
    let Some(last) = object::annotation(live, LAST_APPLIED) else {
        return false;
    };
    let Ok(last) = serde_json::from_str::<Value>(last) else {
        return false;
    };
    let mut applied = FieldSet::default();
    walk::fields_of(shape, &last, &mut applied);
    entries
        .iter()
        .all(|entry| entry.fields.common(changed).without(&applied).is_empty())
}

fn refuse_conflicts(entries: &[Entry], changed: &FieldSet) -> Result<(), Status> {
    let mut said = Vec::new();
    let mut causes = Vec::new();
    let mut single = String::new();
    for entry in entries {
        let paths = entry.fields.common(changed).paths();
        if paths.is_empty() {
            continue;
        }
        let who = entry.described();
        said.push(format!("conflicts with {who}:"));
        for path in paths {
            said.push(format!("- {path}"));
            single = format!("conflict with {who}: {path}");
            causes.push(json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with {who}"),
                "field": path,
            }));
        }
    }
    let message = match causes.len() {
        0 => return Ok(()),
        1 => format!("Apply failed with 1 conflict: {single}"),
        many => format!("Apply failed with {many} conflicts: {}", said.join("\n")),
    };
    Err(Status {
        code: 409,
        reason: "Conflict",
        message,
        details: json!({ "causes": causes }),
    })
}

/// Adds up the oldest updaters where there are too many.
fn with_few_updaters(mut entries: Vec<Entry>) -> Vec<Entry> {
    let is_updater = |entry: &Entry| entry.operation == "Update" && entry.subresource.is_empty();
    let mut updaters: Vec<usize> = (0..entries.len())
        .filter(|at| is_updater(&entries[*at]))
        .collect();
    if updaters.len() <= MOST_UPDATERS {
        return entries;
    }
    updaters.sort_by(|one, other| entries[*one].time.cmp(&entries[*other].time));
    let surplus = updaters.len() - MOST_UPDATERS + 1;
    let mut old: Vec<usize> = updaters.into_iter().take(surplus).collect();
    old.sort_unstable_by(|one, other| other.cmp(one));
    let mut together: Option<Entry> = None;
    for at in old {
        let entry = entries.remove(at);
        match &mut together {
            Some(together) => {
                together.fields.add(&entry.fields);
                together.time = together.time.take().max(entry.time);
            }
            None => {
                together = Some(Entry {
                    manager: ANCIENT.to_owned(),
                    ..entry
                })
            }
        }
    }
    entries.extend(together);
    entries
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    take_managed_fields(&mut object);
    object
}

fn take_managed_fields(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// Times of the API have no fractions.
fn seconds(now: Timestamp) -> String {
    let whole = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Trunc);
    now.round(whole).unwrap_or(now).to_string()
}
