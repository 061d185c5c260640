//! What users have of journeys, and what they would have without a service.

use std::collections::BTreeSet;
use std::time::Duration;

use monitor_core::{Hop, JourneyTypeView, Outcome, Peer, SpanId, SpanKind, Time, Workload};
use monitor_diagnose::Journeys;
use monitor_diagnose::what_if::{Removal, WhatIf, what_if};

use crate::journeys::{asked, at, hop, ids, purchase, served, workload};

/// A purchase every half second, from and to in seconds since the beginning; `change` makes of each
/// whatever it likes. Time goes on by seconds as in the engine, where `held` is in trouble.
fn run(
    journeys: &mut Journeys,
    (from, to): (i64, i64),
    held: &BTreeSet<Workload>,
    change: impl Fn(u64, Vec<Hop>) -> Vec<Hop>,
) {
    for second in from..to {
        for half in 0..2 {
            let number = (second * 2 + half).unsigned_abs() + 1;
            let mut hops = purchase(number, second * 1_000 + half * 500);
            // Lengths differ, evenly from 100 ms to 199 ms.
            hops[0].duration += Duration::from_millis(number * 37 % 100);
            for hop in change(number, hops) {
                journeys.see(&hop);
            }
        }
        let now = at((second + 1) * 1_000);
        journeys.pass(now);
        journeys.age(Time::from_secs(now.as_secs()), held, &|_| None);
    }
}

fn nobody() -> BTreeSet<Workload> {
    BTreeSet::new()
}

fn unchanged(_: u64, hops: Vec<Hop>) -> Vec<Hop> {
    hops
}

/// It serves nothing, and its caller has an error of it.
fn failing(service: &str, hops: Vec<Hop>) -> Vec<Hop> {
    hops.into_iter()
        .filter(|hop| &*hop.workload.service.name != service)
        .map(|hop| match &hop.peer {
            Some(Peer::Service(peer)) if **peer == *service => Hop {
                outcome: Outcome::ServerError,
                ..hop
            },
            _ => hop,
        })
        .collect()
}

/// Its own services fail.
fn lost(hops: Vec<Hop>) -> Vec<Hop> {
    hops.into_iter()
        .map(|hop| match &*hop.workload.service.name {
            "edge" | "web" => Hop {
                outcome: Outcome::ServerError,
                ..hop
            },
            _ => hop,
        })
        .collect()
}

fn buying(journeys: &Journeys) -> JourneyTypeView {
    journeys.view().types.remove(0)
}

fn without(journeys: &Journeys, removal: &str) -> Option<WhatIf> {
    what_if(
        &journeys.view(),
        &removal.parse::<Removal>().expect("it names something"),
    )
}

#[test]
fn nine_of_ten_are_satisfied_as_usual_and_what_is_slow_or_fails_shows() {
    let mut journeys = Journeys::default();
    run(&mut journeys, (0, 900), &nobody(), unchanged);
    let known = buying(&journeys).experience.unwrap();
    assert!((0.185..0.195).contains(&known.satisfied), "{known:?}");
    assert!((0.195..0.203).contains(&known.late), "{known:?}");
    assert!((0.93..0.97).contains(&known.usual.apdex), "{known:?}");
    // Within the sketch's 1 %, which is a fiftieth of these lengths.
    assert!(known.usual.hurt < 0.05, "{known:?}");

    // A third fails; the others take a second and a half: too long for anybody to tolerate.
    let began = at(900_000);
    let held = BTreeSet::from([workload("web")]);
    run(&mut journeys, (900, 1_020), &held, |number, mut hops| {
        hops[0].duration += Duration::from_millis(1_400);
        if number % 3 == 0 { lost(hops) } else { hops }
    });
    let exposed = journeys.exposed(&held, began);
    let [found] = exposed.as_slice() else {
        panic!("{exposed:?}")
    };
    let now = found.experience.now;
    assert!((now.failed - 1.0 / 3.0).abs() < 0.02, "{now:?}");
    assert_eq!((now.hurt, now.apdex), (1.0, 0.0));
    // What lasts is not taken to be usual, and is counted from its beginning.
    let usual = found.experience.usual;
    assert!((usual.apdex - known.usual.apdex).abs() < 0.005, "{usual:?}");
    let (all, hurt) = (found.ever.0 - found.before.0, found.ever.1 - found.before.1);
    // Journeys are over when nothing came of them for ten seconds: some of before are among them.
    assert!(
        (215..=245).contains(&all) && hurt + 25 >= all,
        "{all} {hurt}"
    );
    let hops = journeys.types_with_hops();
    let share = |name: &str| {
        let of = |(api, share): &(std::sync::Arc<monitor_core::ApiKey>, f64)| {
            (*api.service.name == *name).then_some(*share)
        };
        hops[0].hops.iter().find_map(of)
    };
    assert_eq!((share("stock"), share("mail")), (Some(1.0), None));
    let mail = BTreeSet::from([workload("mail")]);
    assert_eq!(journeys.exposed(&mail, began), []);
}

/// Every ten minutes an incident of two, of which it is known after half a minute.
#[test]
fn incidents_that_are_over_soon_do_not_become_the_usual() {
    let mut journeys = Journeys::default();
    run(&mut journeys, (0, 900), &nobody(), unchanged);
    let known = buying(&journeys).experience.unwrap();
    let trouble = BTreeSet::from([workload("web")]);
    let slow = |_: u64, mut hops: Vec<Hop>| {
        hops[0].duration += Duration::from_millis(1_400);
        hops
    };
    for began in (900..4_500).step_by(600) {
        run(&mut journeys, (began, began + 30), &nobody(), slow);
        run(&mut journeys, (began + 30, began + 120), &trouble, slow);
        run(
            &mut journeys,
            (began + 120, began + 150),
            &trouble,
            unchanged,
        );
        run(
            &mut journeys,
            (began + 150, began + 600),
            &nobody(),
            unchanged,
        );
    }
    let later = buying(&journeys).experience.unwrap();
    assert!((later.late / known.late - 1.0).abs() < 0.02, "{later:?}");
    assert!(later.usual.hurt < 0.05, "{later:?}");
    // What came between them did teach.
    assert!(
        later.usual.journeys > known.usual.journeys + 1_000.0,
        "{later:?}"
    );
}

