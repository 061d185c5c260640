//! Where a fault began, told in small platforms whose faults are known.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::expect;
use monitor_core::{SpanId, Time, TraceId};
use monitor_diagnose::origin::{
    Basis, LineSeen, Scene, SceneBuilder, SpanSeen, Suspicion, Usage, locate,
};
use proptest::prelude::*;

/// What a service does for one request.
#[derive(Clone, Debug, Default)]
struct Work {
    service: &'static str,
    operation: &'static str,
    own: u64,
    /// Milliseconds there and back.
    way: u64,
    lines: Vec<(&'static str, bool)>,
    calls: Vec<Work>,
}

fn work(service: &'static str, operation: &'static str, own: u64) -> Work {
    Work {
        service,
        operation,
        own,
        way: 2,
        ..Work::default()
    }
}

impl Work {
    fn says(mut self, line: &'static str) -> Work {
        self.lines.push((line, false));
        self
    }

    fn fails(mut self, line: &'static str) -> Work {
        self.lines.push((line, true));
        self
    }

    fn calls(mut self, callee: Work) -> Work {
        self.calls.push(callee);
        self
    }

    fn after(mut self, way: u64) -> Work {
        self.way = way;
        self
    }
}

#[derive(Default)]
struct Recorder {
    spans: Vec<SpanSeen>,
    lines: Vec<LineSeen>,
    ids: u64,
}

impl Recorder {
    fn id(&mut self) -> SpanId {
        self.ids += 1;
        SpanId::new(self.ids.to_be_bytes()).expect("not zero")
    }

    fn request(&mut self, work: &Work) {
        self.ids += 1;
        let trace = TraceId::new(u128::from(self.ids).to_be_bytes()).expect("not zero");
        self.serve(work, trace, None, Time::from_secs(1_000));
    }

    /// Returns when it was done.
    fn serve(&mut self, work: &Work, trace: TraceId, parent: Option<SpanId>, start: Time) -> Time {
        let id = self.id();
        let mut now = start;
        for callee in &work.calls {
            let asking = self.id();
            let asked = now;
            let way = Duration::from_millis(callee.way);
            now = self.serve(callee, trace, Some(asking), now + way / 2) + way / 2;
            self.spans.push(SpanSeen {
                trace,
                id: asking,
                parent: Some(id),
                service: work.service.into(),
                operation: "ask".into(),
                start: asked,
                duration: now.since(asked),
            });
        }
        now = now + Duration::from_millis(work.own);
        self.spans.push(SpanSeen {
            trace,
            id,
            parent,
            service: work.service.into(),
            operation: work.operation.into(),
            start,
            duration: now.since(start),
        });
        for (what, error) in &work.lines {
            self.lines.push(LineSeen {
                trace,
                span: Some(id),
                service: work.service.into(),
                what: (*what).into(),
                error: *error,
            });
        }
        now
    }

