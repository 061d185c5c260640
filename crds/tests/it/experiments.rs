//! The experiments that exist are resources of these definitions.

use std::path::Path;

use crds::ChaosExperiment;
use serde_json::Value;

/// What is written in a file and what is read of it are the same, so nothing is dropped on the way.
#[test]
fn every_file_of_chaos_is_an_experiment() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let written: Value = serde_saphyr::from_str(&text).unwrap();
        if written["kind"] != "ChaosExperiment" {
            continue;
        }
        let experiment: ChaosExperiment = serde_saphyr::from_str(&text).unwrap();
        let again = serde_json::to_value(&experiment).unwrap();
        contains(
            &again["spec"],
            &written["spec"],
            &path.display().to_string(),
        );
        read += 1;
    }
    assert!(read > 30, "{read} experiments");
}

fn contains(whole: &Value, part: &Value, at: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (name, value) in part {
                let Some(there) = whole.get(name) else {
                    panic!("{at}.{name} was dropped");
                };
                contains(there, value, &format!("{at}.{name}"));
            }
        }
        (Value::Array(whole), Value::Array(part)) => {
            assert_eq!(whole.len(), part.len(), "{at}");
            for (index, value) in part.iter().enumerate() {
                contains(&whole[index], value, &format!("{at}[{index}]"));
            }
        }
        (Value::String(whole), Value::String(part)) if whole != part => {
            // A length may be written otherwise: `100s` is `1m40s`.
            let length = |text: &str| text.parse::<crds::Length>();
            assert_eq!(length(whole), length(part), "{at}");
        }
        _ => assert_eq!(whole, part, "{at}"),
    }
}
