//! The simulated API held to what real API servers answer.
//!
//! Stories in `tests/expectations/*.yaml` say what is asked and what matters of the answer. By
//! default they are told to the simulation. The same stories are told unchanged to a real API
//! server when `KUBECONFIG_E2E` names a kubeconfig of a cluster that may be written to, or when
//! `KUBEBUILDER_ASSETS` holds `etcd` and `kube-apiserver`.

mod matching;
mod real;
mod story;
mod target;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use story::Story;
use target::Target;

fn stories() -> Vec<Story> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expectations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut stories = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let told: Vec<Story> = serde_saphyr::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        stories.extend(told);
    }
    stories
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_answers_as_real_ones_do() {
    let mut target = Target::chosen().await;
    let mut mismatches = String::new();
    let (mut asked, mut wrong) = (0, 0);
    for story in stories() {
        let outcome = target.tell(&story).await;
        asked += outcome.asked;
        wrong += outcome.mismatches.len();
        for mismatch in outcome.mismatches {
            write!(mismatches, "\n{mismatch}").unwrap();
        }
    }
    target.stop().await;
    assert!(
        mismatches.is_empty(),
        "{wrong} of {asked} answers are not as expected\n{mismatches}"
    );
}

#[test]
fn every_story_has_a_source_and_every_step_a_name_of_its_own() {
    let stories = stories();
    let mut names = BTreeSet::new();
    let mut steps = 0;
    for story in &stories {
        assert!(!story.sources.is_empty(), "{}: no source", story.story);
        assert!(names.insert(story.story.clone()), "{} twice", story.story);
        let mut within = BTreeSet::new();
        for step in &story.steps {
            assert!(
                within.insert(&step.name),
                "{}: {} twice",
                story.story,
                step.name
            );
            steps += 1;
        }
    }
    assert!(steps >= 60, "{steps} expectations");
}