    fn scene(self) -> Scene {
        let mut builder = SceneBuilder::default();
        self.spans.into_iter().for_each(|span| builder.span(span));
        self.lines.into_iter().for_each(|line| builder.line(line));
        builder.finish()
    }
}

fn scene(requests: &[(usize, Work)]) -> Scene {
    let mut recorder = Recorder::default();
    for (times, work) in requests {
        (0..*times).for_each(|_| recorder.request(work));
    }
    recorder.scene()
}

fn told(ranked: &[Suspicion]) -> String {
    let mut text = String::new();
    for suspicion in ranked.iter().filter(|suspicion| suspicion.evidence >= 0.5) {
        text += &format!("{} {:.1}\n", suspicion.service, suspicion.evidence);
        for reason in &suspicion.reasons {
            text += &format!("  {:.1} {}\n", reason.nats, reason.why);
        }
    }
    text
}

fn evidence(ranked: &[Suspicion]) -> BTreeMap<&str, f64> {
    ranked
        .iter()
        .map(|suspicion| (&*suspicion.service, suspicion.evidence))
        .collect()
}

/// A shop that asks a warehouse, which asks a till.
fn order(till: Work) -> Work {
    let warehouse = work("warehouse", "reserve", 5).says("reserving");
    work("shop", "order", 10)
        .says("ordering")
        .calls(warehouse.calls(till).says("reserved"))
        .says("ordered")
}

fn till() -> Work {
    work("till", "charge", 4).says("charging").says("charged")
}

#[test]
fn of_all_that_log_errors_the_deepest_is_the_origin() {
    let broken = work("till", "charge", 1)
        .says("charging")
        .fails("no such card");
    let failing = work("shop", "order", 10)
        .says("ordering")
        .fails("sorry")
        .calls(
            work("warehouse", "reserve", 5)
                .says("reserving")
                .fails("cannot reserve")
                .calls(broken),
        );
    let ranked = locate(
        &scene(&[(10, order(till()))]),
        &scene(&[(12, failing)]),
        &[],
    );
    expect![[r#"
        till 7.8
          7.8 12 of 12 requests to `charge` that logged `charging` did not log `charged` and logged the error `no such card`, as none of 10 did before
    "#]]
    .assert_eq(&told(&ranked));
    assert_eq!(&*ranked[0].service, "till");
    assert_eq!(ranked[0].reasons[0].basis, Basis::Way);
    assert!(ranked[0].evidence > ranked[1].evidence + 2.0);
}

#[test]
fn a_slow_way_is_the_callees_whoever_waits() {
    let browse = || work("shop", "browse", 10).calls(work("search", "find", 6));
    let reference = scene(&[(10, order(till())), (10, browse())]);
    let delayed = scene(&[(8, order(till().after(400))), (9, browse())]);
    let ranked = locate(&reference, &delayed, &[]);
    expect![[r#"
        till 6.3
          6.3 calls to it are on the way for 400 ms instead of 2.0 ms (from warehouse)
        warehouse 4.3
          4.3 its calls are on the way for 400 ms instead of 2.0 ms (to till)
    "#]]
    .assert_eq(&told(&ranked));
    assert_eq!(&*ranked[0].service, "till");
}

#[test]
fn a_service_whose_calls_all_take_long_is_slow_itself() {
    let busy = |way| {
        work("shop", "page", 10)
            .calls(work("search", "find", 6).after(way))
            .calls(work("adverts", "pick", 6).after(way))
            .calls(work("prices", "list", 6).after(way))
    };
    let other = || work("app", "page", 8).calls(work("search", "find", 6));
    let reference = scene(&[(20, busy(2)), (20, other())]);
    let ranked = locate(&reference, &scene(&[(20, busy(90)), (20, other())]), &[]);
    assert_eq!(&*ranked[0].service, "shop", "{}", told(&ranked));
}

#[test]
fn other_requests_than_before_are_no_fault() {
    let browse = work("shop", "page", 10).says("browsing");
    let buy = work("shop", "page", 10).says("buying").calls(till());
    let reference = scene(&[(40, browse.clone()), (10, buy.clone())]);
    let window = scene(&[(15, browse), (35, buy)]);
    let ranked = locate(&reference, &window, &[]);
    assert!(ranked.iter().all(|s| s.evidence < 1.0), "{}", told(&ranked));
}

#[test]
fn recovery_is_no_fault() {
    let broken = work("shop", "order", 10).says("ordering").fails("sorry");
    let ranked = locate(&scene(&[(10, broken)]), &scene(&[(10, order(till()))]), &[]);
    assert!(ranked.iter().all(|s| s.evidence < 1.0), "{}", told(&ranked));
}

#[test]
fn an_early_end_that_looks_like_a_harmless_request_is_seen_by_what_is_gone() {
    // A page without adverts is usual; that no page has any is not. The adverts have less to do,
    // which is not their fault.
    let plain = work("shop", "page", 10);
    let adverts = |operation| work("adverts", operation, 5);
    let home = work("shop", "page", 10)
        .calls(work("search", "find", 6))
        .calls(adverts("pick"));
    let product = work("shop", "page", 10)
        .calls(till())
        .calls(adverts("pick").calls(work("prices", "list", 3)));
    let reference = scene(&[(20, plain.clone()), (30, home.clone()), (100, product)]);
    let window = scene(&[(120, plain), (30, home)]);
    let ranked = locate(&reference, &window, &[]);
    expect![[r#"
        shop 7.5
          7.5 0 of 150 requests to `page` went a way that 100 of 150 went before
    "#]]
    .assert_eq(&told(&ranked));
    assert_eq!(&*ranked[0].service, "shop");
    assert!(evidence(&ranked)["adverts"] < 1.0);
}

#[test]
fn silence_of_a_service_that_was_never_heard_says_nothing() {
    let quiet = order(work("till", "charge", 4));
    let ranked = locate(
        &scene(&[(10, quiet)]),
        &scene(&[(10, order(till().fails("odd")))]),
        &[],
    );
    assert!(evidence(&ranked)["till"] < 0.5, "{}", told(&ranked));
}

#[test]
fn a_busy_processor_counts_as_much_as_somebody_feels_it() {
    let cpu = |service: &str, now: f64| Usage {
        service: service.into(),
        resource: "CPU".into(),
        reference: vec![4.0, 5.0, 4.5, 4.0, 6.0, 5.5, 4.2, 4.8],
        window: vec![now],
        floor: 3.0,
    };
    let slow = Work { own: 80, ..till() };
    let usages = [cpu("till", 400.0), cpu("backup", 900.0), cpu("shop", 6.0)];
    let ranked = locate(
        &scene(&[(10, order(till()))]),
        &scene(&[(10, order(slow))]),
        &usages,
    );
    expect![[r#"
        till 11.2
          6.6 its CPU is 400.0 instead of 4.6
          4.6 its own time for `charge` is 80 ms instead of 4.0 ms
        backup 2.0
          2.0 its CPU is 900.0 instead of 4.6
    "#]]
    .assert_eq(&told(&ranked));
    assert_eq!(&*ranked[0].service, "till");
    assert!(evidence(&ranked)["backup"] <= 2.0);
}

#[test]
fn nothing_to_compare_names_nobody() {
    let empty = Scene::default();
    assert!(locate(&empty, &empty, &[]).is_empty());
    let ranked = locate(&empty, &scene(&[(10, order(till()))]), &[]);
    assert!(
        ranked.iter().all(|s| s.evidence == 0.0),
        "{}",
        told(&ranked)
    );
}

fn any_work() -> impl Strategy<Value = Work> {
    let lines = prop::collection::vec(("[ab]", any::<bool>()), 0..3);
    let leaf = ("[xyz]", 0u64..50, 0u64..9, lines).prop_map(|(service, own, way, lines)| {
        let names = ["x", "y", "z"];
        let name = *names
            .iter()
            .find(|name| **name == service)
            .expect("one of them");
        Work {
            service: name,
            operation: "serve",
            own,
            way,
            lines: lines
                .into_iter()
                .map(|(line, error)| (if line == "a" { "a" } else { "b" }, error))
                .collect(),
            calls: Vec::new(),
        }
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..3))
            .prop_map(|(work, calls)| Work { calls, ..work })
    })
}

proptest! {
    #[test]
    fn the_same_twice_names_nobody(works in prop::collection::vec((1usize..6, any_work()), 1..8)) {
        let once = scene(&works);
        let ranked = locate(&once, &once, &[]);
        prop_assert!(ranked.iter().all(|s| s.evidence < 3.0), "{}", told(&ranked));
    }

    #[test]
    fn in_which_order_spans_and_lines_come_does_not_matter(
        works in prop::collection::vec((1usize..4, any_work()), 1..5),
        others in prop::collection::vec((1usize..4, any_work()), 1..5),
        seed in any::<u64>(),
    ) {
        let mut recorder = Recorder::default();
        for (times, work) in &others {
            (0..*times).for_each(|_| recorder.request(work));
        }
        let mut shuffled = Recorder {
            spans: recorder.spans.clone(),
            lines: recorder.lines.clone(),
            ids: 0,
        };
        let key = |id: SpanId| {
            let bytes = u64::from_be_bytes(*id.as_bytes());
            (bytes ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        shuffled.spans.sort_by_key(|span| key(span.id));
        shuffled.lines.sort_by_key(|line| line.span.map(key));
        let reference = scene(&works);
        prop_assert_eq!(
            locate(&reference, &recorder.scene(), &[]),
            locate(&reference, &shuffled.scene(), &[])
        );
    }
}
