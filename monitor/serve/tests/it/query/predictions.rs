//! `GET /predictions`.

use super::get;

#[tokio::test]
async fn risks_are_told_with_what_came_of_earlier_ones() {
    let told = get("/api/v1/predictions").await.json();
    let (open, came) = (&told["risks"][0], &told["risks"][1]);
    assert_eq!(open["statistic"], "p50");
    assert_eq!(open["unit"], "s");
    assert_eq!(open["limit"], 0.3);
    assert_eq!(open["open"], true);
    assert_eq!(open["probability"], 0.8);
    assert!(open["outcome"].is_null());
    // Of a budget the limit is no value of the signal.
    assert_eq!(came["unit"], "times");
    assert!(came["limit"].is_null() && came["latest"].is_null());
    assert_eq!(came["outcome"], "came");
    let record = &told["track_record"];
    assert_eq!(record["risks"]["missed"], 2);
    assert_eq!(record["failures"]["base_brier"], 0.1875);
    assert_eq!(record["forecasts"][0]["coverage_ratio"], 0.91);
    assert_eq!(record["forecasts"][0]["stretches"], 7);
    // Nothing was said with this chance, so nothing is known of it.
    assert!(record["failures"]["reliability"][1]["said_ratio"].is_null());
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
