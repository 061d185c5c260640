use super::*;
use monitor_core::{ApiKey, Band, Contribution, Explanation, Measure, Score, ServiceKey};
use std::sync::Arc;

const DAY: i64 = 86_400;
const NOON: i64 = 1_772_366_400;

fn anomaly(at: i64, factor: f64) -> Anomaly {
    Anomaly {
        id: AnomalyId(at.unsigned_abs()),
        signal: SignalKey {
            subject: Subject::Api(Arc::new(ApiKey {
                environment: "cloud-a".into(),
                service: ServiceKey::new("shop", "orders"),
                method: "GET".into(),
                route: "/orders".into(),
            })),
            measure: Measure::Latency,
        },
        detector: "latency-spike".into(),
        direction: Direction::Above,
        start: Time::from_secs(at),
        detected: Time::from_secs(at + 10),
        end: None,
        score: Score::new(2.0),
        explanation: Explanation {
            typical: 0.05,
            actual: 0.05 * factor,
            band: Band {
                lower: 0.04,
                upper: 0.07,
            },
            observations: 100,
            learned_from: 1_000,
            contributions: Vec::new(),
            why: "slower".to_owned(),
        },
    }
}

fn of_client(mut anomaly: Anomaly, client: &str) -> Anomaly {
    anomaly.explanation.contributions.push(Contribution {
        dimension: "client".into(),
        value: client.into(),
        share: 0.9,
        usual_share: 0.1,
    });
    anomaly
}

fn answered(answer: Answer, of: &Anomaly) -> FeedbackBook {
    let mut book = FeedbackBook::default();
    let lasting = Duration::from_secs(3_600);
    book.answer(of, answer, String::new(), lasting, of.detected);
    book
}

fn admit(book: &mut FeedbackBook, change: Change, at: i64) -> Vec<Change> {
    book.admit(vec![change], &BTreeSet::new(), Time::from_secs(at))
}

fn is_told(book: &mut FeedbackBook, anomaly: Anomaly) -> bool {
    let at = anomaly.detected.as_secs();
    // What was withdrawn comes with the next changes.
    admit(book, Change::Opened(anomaly), at)
        .iter()
        .any(|change| matches!(change, Change::Opened(_)))
}