#[test]
fn what_an_objective_states_is_what_satisfies() {
    let mut journeys = Journeys::default();
    run(&mut journeys, (0, 400), &nobody(), unchanged);
    let stated = |api: &monitor_core::ApiKey| (&*api.service.name == "edge").then_some(0.05);
    journeys.age(at(400_000), &nobody(), &stated);
    let known = buying(&journeys).experience.unwrap();
    assert_eq!((known.satisfied, known.stated), (0.05, true));
}

#[test]
fn a_restart_changes_nothing_of_it() {
    let mut whole = Journeys::default();
    run(&mut whole, (0, 500), &nobody(), unchanged);
    let mut second: Journeys = postcard::from_bytes(&postcard::to_stdvec(&whole).unwrap()).unwrap();
    second.reindex();
    for journeys in [&mut whole, &mut second] {
        run(journeys, (500, 700), &nobody(), unchanged);
    }
    assert_eq!(whole.view(), second.view());
}

#[test]
fn what_all_wait_for_takes_all_with_it() {
    let mut journeys = Journeys::default();
    run(&mut journeys, (0, 400), &nobody(), unchanged);
    let needed = [
        "service:stock",
        "service:stock@here",
        "environment:here",
        "service:edge",
        "api:here/stock GET /stock",
    ];
    for removal in needed {
        let found = without(&journeys, removal).unwrap();
        assert_eq!(
            (found.fails, found.types.len()),
            (1.0, 1),
            "{removal}: {found:?}"
        );
    }
    let callers = without(&journeys, "service:stock").unwrap().callers;
    assert_eq!((callers.len(), callers[0].share), (1, 0.5), "{callers:?}");
    for removal in [
        "service:mail",
        "service:stock@there",
        "environment:there",
        "other:stock",
        "api:stock",
    ] {
        assert_eq!(without(&journeys, removal), None, "{removal}");
    }
}

#[test]
fn what_was_seen_to_be_done_without_takes_little_with_it() {
    let mut journeys = Journeys::default();
    // Of twenty, one has no price and ends well all the same.
    run(&mut journeys, (0, 400), &nobody(), |number, hops| {
        if number % 20 == 0 {
            failing("prices", hops)
        } else {
            hops
        }
    });
    let found = without(&journeys, "service:prices").unwrap();
    assert!(found.fails < 0.05, "{found:?}");
    // Without stock, nobody can buy; also when that has been seen.
    run(&mut journeys, (400, 500), &nobody(), |number, hops| {
        if number % 20 == 0 {
            lost(failing("stock", hops))
        } else {
            hops
        }
    });
    let found = without(&journeys, "service:stock").unwrap();
    assert!(found.fails > 0.95 && found.types[0].seen > 3, "{found:?}");
}

#[test]
fn a_retry_that_went_well_says_nothing_of_doing_without() {
    let mut journeys = Journeys::default();
    run(&mut journeys, (0, 400), &nobody(), |number, mut hops| {
        if number % 4 == 0 {
            let again = hops[3].clone();
            hops[3].outcome = Outcome::ServerError;
            hops[3].duration = Duration::from_millis(2);
            hops[3].span = SpanId::new([7; 8]);
            hops.push(Hop {
                start: again.start + Duration::from_millis(3),
                ..again
            });
        }
        hops
    });
    let found = without(&journeys, "service:stock").unwrap();
    assert_eq!((found.types[0].lost, found.types[0].seen), (1.0, 0));
}

#[test]
fn nobody_waits_for_what_is_told_to_a_queue() {
    let mut journeys = Journeys::default();
    run(&mut journeys, (0, 400), &nobody(), |number, mut hops| {
        let from = i64::try_from(hops[0].start.since(at(0)).as_millis()).unwrap();
        let id = |n| number * 100 + n;
        let queue = |hop: Hop| Hop {
            peer: Some(Peer::Queue("mails".into())),
            ..hop
        };
        let told = hop(SpanKind::Producer, "web", "send", (from + 81, from + 82));
        hops.push(ids(queue(told), number, id(8), id(3)));
        let taken = hop(SpanKind::Consumer, "mail", "take", (from + 90, from + 95));
        hops.push(ids(queue(taken), number, id(9), id(8)));
        let asks = asked("mail", "smtp", "/send", (from + 91, from + 94));
        hops.push(ids(asks, number, id(10), id(9)));
        let sends = served("smtp", "/send", (from + 92, from + 93));
        hops.push(ids(sends, number, id(11), id(10)));
        hops
    });
    for removal in ["service:mail", "service:smtp"] {
        let found = without(&journeys, removal).unwrap();
        assert_eq!(found.types, [], "{removal}");
    }
    // But for the queue itself.
    assert_eq!(without(&journeys, "other:mails").unwrap().fails, 1.0);
}

#[test]
fn only_what_names_something_can_be_taken_away() {
    for text in [
        "",
        "stock",
        "service:",
        "pod:web-1",
        ":",
        "service",
        "\u{0}:x",
    ] {
        assert!(text.parse::<Removal>().is_err(), "{text}");
    }
}
