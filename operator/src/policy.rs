//! From an `AlertPolicy` and the Secrets it names to the monitor's routing, and to its status.

use std::collections::BTreeMap;

use crds::alert_policy::{Receiver as SpecReceiver, SecretKey};
use crds::monitored_api::{Binding, BindingCondition, ServiceRef};
use crds::{AlertPolicy, AlertPolicyStatus};
use jiff::Timestamp;
use monitor_api::{Receiver, Route, Select, WorkloadName};

use crate::conditions::{Answer, Conditions};
use crate::key::Key;
use crate::monitor::{Monitor, Reach as MonitorReach};
use crate::reach::reach;

/// What reading a Secret gave.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretRead {
    Entries(BTreeMap<String, String>),
    Missing,
    Forbidden,
    /// Another reason, which may pass.
    Failed(String),
}

/// What is in it stays out of logs.
impl std::fmt::Debug for SecretRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretRead::Entries(entries) => f
                .debug_tuple("Entries")
                .field(&entries.keys().collect::<Vec<_>>())
                .finish(),
            SecretRead::Missing => f.write_str("Missing"),
            SecretRead::Forbidden => f.write_str("Forbidden"),
            SecretRead::Failed(why) => f.debug_tuple("Failed").field(why).finish(),
        }
    }
}

pub(crate) type Secrets = BTreeMap<Key, SecretRead>;

/// Why something of a policy is not in force: a word for programs, a sentence for people.
type Problem = (&'static str, String);

/// What a policy comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Routing {
    pub(crate) routes: Vec<Route>,
    pub(crate) receivers: usize,
    /// The first thing that is wrong.
    pub(crate) problem: Option<Problem>,
}

/// The Secrets that a policy names.
pub(crate) fn secrets(policy: &AlertPolicy) -> Vec<Key> {
    let namespace = policy.metadata.namespace.clone().unwrap_or_default();
    let receivers = policy.spec.receivers.iter();
    let named = receivers.flat_map(|it| [&it.url_from, &it.token_from]);
    let mut keys: Vec<Key> = named
        .flatten()
        .map(|secret| Key::new(&namespace, &secret.name))
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

pub(crate) fn routing(policy: &AlertPolicy, operators: &str, secrets: &Secrets) -> Routing {
    let spec = &policy.spec;
    let namespace = policy.metadata.namespace.clone().unwrap_or_default();
    let name = Key::of(&policy.metadata).to_string();
    let reach = match reach(&namespace, operators, &spec.select.namespaces) {
        Ok(reach) => reach,
        Err(why) => {
            return Routing {
                problem: Some(("NamespacesNotAllowed", why)),
                ..Routing::default()
            };
        }
    };
    let mut problem = None;
    let mut receivers = Vec::new();
    for receiver in &spec.receivers {
        match resolve(receiver, &namespace, secrets) {
            Ok(receiver) => receivers.push(receiver),
            Err(found) => {
                problem.get_or_insert(found);
            }
        }
    }
    let named = |services: &[ServiceRef]| {
        let names = services.iter().map(|service| WorkloadName {
            namespace: service.namespace.clone().unwrap_or(namespace.clone()),
            service: service.name.clone(),
        });
        names.collect::<Vec<_>>()
    };
    let select = Select {
        workloads: named(&spec.select.services),
        environments: spec.select.environments.clone(),
        namespaces: reach.names(),
        severities: spec
            .select
            .severities
            .iter()
            .map(|it| it.as_str().to_owned())
            .collect(),
    };
    // Rules before the route itself, which is what tells: nobody is told twice.
    let mut routes: Vec<Route> = Vec::new();
    for (index, rule) in spec.severities.iter().enumerate() {
        let or = |own: Vec<_>, general: &Vec<_>| if own.is_empty() { general.clone() } else { own };
        routes.push(Route {
            name: format!("{name}#{index}"),
            select: Select {
                workloads: or(named(&rule.services), &select.workloads),
                environments: if rule.environments.is_empty() {
                    select.environments.clone()
                } else {
                    rule.environments.clone()
                },
                ..select.clone()
            },
            severity: Some(rule.severity.as_str().to_owned()),
            receivers: Vec::new(),
        });
    }
    let count = receivers.len();
    if count > 0 {
        routes.push(Route {
            name,
            select,
            severity: None,
            receivers,
        });
    }
    Routing {
        routes,
        receivers: count,
        problem,
    }
}

fn resolve(
    receiver: &SpecReceiver,
    namespace: &str,
    secrets: &Secrets,
) -> Result<Receiver, Problem> {
    let url = match (&receiver.url, &receiver.url_from) {
        (Some(url), _) => url.clone(),
        (None, Some(from)) => entry(from, namespace, secrets)?,
        (None, None) => {
            let why = format!("receiver {} has neither url nor urlFrom", receiver.name);
            return Err(("NoAddress", why));
        }
    };
    let url = url.trim().to_owned();
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let why = format!(
            "the address of receiver {} begins with neither http:// nor https://",
            receiver.name
        );
        return Err(("NoAddress", why));
    }
    let token = receiver.token_from.as_ref();
    let token = token
        .map(|from| entry(from, namespace, secrets))
        .transpose()?;
    Ok(Receiver {
        name: receiver.name.clone(),
        kind: receiver.kind.as_str().to_owned(),
        url,
        token: token.map(|token| token.trim().to_owned()),
    })
}

