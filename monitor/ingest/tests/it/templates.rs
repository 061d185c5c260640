use expect_test::{Expect, expect};
use monitor_core::TemplateMatch;
use monitor_ingest::templates::{Limits, Miner, mine_file};
use proptest::prelude::*;

fn miner() -> Miner {
    Miner::new("shop", Limits::default())
}

fn check(lines: &str, expected: Expect) {
    let templates = mine_file(lines.lines().map(str::trim));
    expected.assert_eq(&format!("{}\n", templates.join("\n")));
}

fn restore(found: &TemplateMatch, message: &str) -> String {
    let mut text = String::new();
    let mut pieces = found.shape.pieces.iter();
    text.push_str(pieces.next().expect("a shape has at least one piece"));
    for variable in &found.variables {
        text.push_str(&message[variable.start as usize..variable.end as usize]);
        text.push_str(pieces.next().expect("one more piece than variables"));
    }
    assert_eq!(pieces.next(), None);
    text
}

#[test]
fn variables_are_known_by_their_looks() {
    check(
        r"Took 19.05 seconds to build cart 7.
        Receiving block blk_-160899968791 src: /10.25.73.22:50010 dest: /var/data/a.tmp
        uid=0 euid=12 valid=true ratio=-3.5e-7 size=64MB
        request 550e8400-e29b-41d4-a716-446655440000 from fe80::1ff:fe23:4567:890a done in 12ms
        opened https://shop.example/cart?id=7&x=1 as [worker-3]
        started org.shop.cart.CartServer@6e0771c9 on port 8080 (ssh2)
        at 2026-11-21 10:05:00,123 and Sat Nov 21 10:05:00 2026 all was well
        mail to ana@mail.example.com via smtp.mail.example.com
        core.2275 of R02-M1-N0-C:J12-U11 written
        #3 of 10, 50% done",
        expect![[r#"
            Took <*> seconds to build cart <*>.
            Receiving block <*> src: <*> dest: <*>
            uid=<*> euid=<*> valid=<*> ratio=<*> size=<*>
            request <*> from <*> done in <*>
            opened <*> as [worker-<*>]
            started org.shop.cart.CartServer@<*> on port <*> (ssh2)
            at <*> and <*> all was well
            mail to <*> via <*>
            core.<*> of <*> written
            #<*> of <*>, <*>% done
        "#]],
    );
}

#[test]
fn words_become_variables_by_evidence() {
    check(
        "session opened for user ana by (uid=0)
        session opened for user bruno by (uid=0)
        session closed for user ana
        VM started
        VM stopped
        order accepted by warehouse lisbon today
        order accepted by warehouse porto today
        order accepted by warehouse faro today
        order accepted by warehouse braga today
        order accepted by warehouse evora today
        order accepted by warehouse beja today",
        expect![[r#"
            session opened for user <*> by (uid=<*>)
            session opened for user <*> by (uid=<*>)
            session closed for user <*>
            VM started
            VM stopped
            order accepted by warehouse <*> today
            order accepted by warehouse <*> today
            order accepted by warehouse <*> today
            order accepted by warehouse <*> today
            order accepted by warehouse <*> today
            order accepted by warehouse <*> today
        "#]],
    );
}

#[test]
fn a_template_keeps_its_id_as_it_generalises() {
    let mut miner = miner();
    let first = miner.mine("moved to node ana ok");
    miner.mine("moved to node bruno ok");
    let third = miner.mine("moved to node carla ok");
    assert_eq!(first.shape.template, third.shape.template);
    assert_ne!(first.shape.id, third.shape.id);
    assert_eq!(third.shape.text(), "moved to node <*> ok");
    assert_eq!(
        miner
            .templates()
            .map(|(_, _, count)| count)
            .collect::<Vec<_>>(),
        [3]
    );
}

#[test]
fn two_services_name_the_same_message_differently() {
    let mut other = Miner::new("cart", Limits::default());
    assert_ne!(
        miner().mine("started").shape.template,
        other.mine("started").shape.template
    );
}

#[test]
fn only_the_first_line_is_mined() {
    let found = miner().mine("failed for order 7\n\tat shop.Cart.add(Cart.java:12)\n");
    assert_eq!(found.shape.text(), "failed for order <*>");
}

#[test]
fn limits_hold() {
    let mut miner = Miner::new(
        "shop",
        Limits {
            templates: 5,
            shapes_per_template: 3,
            tokens: 4,
            cache: 8,
        },
    );
    let words = [
        "alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta", "iota",
    ];
    for word in words {
        miner.mine(&format!("{word} {word} {word}"));
    }
    assert_eq!(
        miner.mine("something entirely different").shape.text(),
        "<*>"
    );
    assert!(miner.overflowed() > 0);
    assert!(miner.templates().count() <= 6);
    assert_eq!(
        miner.mine("alpha alpha alpha").shape.text(),
        "alpha alpha alpha"
    );
    for spaces in 1..10 {
        let message = format!("alpha{:spaces$}alpha alpha", "");
        assert_eq!(restore(&miner.mine(&message), &message), message);
    }
    assert_eq!(miner.mine("a b c d e f g").shape.text(), "<*>");
}

/// Messages of few words, so that templates meet and merge.
fn message() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(vec![
            "user", "order", "ana", "bruno", "opened", "closed", "a=", "b: ", "[", "]", " ", " ", " ", "/",
            ".", "-", "\"", "10.0.0.1", ":80", "7", "0x1f", "Nov", "21", "10:05:00", "\n", "://", "@",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => "[a-z]{1,4} ",
    ];
    proptest::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn nothing_is_lost(messages in proptest::collection::vec(message(), 1..60)) {
        let mut miner = Miner::new("shop", Limits { templates: 20, shapes_per_template: 4, tokens: 9, cache: 16 });
        for message in messages.iter().chain(&messages) {
            let found = miner.mine(message);
            prop_assert_eq!(&restore(&found, message), message);
        }
        let mined: u64 = miner.templates().map(|(_, _, count)| count).sum();
        prop_assert_eq!(mined, 2 * messages.len() as u64);
    }

    #[test]
    fn a_restart_changes_nothing(
        before in proptest::collection::vec(message(), 0..40),
        after in proptest::collection::vec(message(), 0..40),
    ) {
        let mut miner = Miner::new("shop", Limits { cache: 10, ..Limits::default() });
        for message in &before {
            miner.mine(message);
        }
        let saved = postcard::to_stdvec(&miner).unwrap();
        let mut restored: Miner = postcard::from_bytes(&saved).unwrap();
        for message in before.iter().chain(&after) {
            prop_assert_eq!(miner.mine(message), restored.mine(message));
        }
        prop_assert_eq!(postcard::to_stdvec(&miner).unwrap(), postcard::to_stdvec(&restored).unwrap());
    }
}
