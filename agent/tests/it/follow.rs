//! What is written is read: each line, in order, once.

use std::collections::BTreeMap;
use std::fs;

use agent::follow::positions::Positions;
use agent::follow::{Follower, Round};
use proptest::prelude::*;

use crate::node::{Container, Everyone, Node, at, follower, texts};

fn all(follower: &mut Follower, seconds: f64) -> Vec<String> {
    let mut found = Vec::new();
    follower.scan(at(seconds));
    loop {
        let round = follower.poll(at(seconds), &mut Everyone);
        found.extend(texts(&round));
        if !round.more {
            return found;
        }
    }
}

#[test]
fn pieces_are_joined_and_outputs_kept_apart() {
    let node = Node::new();
    let mut web = node.container("cart-0", "web");
    for (output, tag, text) in [
        ("stdout", "P", "one "),
        ("stderr", "F", "trouble"),
        ("stdout", "F", "line"),
        ("stdout", "F", ""),
    ] {
        let entry = web.entry(output, tag, text);
        web.append(entry.as_bytes());
    }
    let mut follower = follower(node.root(), BTreeMap::new());
    follower.scan(at(0.0));
    let round = follower.poll(at(0.0), &mut Everyone);
    let found: Vec<String> = round.groups[0]
        .records
        .iter()
        .map(|it| format!("{} {} {}", it.output.as_str(), it.offset, it.text))
        .collect();
    assert_eq!(found, ["stderr 45 trouble", "stdout 0 one line"]);
}

#[test]
fn docker_json_files_are_read_through_their_links() {
    let node = Node::new();
    let web = node.container("cart-0", "web");
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("abc-json.log");
    let line = r#"{"log":"hello\n","stream":"stderr","time":"2026-11-21T18:00:00.5Z"}"#;
    fs::write(&file, format!("{line}\n")).unwrap();
    std::os::unix::fs::symlink(&file, web.log()).unwrap();
    let mut follower = follower(node.root(), BTreeMap::new());
    assert_eq!(all(&mut follower, 0.0), ["hello"]);
    // Docker renames its file, and the link leads to the next one.
    fs::rename(&file, elsewhere.path().join("abc-json.log.1")).unwrap();
    fs::write(&file, format!("{}\n", line.replace("hello", "again"))).unwrap();
    follower.touch_linked();
    assert_eq!(all(&mut follower, 1.0), ["again"]);
}

#[test]
fn a_file_that_no_runtime_wrote_is_read_as_it_is() {
    let node = Node::new();
    let web = node.container("cart-0", "web");
    web.append(b"plain\nlines \xff\n");
    let mut follower = follower(node.root(), BTreeMap::new());
    assert_eq!(all(&mut follower, 0.0), ["plain", "lines \u{fffd}"]);
}

#[test]
fn a_flood_of_one_container_does_not_keep_another_waiting() {
    let node = Node::new();
    let mut loud = node.container("a-loud", "web");
    let mut quiet = node.container("z-quiet", "web");
    let line = "x".repeat(1_000);
    for _ in 0..4_000 {
        loud.line(&line);
    }
    quiet.line("help");
    let mut follower = follower(node.root(), BTreeMap::new());
    follower.scan(at(0.0));
    let first = texts(&follower.poll(at(0.0), &mut Everyone));
    assert!(first.contains(&"help".to_owned()));
    assert!(first.len() < 200, "{} of the loud one's lines", first.len());
}

#[test]
fn a_round_is_bounded_and_begins_where_the_last_one_stopped() {
    let node = Node::new();
    let line = "x".repeat(10_000);
    for pod in 0..30 {
        let mut container = node.container(&format!("pod-{pod:02}"), "web");
        for _ in 0..20 {
            container.line(&line);
        }
    }
    let mut follower = follower(node.root(), BTreeMap::new());
    follower.scan(at(0.0));
    let mut rounds = Vec::new();
    loop {
        let round = follower.poll(at(0.0), &mut Everyone);
        rounds.push(round.records());
        if !round.more {
            break;
        }
    }
    assert_eq!(rounds.iter().sum::<usize>(), 600);
    assert!(rounds.iter().all(|records| *records <= 105), "{rounds:?}");
}