#[test]
fn an_open_anomaly_that_was_expected_is_withdrawn_once() {
    let first = anomaly(NOON, 3.0);
    let mut book = answered(Answer::Expected, &first);
    let told = book.admit(Vec::new(), &BTreeSet::new(), Time::from_secs(NOON + 60));
    let [Change::Closed(over)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(over.explanation.why, "slower; marked as expected");
    assert!(book.holds(first.id));
    assert!(admit(&mut book, Change::Updated(first.clone()), NOON + 70).is_empty());
    assert!(admit(&mut book, Change::Closed(first.clone()), NOON + 80).is_empty());
    assert!(!book.holds(first.id));
}

#[test]
fn the_same_at_the_same_time_of_day_is_expected_and_nothing_else_is() {
    let mut book = answered(Answer::Expected, &anomaly(NOON, 3.0));
    for (again, told) in [
        (anomaly(NOON + DAY + 1_800, 3.0), false),
        (anomaly(NOON + 2 * DAY - 3_600, 3.7), false),
        (anomaly(NOON + DAY + 3, 4.0), true),
        (anomaly(NOON + DAY + 3 * 3_600, 3.0), true),
    ] {
        let at = again.start;
        assert_eq!(is_told(&mut book, again), told, "{at}");
    }
    let mut below = anomaly(NOON + DAY, 3.0);
    below.direction = Direction::Below;
    assert!(is_told(&mut book, below));
    let mut other = anomaly(NOON + DAY, 3.0);
    other.signal.measure = Measure::ErrorRatio;
    assert!(is_told(&mut book, other));
    assert_eq!(book.given().next().unwrap().held_back, 2);
}

#[test]
fn the_same_client_is_expected_at_any_time() {
    let mut book = answered(Answer::Expected, &of_client(anomaly(NOON, 3.0), "batch"));
    assert!(!is_told(
        &mut book,
        of_client(anomaly(NOON + 30_000, 3.0), "batch")
    ));
    assert!(is_told(
        &mut book,
        of_client(anomaly(NOON + 60_000, 3.0), "web")
    ));
}

#[test]
fn what_is_held_back_never_widens_what_is() {
    let mut book = answered(Answer::Expected, &anomaly(NOON, 2.0));
    let mut factor = 2.0;
    let mut told_at = None;
    for day in 1..20 {
        factor *= 1.1;
        if is_told(&mut book, anomaly(NOON + day * DAY, factor)) {
            told_at.get_or_insert(factor);
        }
    }
    assert!(told_at.unwrap() < 2.0 * SLACK * 1.1);
}

#[test]
fn what_outgrows_the_expected_is_told_as_new() {
    let first = anomaly(NOON, 3.0);
    let mut book = answered(Answer::Expected, &first);
    let grown = Anomaly {
        explanation: anomaly(NOON, 6.0).explanation,
        ..first
    };
    let told = admit(&mut book, Change::Updated(grown), NOON + 60);
    assert!(
        matches!(&told[..], [Change::Closed(_), Change::Opened(anomaly)]
            if anomaly.explanation.why.contains("more than what was marked")),
        "{told:?}"
    );
}

#[test]
fn a_muted_signal_speaks_again_when_the_time_is_over() {
    let mut book = answered(Answer::Ignore, &anomaly(NOON, 3.0));
    assert!(!is_told(&mut book, anomaly(NOON + 1_000, 30.0)));
    assert!(is_told(&mut book, anomaly(NOON + 5_000, 3.0)));
}

#[test]
fn real_ends_what_was_excused_and_lasts_as_long_as_the_trouble() {
    let mut book = answered(Answer::Expected, &anomaly(NOON, 3.0));
    let real = anomaly(NOON + DAY, 3.0);
    let lasting = Duration::from_secs(60);
    book.answer(&real, Answer::Real, String::new(), lasting, real.detected);
    assert_eq!(book.confirmed(), std::slice::from_ref(&real.signal.subject));
    assert!(is_told(&mut book, anomaly(NOON + 2 * DAY, 3.0)));
    let mut over = real;
    over.end = Some(Time::from_secs(NOON + DAY + 600));
    admit(&mut book, Change::Closed(over), NOON + DAY + 700);
    assert!(book.confirmed().is_empty());
    let given: Vec<(Answer, Option<Time>)> =
        book.given().map(|said| (said.answer, said.end)).collect();
    let end = Some(Time::from_secs(NOON + DAY + 600));
    assert_eq!(given, [(Answer::Real, end)]);
}

#[test]
fn a_later_answer_takes_the_place_of_an_earlier() {
    let first = anomaly(NOON, 3.0);
    let mut book = answered(Answer::Ignore, &first);
    let lasting = Duration::from_secs(60);
    book.answer(&first, Answer::Real, String::new(), lasting, first.detected);
    assert_eq!(book.given().count(), 1);
    assert!(!book.holds(first.id));
}

#[test]
fn a_measure_that_is_left_out_is_not_told() {
    let mut book = FeedbackBook::default();
    let without = BTreeSet::from([Name::from("latency")]);
    let changes = vec![Change::Opened(anomaly(NOON, 3.0))];
    assert!(
        book.admit(changes, &without, Time::from_secs(NOON))
            .is_empty()
    );
    let changes = vec![Change::Closed(anomaly(NOON, 3.0))];
    assert!(
        book.admit(changes, &without, Time::from_secs(NOON))
            .is_empty()
    );
    assert_eq!(book, FeedbackBook::default());
}

#[test]
fn answers_without_end_are_bounded() {
    let mut book = FeedbackBook::default();
    for at in 0..2_000 {
        let one = anomaly(NOON + at, 3.0);
        let lasting = Duration::from_secs(60);
        book.answer(&one, Answer::Ignore, String::new(), lasting, one.detected);
    }
    assert_eq!(book.given().count(), MOST_ANSWERS);
    assert_eq!(book.forgotten, 1_000);
}
