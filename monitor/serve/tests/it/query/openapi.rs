//! The description of the API, and that it is true.

use expect_test::expect_file;

use super::get;

/// When it is stale: `UPDATE_EXPECT=1 cargo nextest run -p monitor-serve openapi`, and commit it.
#[test]
fn the_checked_in_document_is_current() {
    expect_file!["../../../../../docs/openapi.json"].assert_eq(&monitor_serve::openapi_json());
}

#[tokio::test]
async fn it_is_served() {
    let answer = get("/api/v1/openapi.json").await;
    assert_eq!(answer.body, monitor_serve::openapi_json());
}

/// A path that is described but not routed would be answered with the API's own 404.
#[tokio::test]
async fn every_described_path_is_routed() {
    let document: serde_json::Value = serde_json::from_str(&monitor_serve::openapi_json()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 40);
    for (path, item) in paths {
        if path.ends_with("/tail") {
            continue; // Its answer does not end; it has tests of its own.
        }
        let uri = path
            .replace("{id}", "0")
            .replace("{trace_id}", "0")
            .replace("{source}", "a");
        let Some(described) = item.get("get") else {
            let answer = get(&uri).await;
            assert_eq!(answer.status, 405, "{path}");
            continue;
        };
        let answer = get(&uri).await;
        assert!(!answer.body.contains("the API has no such path"), "{path}");
        // What it answers with is described too.
        let responses = described["responses"].as_object().unwrap();
        assert!(
            responses.contains_key(answer.status.as_str()),
            "{path}: {}",
            answer.status
        );
    }
}

/// Every field and parameter says what it is, or its name does.
#[test]
fn every_reference_leads_somewhere() {
    let text = monitor_serve::openapi_json();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut references = 0;
    for part in text.split("\"$ref\": \"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        references += 1;
    }
    assert!(references > 20);
}