fn entry(from: &SecretKey, namespace: &str, secrets: &Secrets) -> Result<String, Problem> {
    let SecretKey { name, key } = from;
    match secrets.get(&Key::new(namespace, name)) {
        Some(SecretRead::Entries(entries)) => entries.get(key).cloned().ok_or_else(|| {
            let there: Vec<&str> = entries.keys().map(String::as_str).collect();
            let why = match there.is_empty() {
                true => format!("Secret {namespace}/{name} is empty; it needs the key {key}"),
                false => format!(
                    "Secret {namespace}/{name} has no key {key}; it has {}",
                    there.join(", ")
                ),
            };
            ("SecretKeyMissing", why)
        }),
        Some(SecretRead::Missing) => Err((
            "SecretMissing",
            format!(
                "Secret {namespace}/{name} does not exist; make it: kubectl -n {namespace} create \
                 secret generic {name} --from-literal={key}=…"
            ),
        )),
        Some(SecretRead::Forbidden) => Err((
            "SecretForbidden",
            format!(
                "the operator may not read Secret {namespace}/{name}; allow it: kubectl -n \
                 {namespace} create role crosswatch-{name} --verb=get --resource=secrets \
                 --resource-name={name}, and bind that role to the operator's service account"
            ),
        )),
        Some(SecretRead::Failed(why)) => Err((
            "SecretUnreadable",
            format!("Secret {namespace}/{name} could not be read: {why}"),
        )),
        None => Err((
            "SecretNotReadYet",
            format!("Secret {namespace}/{name} is being read"),
        )),
    }
}

pub(crate) fn status(
    policy: &AlertPolicy,
    routing: &Routing,
    monitor: &Monitor,
    revision: &str,
    now: Timestamp,
) -> AlertPolicyStatus {
    let old = policy.status.clone().unwrap_or_default();
    let generation = policy.metadata.generation;
    let name = Key::of(&policy.metadata).to_string();
    let refused = monitor.refusal("routing", &name);
    let (answer, reason, message) = standing(monitor, revision, refused.map(|it| &*it.reason));
    let mut conditions = Conditions::new(&old.conditions, generation, now);
    match (&routing.problem, answer) {
        (Some((word, sentence)), _) => {
            conditions.say("Ready", Answer::False, word, sentence.clone());
        }
        (None, Answer::True) => {
            let told = crate::status::plural(routing.receivers, "receiver");
            conditions.say(
                "Ready",
                Answer::True,
                &reason,
                format!("alerts go to {told}"),
            );
        }
        (None, _) => conditions.say("Ready", Answer::False, &reason, message.clone()),
    }
    AlertPolicyStatus {
        observed_generation: generation,
        conditions: conditions.all(),
        bindings: vec![binding(monitor, answer, reason, message, generation)],
        receivers: i32::try_from(routing.receivers).unwrap_or(i32::MAX),
    }
}

/// Whether the monitor has a part of the wish: the answer, a word and a sentence.
pub(crate) fn standing(
    monitor: &Monitor,
    revision: &str,
    refused: Option<&str>,
) -> (Answer, String, String) {
    let say = |answer, word: &str, sentence: &str| (answer, word.to_owned(), sentence.to_owned());
    match &monitor.reach {
        MonitorReach::NotAsked => say(
            Answer::Unknown,
            "NotAskedYet",
            "the monitor has not been asked yet",
        ),
        MonitorReach::Away(why) => say(Answer::Unknown, "MonitorUnreachable", why),
        MonitorReach::Answers if monitor.in_force.as_deref() != Some(revision) => say(
            Answer::Unknown,
            "NotYetInForce",
            "on its way to the monitor",
        ),
        MonitorReach::Answers => match refused {
            Some(why) => say(Answer::False, "SettingsRefused", why),
            None => say(Answer::True, "InForce", "in force"),
        },
    }
}

pub(crate) fn binding(
    monitor: &Monitor,
    answer: Answer,
    reason: String,
    message: String,
    generation: Option<i64>,
) -> Binding {
    Binding {
        name: monitor.address.clone(),
        conditions: vec![BindingCondition {
            type_: "Accepted".to_owned(),
            status: answer.as_str().to_owned(),
            reason,
            message,
            observed_generation: generation,
        }],
    }
}
