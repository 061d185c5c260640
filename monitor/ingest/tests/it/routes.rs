use expect_test::{Expect, expect};
use monitor_ingest::routes::{OTHER, RouteLearner, looks_like_template};
use proptest::prelude::*;

fn check(paths: &[&str], expected: Expect) {
    let mut learner = RouteLearner::default();
    let routes: String = paths
        .iter()
        .map(|path| format!("{}\n", learner.route(path)))
        .collect();
    expected.assert_eq(&routes);
}

#[test]
fn values_are_known_by_their_looks() {
    check(
        &[
            "/orders/8812/items",
            "/orders/550e8400-e29b-41d4-a716-446655440000",
            "/objects/5f3a9c1be77d",
            "/reports/2026-11-21/daily",
            "/users/ana@mail.example.com",
            "/products/OLJCESPC7Z",
            "/trips/G1234/seats",
            "/hosts/10.0.0.7",
            "/share/Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg==",
            "/api/v1/carts/42?full=true#top",
            "/api/v2beta1/carts",
            "//api///v1/carts/42/",
            "https://shop.example/api/v1/carts/7",
            "/static/js/app.3f2a.js",
            "/static/img/logo.png",
            "/favicon.ico",
            "/cart;jsessionid=31D4D96E407AAD42/view",
            "/files/a%20b",
            "/",
            "",
        ],
        expect![[r#"
            /orders/{id}/items
            /orders/{id}
            /objects/{id}
            /reports/{date}/daily
            /users/{email}
            /products/{id}
            /trips/{id}/seats
            /hosts/{ip}
            /share/{token}
            /api/v1/carts/{id}
            /api/v2beta1/carts
            /api/v1/carts/{id}
            /api/v1/carts/{id}
            /static/{asset}
            /static/{asset}
            /{asset}
            /cart/view
            /files/{param}
            /
            /
        "#]],
    );
}

#[test]
fn words_stay_words() {
    let paths = [
        "/api/v1/orderservice/order/refresh",
        "/oauth2/token",
        "/health/ready",
        "/login",
        "/.well-known/openid-configuration",
        "/s3/buckets",
        "/api/v1/prices/byRouteAndTrainType",
    ];
    let mut learner = RouteLearner::default();
    for path in paths {
        assert_eq!(&*learner.route(path), path);
    }
}

const NAMES: [&str; 40] = [
    "ana", "bruno", "carla", "dario", "elena", "fabio", "greta", "hugo", "ines", "joana", "karl",
    "lara", "marco", "nora", "otto", "paula", "quim", "rita", "sara", "tomas", "uma", "vera",
    "walter", "xenia", "yara", "zoe", "adele", "bert", "cora", "dirk", "emma", "finn", "gina",
    "hans", "ida", "jan", "kira", "leo", "mia", "nils",
];

#[test]
fn many_rare_words_in_one_place_are_values() {
    let mut learner = RouteLearner::default();
    for name in NAMES {
        for _ in 0..10 {
            learner.route("/users/me/profile");
        }
        learner.route(&format!("/users/{name}/profile"));
    }
    assert_eq!(
        &*learner.route("/users/zacharias/profile"),
        "/users/{param}/profile"
    );
    assert_eq!(&*learner.route("/users/me/profile"), "/users/me/profile");
    assert_eq!(
        learner
            .routes()
            .iter()
            .map(|route| &**route)
            .collect::<Vec<_>>(),
        ["/users/me/profile", "/users/{param}/profile"]
    );
}

#[test]
fn words_that_are_all_in_use_stay() {
    let mut learner = RouteLearner::default();
    for _ in 0..20 {
        for name in &NAMES[..24] {
            learner.route(&format!("/api/{name}/list"));
        }
    }
    assert_eq!(&*learner.route("/api/nora/list"), "/api/nora/list");
}

#[test]
fn declared_routes_win() {
    let mut learner = RouteLearner::default();
    assert_eq!(&*learner.route("/shops/north/items"), "/shops/north/items");
    learner.declare("/shops/{shop}/items");
    learner.declare("/shops/:shop/items/:item");
    learner.declare("/files/**");
    learner.declare("/shops/all/items");
    assert_eq!(&*learner.route("/shops/north/items"), "/shops/{shop}/items");
    assert_eq!(&*learner.route("/shops/all/items?x=1"), "/shops/all/items");
    assert_eq!(
        &*learner.route("/shops/north/items/7"),
        "/shops/:shop/items/:item"
    );
    assert_eq!(&*learner.route("/files/a/b/c.png"), "/files/**");
    assert_eq!(&*learner.route("/other/7"), "/other/{id}");
    assert_eq!(learner.routes().len(), 1);
}

#[test]
fn templates_are_recognised() {
    for template in [
        "/a/{id}",
        "/a/:id",
        "/a/<int:id>",
        "/a/[id]",
        "/a/*",
        "/a/{*rest}",
    ] {
        assert!(looks_like_template(template), "{template}");
    }
    for path in ["/a/b", "/a:b/c", "/", "", "/a/:8080", "/a/{}"] {
        assert!(!looks_like_template(path), "{path}");
    }
    let mut learner = RouteLearner::default();
    assert_eq!(&*learner.route("/a/{id}/b"), "/a/{id}/b");
}

#[test]
fn too_many_routes_are_visible_and_bounded() {
    let mut learner = RouteLearner::new(50);
    // Each name is used often and deep, so that none looks like a value.
    for _ in 0..3 {
        for first in NAMES {
            for second in ["list", "find", "make"] {
                learner.route(&format!("/{first}/{second}"));
            }
        }
    }
    assert_eq!(&*learner.route("/nils/list"), OTHER);
    assert!(learner.overflowed() > 0);
    assert!(learner.routes().len() <= 50);
}

#[test]
fn hostile_paths_cost_little() {
    let mut learner = RouteLearner::default();
    learner.route(&"/a".repeat(5_000_000));
    learner.route(&"x".repeat(10_000_000));
    for i in 0..200_000u64 {
        let word: String = (0..6)
            .map(|place| {
                char::from(
                    b'a' + u8::try_from(i.wrapping_mul(0x9e37_79b9) >> (place * 5) & 15).unwrap(),
                )
            })
            .collect();
        learner.route(&format!("/{word}/x{word}/{word}"));
    }
    assert!(learner.routes().len() <= 300);
    assert!(postcard::to_stdvec(&learner).unwrap().len() < 200_000);
}

proptest! {
    #[test]
    fn any_path_has_a_route(paths in proptest::collection::vec("\\PC{0,60}|(/[a-z0-9%{}:;?]{0,8}){0,20}", 1..40)) {
        let mut learner = RouteLearner::new(10);
        for path in &paths {
            let route = learner.route(path);
            prop_assert!(route.len() <= 8_192);
        }
        prop_assert!(learner.routes().len() <= 10);
    }

    #[test]
    fn a_restart_changes_nothing(
        before in proptest::collection::vec("(/[a-c0-9]{1,3}){0,4}", 0..60),
        after in proptest::collection::vec("(/[a-c0-9]{1,3}){0,4}", 0..60),
    ) {
        let mut learner = RouteLearner::new(40);
        for path in &before {
            learner.route(path);
        }
        let mut restored: RouteLearner =
            postcard::from_bytes(&postcard::to_stdvec(&learner).unwrap()).unwrap();
        for path in &after {
            prop_assert_eq!(learner.route(path), restored.route(path));
        }
        prop_assert_eq!(
            postcard::to_stdvec(&learner).unwrap(),
            postcard::to_stdvec(&restored).unwrap()
        );
    }
}
