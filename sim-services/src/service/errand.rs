//! One request or message under way: whose it is, what it is about, which ids it carries.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::HeaderValue;

use super::plan::{Job, Plan};
use super::view::{Subject, View};
use crate::random::Dice;
use crate::telemetry::Ids;
use crate::topology::Propagation;
use crate::truth::{PASSAGE, Underway};

#[derive(Debug)]
pub(super) struct Errand<'p> {
    /// As targets name it; empty when no route is meant.
    pub(super) name: &'p str,
    pub(super) view: Arc<View>,
    /// As they are logged.
    pub(super) ids: Ids,
    pub(super) trace: Option<Trace>,
    /// The truth about its journey, when anyone wants to know.
    pub(super) underway: Option<Underway>,
    pub(super) client: Option<HeaderValue>,
    pub(super) tenant: Option<HeaderValue>,
    forwarded_for: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    /// The value of `{id}`.
    pub(super) id: String,
    /// The callee that was waited for longest.
    longest: Mutex<Option<(usize, Duration)>>,
}

/// Where a request is in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) id: [u8; 16],
    /// Of the span that asked.
    pub(super) parent: Option<[u8; 8]>,
    /// This service's; none when it only passes on what it got.
    pub(super) span: Option<[u8; 8]>,
    pub(super) sampled: bool,
    /// Whether this service says what it did.
    pub(super) exports: bool,
}

