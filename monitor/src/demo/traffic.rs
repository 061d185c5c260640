//! The demo's traffic: requests to a small shop in three environments, as the logs and spans that
//! its services would write. Pure: a seed and a time in, batches out.
//!
//! A request's journey takes a time at each hop; a caller waits for its callees, so a slow ledger
//! is felt at the edge. Each service logs in a structure of its own; none is declared anywhere.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Batch, Environment, Item, LogItem, Name, Origin, Payload, Resource, ServiceKey, Source, SpanId,
    SpanItem, SpanKind, Time, TraceId, Value,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::lines;

/// What goes wrong, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The ledger's database answers eight times more slowly.
    SlowLedger,
    /// A third of the catalog's answers are 500.
    CatalogErrors,
}

impl Fault {
    pub(crate) const ALL: [Fault; 2] = [Fault::SlowLedger, Fault::CatalogErrors];

    /// For the person who watches.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Fault::SlowLedger => {
                "the ledger's database (on-premises) answers eight times more slowly"
            }
            Fault::CatalogErrors => "a third of the catalog's answers (cloud-b) are 500",
        }
    }

    pub(crate) fn service(self) -> &'static str {
        match self {
            Fault::SlowLedger => "ledger",
            Fault::CatalogErrors => "catalog",
        }
    }
}

/// One hop of a request, finished.
#[derive(Clone, Debug)]
pub(crate) struct Hop<'a> {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    pub(crate) route: &'static str,
    pub(crate) status: u16,
    pub(crate) start: Time,
    pub(crate) duration: Duration,
    pub(crate) client: &'a str,
    pub(crate) number: u64,
}

impl Hop<'_> {
    pub(crate) fn end(&self) -> Time {
        self.start + self.duration
    }
}

/// Requests a second that come in at the edge.
const RATE: f64 = 24.0;

#[derive(Debug)]
pub(crate) struct Traffic {
    random: StdRng,
    sources: Vec<Source>,
    requests: u64,
}

/// The places of the services in [`Traffic::sources`].
#[derive(Clone, Copy)]
enum Service {
    Gateway,
    Catalog,
    Cart,
    Orders,
    Payments,
    Ledger,
}

impl Traffic {
    pub(crate) fn new(seed: u64) -> Traffic {
        let source = |service: &str, environment: &str, kind: &str, pod: &str| {
            let attributes: Vec<(Name, Value)> = [
                ("crosswatch.environment", environment),
                ("crosswatch.environment.kind", kind),
                ("k8s.pod.name", pod),
            ]
            .into_iter()
            .map(|(key, value)| (Name::from(key), Value::Str(value.to_owned())))
            .collect();
            Source {
                resource: Arc::new(Resource {
                    service: ServiceKey::new("shop", service),
                    version: None,
                    instance: pod.into(),
                    environment: Environment::from_attributes(&attributes),
                    attributes,
                }),
                stream: "stdout".into(),
            }
        };
        Traffic {
            random: StdRng::seed_from_u64(seed),
            sources: vec![
                source("gateway", "cloud-a", "cloud", "gateway-6f6cf-x2v9q"),
                source("catalog", "cloud-b", "cloud", "catalog-5d9c4-k7b2m"),
                source("cart", "cloud-a", "cloud", "cart-7b6dc-2z9p4"),
                source("orders", "cloud-a", "cloud", "orders-64dd9-jq8lt"),
                source("payments", "on-prem", "on-prem", "payments-1"),
                source("ledger", "on-prem", "on-prem", "ledger-1"),
            ],
            requests: 0,
        }
    }

    /// All that is written in `length` after `start`, in the order of time.
    pub(crate) fn next(&mut self, start: Time, length: Duration, fault: Option<Fault>) -> Batch {
        let mut items: Vec<(Time, Item)> = Vec::new();
        let mut at = 0.0;
        loop {
            // Poisson arrivals: exponential gaps.
            at += -(1.0 - self.random.random::<f64>()).ln() / RATE;
            if at >= length.as_secs_f64() {
                break;
            }
            self.request(start + Duration::from_secs_f64(at), fault, &mut items);
        }
        items.sort_by_key(|item| item.0);
        Batch {
            origin: Origin::Generator,
            received: start + length,
            sources: self.sources.clone(),
            items: items.into_iter().map(|(_, item)| item).collect(),
        }
    }