#[test]
fn a_pod_that_is_gone_is_read_to_its_end_and_forgotten() {
    let node = Node::new();
    let mut web = node.container("cart-0", "web");
    web.line("one");
    let mut follower = follower(node.root(), BTreeMap::new());
    assert_eq!(all(&mut follower, 0.0), ["one"]);
    web.line("last words");
    fs::remove_dir_all(web.folder.parent().unwrap()).unwrap();
    let mut found = Vec::new();
    let mut progress = Vec::new();
    for step in 1..20 {
        follower.scan(at(f64::from(step)));
        let round = follower.poll(at(f64::from(step)), &mut Everyone);
        found.extend(texts(&round));
        progress.extend(round.progress);
    }
    assert_eq!(found, ["last words"]);
    assert_eq!(progress.last().unwrap().to, None, "its position is dropped");
    assert!(!follower.is_waiting());
}

#[test]
fn a_line_that_was_given_out_half_costs_itself_over_a_restart() {
    let node = Node::new();
    let mut web = node.container("cart-0", "web");
    let entry = web
        .entry("stdout", "F", "a line of which half is written")
        .into_bytes();
    let (half, rest) = entry.split_at(50);
    web.append(half);
    let mut before = follower(node.root(), BTreeMap::new());
    let (mut positions, _) = Positions::load(None).unwrap();
    let mut first = Vec::new();
    // Its end is waited for, and then given up.
    for seconds in [0.0, 10.0] {
        before.scan(at(seconds));
        let round = before.poll(at(seconds), &mut Everyone);
        first.extend(texts(&round));
        positions.advance(&round.progress);
    }
    assert_eq!(first, ["a line of "]);
    web.append(rest);
    web.line("next");
    let mut after = follower(node.root(), positions.all().clone());
    assert_eq!(all(&mut after, 11.0), ["which half is written", "next"]);
}

#[test]
fn history_before_the_look_back_is_passed_over() {
    let node = Node::new();
    let mut web = node.container("cart-0", "web");
    web.append(b"2026-11-21T10:00:00Z stdout F long ago\n");
    web.line("now");
    let metrics = crate::node::metrics();
    let mut follower = Follower::new(
        node.root().to_owned(),
        BTreeMap::new(),
        Some("2026-11-21T17:00:00Z".parse().unwrap()),
        metrics,
    );
    assert_eq!(all(&mut follower, 0.0), ["now"]);
    // A pod that starts later is no history, whatever its clock says.
    let other = node.container("pay-0", "web");
    other.append(b"2026-11-21T10:00:00Z stdout F wrong clock\n");
    assert_eq!(all(&mut follower, 1.0), ["wrong clock"]);
}

/// What may happen to a log.
#[derive(Clone, Debug)]
enum Step {
    Line,
    /// A line in three pieces, with one of the other output in between.
    Pieces,
    /// The beginning of a line; the rest comes with the next step that writes.
    Half,
    Rotate,
    CopyAndTruncate,
    ContainerRestarts,
    Scan,
    Poll,
    /// What was read so far becomes safe.
    Acknowledge,
    /// The agent stops in order and starts again.
    AgentRestarts,
    /// The agent is killed: what was not acknowledged never arrived.
    AgentCrashes,
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Line),
        2 => Just(Step::Pieces),
        2 => Just(Step::Half),
        2 => Just(Step::Rotate),
        1 => Just(Step::CopyAndTruncate),
        1 => Just(Step::ContainerRestarts),
        3 => Just(Step::Scan),
        6 => Just(Step::Poll),
        3 => Just(Step::Acknowledge),
        1 => Just(Step::AgentRestarts),
        1 => Just(Step::AgentCrashes),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

/// A writer, an agent, and what arrived.
struct Run {
    node: Node,
    web: Container,
    follower: Follower,
    positions: Positions,
    waiting: Vec<Round>,
    arrived: Vec<String>,
    /// Of the half-written line.
    rest: Vec<u8>,
    written: [usize; 2],
    seconds: f64,
    crashes: usize,
    /// Since the follower was last told.
    names_changed: bool,
}

impl Run {
    fn new() -> Run {
        let node = Node::new();
        let web = node.container("cart-0", "web");
        let (positions, _) = Positions::load(None).expect("no file, no error");
        Run {
            follower: follower(node.root(), BTreeMap::new()),
            node,
            web,
            positions,
            waiting: Vec::new(),
            arrived: Vec::new(),
            rest: Vec::new(),
            written: [0; 2],
            seconds: 0.0,
            crashes: 0,
            names_changed: false,
        }
    }