impl<'p> Errand<'p> {
    /// `id` is what the path says; the body is asked next, then chance.
    pub(super) fn new(
        plan: &Plan,
        job: Option<&'p Job>,
        id: Option<String>,
        headers: &HeaderMap,
        view: Arc<View>,
        dice: &Mutex<Dice>,
    ) -> Errand<'p> {
        let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
        let (request_id, trace) = match plan.propagates {
            Propagation::Nothing => (None, None),
            Propagation::RequestId => (request_id(plan, headers, &mut dice), None),
            Propagation::Traceparent => (
                request_id(plan, headers, &mut dice),
                Some(Trace::of(plan.exports_spans, headers, &mut dice)),
            ),
        };
        let request = request_id
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .map(Arc::from);
        Errand {
            name: job.map_or("", |job| job.name.as_str()),
            view,
            ids: Ids {
                trace: trace.map(|trace| trace.id),
                span: trace.and_then(|trace| trace.span),
                request,
            },
            trace,
            underway: None,
            client: headers.get("x-client-id").cloned(),
            tenant: headers.get("x-tenant").cloned(),
            forwarded_for: headers.get("x-forwarded-for").cloned(),
            request_id,
            id: id.unwrap_or_else(|| some_id(plan, &mut dice)),
            longest: Mutex::new(None),
        }
    }

    /// Work that nobody asked for; about anything.
    pub(super) fn own(plan: &Plan, view: Arc<View>, dice: &Mutex<Dice>) -> Errand<'static> {
        let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
        Errand {
            name: "",
            view,
            ids: Ids::default(),
            trace: None,
            underway: None,
            client: None,
            tenant: None,
            forwarded_for: None,
            request_id: None,
            id: some_id(plan, &mut dice),
            longest: Mutex::new(None),
        }
    }

    pub(super) fn client(&self) -> Option<&str> {
        self.client.as_ref()?.to_str().ok()
    }

    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_ref()?.to_str().ok()
    }

    /// The first address of `x-forwarded-for`.
    pub(super) fn forwarded_for(&self) -> Option<&str> {
        let all = self.forwarded_for.as_ref()?.to_str().ok()?;
        all.split(',').next().map(str::trim)
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            route: self.name,
            client: self.client(),
            tenant: self.tenant(),
        }
    }

    /// What goes with a request to another service, made under `span`.
    pub(super) fn headers(&self, user_agent: &HeaderValue, span: Option<[u8; 8]>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(hyper::header::USER_AGENT, user_agent.clone());
        let passed_on = [
            ("x-client-id", &self.client),
            ("x-tenant", &self.tenant),
            ("x-forwarded-for", &self.forwarded_for),
            ("x-request-id", &self.request_id),
        ];
        for (name, value) in passed_on {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        if let Some(underway) = &self.underway {
            headers.insert(PASSAGE, underway.header());
        }
        if let Some(traceparent) = self.trace.and_then(|trace| trace.header(span)) {
            headers.insert("traceparent", traceparent);
        }
        headers
    }

    pub(super) fn waited_for(&self, callee: usize, length: Duration) {
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        if longest.is_none_or(|(_, known)| known < length) {
            *longest = Some((callee, length));
        }
    }

    pub(super) fn longest(&self) -> Option<(usize, Duration)> {
        *self.longest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn some_id(plan: &Plan, dice: &mut Dice) -> String {
    dice.between(1, plan.ids.saturating_add(1)).to_string()
}

/// The edge makes one when there is none, as nginx' `$request_id`.
fn request_id(plan: &Plan, headers: &HeaderMap, dice: &mut Dice) -> Option<HeaderValue> {
    let given = headers.get("x-request-id").cloned();
    if given.is_some() || !plan.entry {
        return given;
    }
    HeaderValue::try_from(hex(&dice.bytes::<16>())).ok()
}

impl Trace {
    /// The trace that the headers belong to, or a new one. Who exports no spans passes on what
    /// came, so that the tree has no hole.
    fn of(exports: bool, headers: &HeaderMap, dice: &mut Dice) -> Trace {
        let given = headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok())
            .and_then(parse);
        let (id, parent, sampled) = match given {
            Some((id, parent, sampled)) => (id, Some(parent), sampled),
            None => (dice.bytes(), None, true),
        };
        let own = exports || parent.is_none();
        Trace {
            id,
            parent,
            span: own.then(|| dice.bytes()),
            sampled,
            exports: exports && sampled,
        }
    }

    /// W3C Trace Context, version 00.
    fn header(&self, span: Option<[u8; 8]>) -> Option<HeaderValue> {
        let parent = span.or(self.span).or(self.parent)?;
        let flags = if self.sampled { "01" } else { "00" };
        let text = format!("00-{}-{}-{flags}", hex(&self.id), hex(&parent));
        HeaderValue::try_from(text).ok()
    }
}

fn parse(traceparent: &str) -> Option<([u8; 16], [u8; 8], bool)> {
    let mut parts = traceparent.split('-');
    let version: [u8; 1] = bytes(parts.next()?)?;
    let trace: [u8; 16] = bytes(parts.next()?)?;
    let parent: [u8; 8] = bytes(parts.next()?)?;
    let [flags]: [u8; 1] = bytes(parts.next()?)?;
    let valid = version != [0xff] && trace != [0; 16] && parent != [0; 8];
    valid.then_some((trace, parent, flags & 1 == 1))
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if hex.len() != 2 * N || !hex.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(traceparent: &str) -> HeaderMap {
        let value = HeaderValue::try_from(traceparent).unwrap();
        HeaderMap::from_iter([("traceparent".parse().unwrap(), value)])
    }

    #[test]
    fn a_trace_goes_on_under_a_new_span() {
        let mut dice = Dice::new(1, "ids");
        let trace = Trace::of(true, &headers(PARENT), &mut dice);
        assert!(trace.sampled && trace.exports && trace.span.is_some());
        let on = trace.header(Some([0xab; 8])).unwrap();
        assert_eq!(
            on,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-abababababababab-01"
        );
        let silent = Trace::of(false, &headers(PARENT), &mut dice);
        assert_eq!(silent.header(None).unwrap(), PARENT);
        assert_eq!(silent.span, None);
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        let mut dice = Dice::new(1, "ids");
        for odd in [
            "",
            "00-00",
            &PARENT.replace('f', "g"),
            &PARENT.replace("00-4", "ff-4"),
        ] {
            assert_eq!(
                Trace::of(true, &headers(odd), &mut dice).parent,
                None,
                "{odd}"
            );
        }
    }
}