    fn request(&mut self, start: Time, fault: Option<Fault>, items: &mut Vec<(Time, Item)>) {
        self.requests += 1;
        let client = format!("203.0.113.{}", self.random.random_range(2..250));
        let trace = self.trace();
        let edge = self.span();
        let kind = self.random.random_range(0..100);
        let (method, path, route, inner) = if kind < 60 {
            let product = self.random.random_range(1_000..9_000);
            let path = format!("/products/{product}");
            let hop = self.catalog(trace, edge, start, &path, fault, items);
            ("GET", format!("/api{path}"), "/api/products/{id}", hop)
        } else if kind < 85 {
            let cart = self.random.random_range(10_000..99_000);
            let path = format!("/cart/{cart}/items");
            let hop = self.cart(trace, edge, start, &path, items);
            ("POST", format!("/api{path}"), "/api/cart/{id}/items", hop)
        } else {
            let hop = self.orders(trace, edge, start, fault, items);
            ("POST", "/api/orders".to_owned(), "/api/orders", hop)
        };
        let hop = Hop {
            trace,
            span: edge,
            parent: None,
            method,
            path: &path,
            route,
            status: if inner.1 >= 500 { 502 } else { inner.1 },
            start,
            duration: inner.0 + self.took(2.0),
            client: &client,
            number: self.requests,
        };
        self.log(Service::Gateway, &hop, lines::nginx(&hop), items);
    }

    fn catalog(
        &mut self,
        trace: TraceId,
        parent: SpanId,
        start: Time,
        path: &str,
        fault: Option<Fault>,
        items: &mut Vec<(Time, Item)>,
    ) -> (Duration, u16) {
        let failing = fault == Some(Fault::CatalogErrors) && self.random.random_bool(0.33);
        let status = if failing || self.random.random_bool(0.001) {
            500
        } else {
            200
        };
        let hop = Hop {
            trace,
            span: self.span(),
            parent: Some(parent),
            method: "GET",
            path,
            route: "/products/{id}",
            status,
            start,
            duration: self.took(12.0),
            client: "10.1.0.7",
            number: self.requests,
        };
        if status == 500 {
            self.log(Service::Catalog, &hop, lines::pino_error(&hop), items);
        }
        self.log(Service::Catalog, &hop, lines::pino(&hop), items);
        (hop.duration, status)
    }

    fn cart(
        &mut self,
        trace: TraceId,
        parent: SpanId,
        start: Time,
        path: &str,
        items: &mut Vec<(Time, Item)>,
    ) -> (Duration, u16) {
        let hop = Hop {
            trace,
            span: self.span(),
            parent: Some(parent),
            method: "POST",
            path,
            route: "/cart/{id}/items",
            status: 200,
            start,
            duration: self.took(8.0),
            client: "10.1.0.7",
            number: self.requests,
        };
        self.log(Service::Cart, &hop, lines::logfmt(&hop), items);
        (hop.duration, 200)
    }

    fn orders(
        &mut self,
        trace: TraceId,
        parent: SpanId,
        start: Time,
        fault: Option<Fault>,
        items: &mut Vec<(Time, Item)>,
    ) -> (Duration, u16) {
        let (span, paying, booking) = (self.span(), self.span(), self.span());
        let slower = if fault == Some(Fault::SlowLedger) {
            8.0
        } else {
            1.0
        };
        let booked = self.took(15.0).mul_f64(slower);
        // The payment service gives up after 400 ms.
        let timed_out = booked > Duration::from_millis(400);
        let status = if timed_out { 504 } else { 201 };
        let ledger = Hop {
            trace,
            span: booking,
            parent: Some(paying),
            method: "POST",
            path: "/entries",
            route: "/entries",
            status: 201,
            start: start + Duration::from_millis(9),
            duration: booked,
            client: "10.9.0.4",
            number: self.requests,
        };
        self.log(Service::Ledger, &ledger, lines::syslog(&ledger), items);
        let payment = Hop {
            span: paying,
            parent: Some(span),
            path: "/payments",
            route: "/payments",
            status,
            start: start + Duration::from_millis(4),
            duration: booked.min(Duration::from_millis(400)) + self.took(10.0),
            ..ledger.clone()
        };
        self.span_item(Service::Payments, &payment, items);
        self.log(Service::Payments, &payment, lines::klog(&payment), items);
        let order = Hop {
            span,
            parent: Some(parent),
            path: "/orders",
            route: "/orders",
            start,
            duration: payment.duration + self.took(9.0),
            ..payment.clone()
        };
        if timed_out {
            self.log(Service::Orders, &order, lines::spring_error(&order), items);
        }
        self.log(Service::Orders, &order, lines::spring(&order), items);
        (order.duration, status)
    }

