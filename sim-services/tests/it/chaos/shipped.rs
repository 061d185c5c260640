use std::collections::BTreeSet;

use sim_services::chaos::{Fault, Plan, plan_of, shipped};
use sim_services::topology::Topology;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../chaos");

fn plans() -> Vec<(&'static str, Plan)> {
    let shop = Topology::shop();
    let plan = |name: &str, yaml| plan_of(name, yaml, &shop, |_| None);
    shipped()
        .iter()
        .map(|(name, yaml)| {
            (
                *name,
                plan(name, yaml).unwrap_or_else(|error| panic!("{error}")),
            )
        })
        .collect()
}

#[test]
fn every_file_of_the_folder_is_shipped_and_fits_the_shop() {
    let files: BTreeSet<String> = std::fs::read_dir(FOLDER)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".yaml").map(str::to_owned)
        })
        .collect();
    let plans = plans();
    let names: BTreeSet<String> = plans.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, names);
    for (name, plan) in plans {
        if let [only] = plan.steps.as_slice() {
            assert_eq!(
                only.experiment.name, name,
                "a file is named as what is in it"
            );
            assert!(only.experiment.description.ends_with('.'), "{name}");
        }
    }
}

#[test]
fn every_kind_has_a_file_and_a_row_in_the_table() {
    let plans = plans();
    let readme = std::fs::read_to_string(format!("{FOLDER}/README.md")).unwrap();
    for kind in Fault::KINDS {
        let has = |plan: &Plan| plan.steps.iter().any(|step| step.experiment.kind() == kind);
        assert!(
            plans.iter().any(|(_, plan)| has(plan)),
            "no file for {kind}"
        );
        assert!(
            readme.contains(&format!("| `{kind}` |")),
            "no row for {kind}"
        );
    }
}

#[test]
fn what_is_spelt_out_is_what_would_be_derived() {
    let shop = Topology::shop();
    for (name, plan) in plans() {
        for step in plan.steps {
            let mut bare = step.experiment.clone();
            bare.expect.symptoms.clear();
            bare.expect.root_cause = None;
            bare.expect.may_page = None;
            assert_eq!(bare.fit(&shop, "").unwrap(), step.experiment, "{name}");
        }
    }
}

#[test]
fn the_demo_begins_soon_and_leaves_time_to_recover() {
    let plans = plans();
    let (_, demo) = plans.iter().find(|(name, _)| *name == "demo").unwrap();
    assert!(demo.repeat);
    expect_test::expect![[]].assert_eq(&demo.table());
    assert!((11 * 60..=13 * 60).contains(&demo.length.as_secs()));
}

#[test]
fn the_shipped_experiments() {
    let mut table = String::new();
    for (name, plan) in plans() {
        if let [only] = plan.steps.as_slice() {
            table.push_str(&format!("{name}: {}\n", only.experiment.description));
        }
    }
    expect_test::expect![[]].assert_eq(&table);
}
