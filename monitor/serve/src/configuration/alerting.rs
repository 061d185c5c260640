//! When nobody is told, and who else is.

use axum::http::Uri;
use monitor_api as wire;
use monitor_core::{
    AlertRoute, AlertSeverity, Name, Receiver, ReceiverKind, Select, ServiceKey, Time, Window,
};

use super::{Notes, shorten};

/// Workloads, environments and the like of one selection.
const MOST: usize = 10_000;
const LONGEST: usize = 2_048;

pub(super) fn window(item: &wire::Maintenance, notes: &mut Notes) -> Result<Window, String> {
    named(&item.name)?;
    let time = |field: &str, text: &str| {
        text.parse::<Time>().map_err(|_| {
            format!(
                "`{field}` is `{}`, which is no time; write 2026-11-21T22:00:00Z",
                shorten(text)
            )
        })
    };
    let starts = time("starts_at", &item.starts_at)?;
    let ends = time("ends_at", &item.ends_at)?;
    if starts >= ends {
        return Err(format!("it ends at {ends}, before it starts at {starts}"));
    }
    if !item.mute && !item.exclude_learning {
        return Err("it does nothing: set `mute`, `exclude_learning` or both".to_owned());
    }
    let select = select(&item.select)?;
    if item.exclude_learning && !select.severities.is_empty() {
        notes.add(
            "`select.severities` chooses alerts; learning is excluded for all the workloads chosen"
                .to_owned(),
        );
    }
    Ok(Window {
        name: Name::from(&*item.name),
        starts,
        ends,
        mute: item.mute,
        exclude_learning: item.exclude_learning,
        select,
    })
}

pub(super) fn route(item: &wire::Route, notes: &mut Notes) -> Result<AlertRoute, String> {
    named(&item.name)?;
    let severity = item.severity.as_deref().map(severity).transpose()?;
    if item.receivers.is_empty() && severity.is_none() {
        return Err("it does nothing: give it `receivers`, a `severity` or both".to_owned());
    }
    let mut receivers = Vec::new();
    for wanted in &item.receivers {
        match receiver(wanted) {
            Ok(receiver) => receivers.push(receiver),
            Err(why) => notes.add(format!("receiver `{}`: {why}", shorten(&wanted.name))),
        }
    }
    if receivers.is_empty() && !item.receivers.is_empty() {
        let why = notes.0.pop().unwrap_or_default();
        return Err(format!("none of its receivers can be used; {why}"));
    }
    Ok(AlertRoute {
        name: Name::from(&*item.name),
        select: select(&item.select)?,
        severity,
        receivers,
    })
}

fn receiver(wanted: &wire::Receiver) -> Result<Receiver, String> {
    let kind = match &*wanted.kind {
        "alertmanager" => ReceiverKind::Alertmanager,
        "webhook" => ReceiverKind::Webhook,
        other => {
            return Err(format!(
                "its kind is `{}`; kinds are alertmanager, webhook",
                shorten(other)
            ));
        }
    };
    address(&wanted.url)?;
    let token = wanted.token.as_deref().filter(|token| !token.is_empty());
    if token.is_some_and(|token| {
        token.len() > LONGEST || !token.bytes().all(|byte| (0x21..0x7f).contains(&byte))
    }) {
        return Err("its token holds characters that no HTTP header may carry".to_owned());
    }
    Ok(Receiver {
        kind,
        url: Name::from(&*wanted.url),
        token: token.map(Name::from),
        name: Name::from(shorten(&wanted.name)),
    })
}

/// Says what is wrong with an address without repeating it: it may hold a secret.
pub(super) fn address(url: &str) -> Result<(), String> {
    let wrong = || {
        "its address is none; write http://HOST:PORT/PATH. What the monitor shows as *** has to be \
         written anew"
            .to_owned()
    };
    if url.len() > LONGEST {
        return Err(format!("its address is longer than {LONGEST} bytes"));
    }
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    if uri.scheme_str() == Some("https") {
        return Err(
            "this monitor speaks no TLS: give the http:// address of a proxy that does".to_owned(),
        );
    }
    let usable =
        uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
    if usable { Ok(()) } else { Err(wrong()) }
}

fn select(item: &wire::Select) -> Result<Select, String> {
    let all = [
        item.workloads.len(),
        item.environments.len(),
        item.namespaces.len(),
        item.severities.len(),
    ];
    if all.into_iter().any(|n| n > MOST) {
        return Err(format!(
            "`select` names more than {MOST}; leave it empty to mean all"
        ));
    }
    let names = |names: &[String]| names.iter().map(|name| Name::from(&**name)).collect();
    let severities = item.severities.iter();
    Ok(Select {
        workloads: item
            .workloads
            .iter()
            .map(|name| ServiceKey::new(&name.namespace, &name.service))
            .collect(),
        environments: names(&item.environments),
        namespaces: names(&item.namespaces),
        severities: severities
            .map(|text| severity(text))
            .collect::<Result<_, _>>()?,
    })
}

fn severity(text: &str) -> Result<AlertSeverity, String> {
    [
        AlertSeverity::Critical,
        AlertSeverity::Warning,
        AlertSeverity::Info,
    ]
    .into_iter()
    .find(|severity| severity.as_str() == text)
    .ok_or_else(|| {
        format!(
            "`{}` is no severity; severities are critical, warning, info",
            shorten(text)
        )
    })
}

fn named(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > LONGEST {
        return Err("it needs a `name`".to_owned());
    }
    Ok(())
}
