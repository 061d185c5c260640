//! `GET /predictions`.

use expect_test::expect;

use super::get;

#[tokio::test]
async fn risks_are_told_with_what_came_of_earlier_ones() {
    let all = get("/api/v1/predictions").await;
    expect![[r#""#]].assert_eq(&all.show());
}

#[tokio::test]
async fn risks_are_filtered_and_unknown_filters_refused() {
    let risks = async |query: &str| {
        let answer = get(&format!("/api/v1/predictions{query}")).await.json();
        answer["risks"].as_array().unwrap().len()
    };
    assert_eq!(risks("?open=true").await, 1);
    assert_eq!(risks("?open=false").await, 1);
    assert_eq!(risks("?service=labels").await, 1);
    assert_eq!(risks("?service=nobody").await, 0);
    assert_eq!(get("/api/v1/predictions?opne=true").await.status, 400);
}
