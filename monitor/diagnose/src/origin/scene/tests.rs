use super::*;

fn id(number: u64) -> SpanId {
    SpanId::new(number.to_be_bytes()).unwrap()
}

fn trace(number: u128) -> TraceId {
    TraceId::new(number.to_be_bytes()).unwrap()
}

fn span(
    number: u64,
    parent: u64,
    service: &str,
    operation: &str,
    (start, millis): (u64, u64),
) -> SpanSeen {
    SpanSeen {
        trace: trace(1),
        id: id(number),
        parent: (parent > 0).then(|| id(parent)),
        service: service.into(),
        operation: operation.into(),
        start: Time::EPOCH + Duration::from_millis(start),
        duration: Duration::from_millis(millis),
    }
}

fn line(span: Option<u64>, service: &str, what: &str) -> LineSeen {
    LineSeen {
        trace: trace(1),
        span: span.map(id),
        service: service.into(),
        what: what.into(),
        error: false,
    }
}

fn build(spans: Vec<SpanSeen>, lines: Vec<LineSeen>) -> Scene {
    let mut builder = SceneBuilder::default();
    spans.into_iter().for_each(|span| builder.span(span));
    lines.into_iter().for_each(|line| builder.line(line));
    builder.finish()
}

#[test]
fn an_execution_has_all_that_was_done_for_one_request() {
    // shop: 0..100, its query 10..20, its call 30..90 to a till that is busy 50..70.
    let scene = build(
        vec![
            span(4, 3, "till", "charge", (50, 20)),
            span(3, 1, "shop", "ask till", (30, 60)),
            span(2, 1, "shop", "query", (10, 10)),
            span(1, 0, "shop", "order", (0, 100)),
            span(1, 0, "shop", "order", (0, 100)),
        ],
        vec![
            line(Some(2), "shop", "querying"),
            line(Some(4), "till", "charged"),
        ],
    );
    let [shop, till] = scene.executions.as_slice() else {
        panic!("two services were asked once each: {scene:?}");
    };
    assert_eq!((&*shop.service, &*shop.operation), ("shop", "order"));
    assert_eq!(shop.own, Duration::from_millis(40));
    assert_eq!(shop.steps.len(), 4);
    assert!(shop.steps.contains(&Step::Called {
        service: "till".into(),
        operation: "charge".into()
    }));
    assert!(shop.steps.contains(&Step::Did("query".into())));
    assert_eq!(
        (till.caller, till.way),
        (Some(0), Some(Duration::from_millis(40)))
    );
    assert_eq!(scene.left_out, 0);
}

#[test]
fn a_line_without_a_span_is_of_the_only_execution_of_its_trace() {
    let spans = || {
        vec![
            span(1, 0, "shop", "order", (0, 100)),
            span(2, 1, "till", "charge", (10, 20)),
            span(3, 1, "till", "charge", (40, 20)),
        ]
    };
    let scene = build(spans(), vec![line(None, "shop", "hello")]);
    assert_eq!(scene.executions[0].steps.len(), 2);
    assert_eq!(scene.left_out, 0);
    // Which of the two charges?
    let scene = build(spans(), vec![line(None, "till", "hello")]);
    assert_eq!(scene.left_out, 1);
}

#[test]
fn overlapping_waits_are_counted_once() {
    let at = Time::from_secs;
    let stretches = vec![(at(1), at(3)), (at(2), at(4)), (at(9), at(20))];
    assert_eq!(covered(stretches, at(0), at(10)), Duration::from_secs(4));
}

#[test]
fn loops_of_ids_end() {
    let scene = build(
        vec![
            span(1, 2, "a", "one", (0, 10)),
            span(2, 1, "b", "two", (0, 10)),
            span(3, 4, "c", "three", (0, 10)),
            span(4, 3, "c", "four", (0, 10)),
            span(5, 5, "d", "self", (0, 10)),
        ],
        Vec::new(),
    );
    let before = |(place, execution): (usize, &Execution)| {
        execution.caller.is_none_or(|caller| caller < place)
    };
    assert!(scene.executions.iter().enumerate().all(before));
    assert_eq!(scene.executions.len(), 4);
}
