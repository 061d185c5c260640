//! What each endpoint answers.

mod apis;
mod health;
mod records;
mod troubles;

use expect_test::Expect;

use super::get;

async fn check(uri: &str, expected: Expect) {
    expected.assert_eq(&get(uri).await.show());
}

/// The answer with only the fields at these JSON pointers of each item.
async fn check_items(uri: &str, pointers: &[&str], expected: Expect) {
    let json = get(uri).await.json();
    let lines: Vec<String> = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let shown: Vec<String> = pointers
                .iter()
                .map(|pointer| item.pointer(pointer).unwrap().to_string())
                .collect();
            shown.join(" ")
        })
        .collect();
    expected.assert_eq(&format!("total {}\n{}\n", json["total"], lines.join("\n")));
}