    /// A log-normal time around `median_ms`, as service times are.
    fn took(&mut self, median_ms: f64) -> Duration {
        // Box and Muller's transform of two uniform numbers to a normal one.
        let (a, b): (f64, f64) = (1.0 - self.random.random::<f64>(), self.random.random());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        Duration::from_secs_f64(median_ms / 1e3 * (0.35 * normal).exp())
    }

    fn trace(&mut self) -> TraceId {
        TraceId::new(self.random.random::<u128>().to_be_bytes())
            .unwrap_or_else(|| TraceId::new([1; 16]).expect("not zero"))
    }

    fn span(&mut self) -> SpanId {
        SpanId::new(self.random.random::<u64>().to_be_bytes())
            .unwrap_or_else(|| SpanId::new([1; 8]).expect("not zero"))
    }

    fn log(&self, service: Service, hop: &Hop<'_>, text: String, items: &mut Vec<(Time, Item)>) {
        let log = LogItem {
            text,
            ..LogItem::default()
        };
        items.push((
            hop.end(),
            Item {
                source: service as u32,
                payload: Payload::Log(log),
            },
        ));
    }

    fn span_item(&self, service: Service, hop: &Hop<'_>, items: &mut Vec<(Time, Item)>) {
        let span = SpanItem {
            trace_id: hop.trace,
            span_id: hop.span,
            parent: hop.parent,
            kind: SpanKind::Server,
            name: format!("{} {}", hop.method, hop.route).into(),
            start: hop.start,
            duration: hop.duration,
            error: (hop.status >= 500).then_some(true),
            status_message: String::new(),
            attributes: vec![
                (
                    "http.request.method".into(),
                    Value::Str(hop.method.to_owned()),
                ),
                ("http.route".into(), Value::Str(hop.route.to_owned())),
                (
                    "http.response.status_code".into(),
                    Value::Int(i64::from(hop.status)),
                ),
            ],
        };
        items.push((
            hop.end(),
            Item {
                source: service as u32,
                payload: Payload::Span(span),
            },
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_traffic() {
        let start = Time::from_secs(1_700_000_000);
        let minute = Duration::from_secs(60);
        let first = Traffic::new(7).next(start, minute, None);
        assert_eq!(first, Traffic::new(7).next(start, minute, None));
        assert_ne!(first, Traffic::new(8).next(start, minute, None));
    }

    #[test]
    fn arrivals_keep_to_the_rate() {
        let batch = Traffic::new(1).next(Time::EPOCH, Duration::from_secs(1_000), None);
        let edge = batch.items.iter().filter(|item| item.source == 0).count();
        // Six standard deviations of a Poisson count of 24 000.
        assert!((23_070..24_930).contains(&edge), "{edge}");
    }

    #[test]
    fn a_fault_shows_where_it_acts_and_is_felt_at_the_edge() {
        let start = Time::from_secs(1_700_000_000);
        let errors = |fault| {
            let batch = Traffic::new(3).next(start, Duration::from_secs(60), fault);
            batch
                .items
                .iter()
                .filter(|item| match &item.payload {
                    Payload::Log(log) => item.source == 0 && log.text.contains(" 502 "),
                    _ => false,
                })
                .count()
        };
        assert!(errors(None) < 10);
        assert!(errors(Some(Fault::CatalogErrors)) > 200);
    }
}