    /// Lines are longer than what tells files apart.
    fn next(&mut self, output: usize) -> String {
        self.written[output] += 1;
        let name = ["out", "err"][output];
        format!("{name} {} {}", self.written[output], "-".repeat(60))
    }

    fn finish_half(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.web.append(&rest);
    }

    fn step(&mut self, step: &Step) {
        self.seconds += 0.1;
        match step {
            Step::Line => {
                self.finish_half();
                let text = self.next(0);
                self.web.line(&text);
            }
            Step::Pieces => {
                self.finish_half();
                let (out, err) = (self.next(0), self.next(1));
                let (a, b) = out.split_at(10);
                let (b, c) = b.split_at(20);
                for (output, tag, text) in [
                    ("stdout", "P", a),
                    ("stdout", "P", b),
                    ("stderr", "F", &*err),
                    ("stdout", "F", c),
                ] {
                    let entry = self.web.entry(output, tag, text);
                    self.web.append(entry.as_bytes());
                }
            }
            Step::Half => {
                self.finish_half();
                let text = self.next(0);
                let entry = self.web.entry("stdout", "F", &text).into_bytes();
                let (half, rest) = entry.split_at(70);
                self.web.append(half);
                self.rest = rest.to_vec();
            }
            // Runtimes rotate between entries.
            Step::Rotate => {
                self.finish_half();
                self.web.rotate();
            }
            // A file that was cut and grew behind its old size between two looks, with the same
            // beginning, would be beyond recognition; times make that impossible.
            Step::CopyAndTruncate if self.web.size() > 256 => {
                self.finish_half();
                self.web.copy_and_truncate();
                self.names_changed = true;
            }
            Step::CopyAndTruncate => {}
            Step::ContainerRestarts => {
                self.finish_half();
                self.web.restart();
            }
            Step::Scan => _ = self.follower.scan(at(self.seconds)),
            Step::Poll => {
                let folder = self.web.folder.clone();
                let names_changed = std::mem::take(&mut self.names_changed);
                self.follower
                    .touch(&folder, names_changed, at(self.seconds));
                let round = self.follower.poll(at(self.seconds), &mut Everyone);
                self.waiting.push(round);
            }
            Step::Acknowledge => self.acknowledge(),
            Step::AgentRestarts => {
                self.acknowledge();
                self.start_agent();
            }
            Step::AgentCrashes => {
                // Requests may have arrived although nobody remembers it.
                self.crashes += 1;
                let half = self.waiting.len() / 2;
                for round in self.waiting.drain(..).take(half) {
                    self.arrived.extend(texts(&round));
                }
                self.start_agent();
            }
            Step::Wait => self.seconds += 3.0,
        }
    }

    fn acknowledge(&mut self) {
        for round in self.waiting.drain(..) {
            self.arrived.extend(texts(&round));
            self.positions.advance(&round.progress);
        }
    }

    fn start_agent(&mut self) {
        self.follower = follower(self.node.root(), self.positions.all().clone());
    }

    fn end(&mut self) {
        self.finish_half();
        for _ in 0..4 {
            self.seconds += 3.0;
            self.follower.scan(at(self.seconds));
            let round = self.follower.poll(at(self.seconds), &mut Everyone);
            assert!(!round.more, "so little fits into one round");
            self.waiting.push(round);
        }
        self.acknowledge();
    }

    /// The numbers of one output's lines, as they arrived.
    fn numbers(&self, output: &str) -> Vec<usize> {
        let lines = self.arrived.iter();
        let lines = lines.filter_map(|line| line.strip_prefix(output)?.split(' ').nth(1));
        lines
            .map(|number| number.parse().expect("a number"))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn each_line_arrives_in_order_and_once_unless_the_agent_was_killed(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        run.end();
        for (output, name) in ["out", "err"].into_iter().enumerate() {
            let numbers = run.numbers(name);
            let expected: Vec<usize> = (1..=run.written[output]).collect();
            let mut seen = std::collections::BTreeSet::new();
            let firsts: Vec<usize> = numbers.iter().copied().filter(|it| seen.insert(*it)).collect();
            prop_assert_eq!(&firsts, &expected, "each, in order; all: {:?}", &numbers);
            if run.crashes == 0 {
                prop_assert_eq!(&numbers, &expected, "once");
            }
        }
    }
}
