//! What people and programs read of it.

use expect_test::{expect, expect_file};
use sim_services::clock::Moment;
use sim_services::score::text::{Style, text};
use sim_services::score::{Rules, Scorecard, html};
use sim_services::truth::{Said, Statement, Timeline};

use super::story::*;

fn card((timeline, said): &(Timeline, Vec<Said>)) -> Scorecard {
    Scorecard::new(timeline, said, &Rules::default())
}

#[test]
fn a_terminal_shows_a_line_for_each_and_the_totals() {
    expect_file!["campaign.txt"].assert_eq(&card(&campaign()).to_string());
}

#[test]
fn programs_read_all_figures_under_plain_names() {
    let json = serde_json::to_string_pretty(&card(&campaign())).unwrap();
    expect_file!["campaign.json"].assert_eq(&(json + "\n"));
}

#[test]
fn a_narrow_terminal_shows_fewer_columns_and_breaks_no_line() {
    let card = card(&campaign());
    for width in [60, 72, 80, 100, 120, 200] {
        let text = text(
            &card,
            Style {
                colour: false,
                width,
            },
        );
        let table = text.lines().skip(3).take(10);
        for line in table {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn colours_add_nothing_but_colours() {
    let card = card(&campaign());
    let style = |colour| Style { colour, width: 110 };
    let coloured = text(&card, style(true));
    assert!(coloured.contains("\u{1b}[31mmissed\u{1b}[0m"));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    let trimmed = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    assert_eq!(trimmed(&plain), trimmed(&text(&card, style(false))));
}

#[test]
fn a_run_without_anything_is_shown_as_such() {
    let empty = (
        Timeline {
            ended: at(100.0),
            apis: Vec::new(),
            ..run(Vec::new())
        },
        Vec::new(),
    );
    let card = card(&empty);
    expect![[r#"
        Scorecard of shop, seed 1
        0 ms judged, 0 Apis, fast-forwarded

        Nothing was injected.

        injected                     0 changes; 0 acted, 0 benign
        detected                     –
        paged for                    –
        time to detect, abrupt       –
        time to detect, ramps        –
        time to page, abrupt         –
        time to page, ramps          –
        root cause 1st, of detected  –
        root cause 1st, of acted     –
          in first 3, of detected    –
          in first 3, of acted       –
        exactly one incident         –
        a detected fault makes       –
        recovered in time            –
        ramps predicted              –
        benign changes paged for     –
        false pages                  0 of 0
        pages that are right         –
        false anomalies              0 of 0
        anomalies that are right     –
        F1                           – by pages, – by anomalies
        In brackets: 95 % intervals.
    "#]]
    .assert_eq(&card.to_string());
    balanced(&html::html(&card, &empty.0, &empty.1));
}

#[test]
fn the_page_has_all_that_was_said_about_a_fault() {
    let campaign = campaign();
    let page = html::html(&card(&campaign), &campaign.0, &campaign.1);
    let article = between(&page, "<article id=\"fault-6\">", "</article>");
    expect![[r#"

        <h3>6. 06-partition detected after <span class="badge good">3.0 s</span></h3>
        <p>Nothing gets from cloud-a to the data centre.</p>
        <dl>
        <div><dt>Kind</dt><dd>partition</dd></div>
        <div><dt>Where</dt><dd>on-prem</dd></div>
        <div><dt>When</dt><dd>11:40:00, for 1 min 0 s</dd></div>
        <div><dt>What it did</dt><dd>mean latency of ledger 31 ms, 3.9 ms before; took effect 250 times</dd></div>
        <div><dt>Root cause</dt><dd>on-prem, or checkout</dd></div>
        <div><dt>Shows at</dt><dd>checkout, payments, edge</dd></div>
        </dl>
        <ol class="said">
        <li class="anomaly"><span class="when">+3.0 s</span> <span class="what">anomaly</span> <span>checkout in cloud-a: latency 8 times above its band</span></li>
        <li class="incident"><span class="when">+5.0 s</span> <span class="what">incident</span> <span>i3 of 1 service: checkout<ol class="suspects"><li class="good">payments in on-prem <b>(right)</b>: it was slow first</li><li class="good">checkout in cloud-a <b>(right)</b>: it was slow first</li></ol></span></li>
        <li class="page"><span class="when">+6.0 s</span> <span class="what">page</span> <span>checkout in cloud-a: checkout is slow</span></li>
        <li class="incident"><span class="when">+9.0 s</span> <span class="what">incident</span> <span>i4 of 1 service: edge<ol class="suspects"><li>edge in cloud-a: it was slow first</li></ol></span></li>
        <li class="anomaly"><span class="when">+40.0 s</span> <span class="what">anomaly</span> <span>checkout is over: latency 8 times above its band</span></li>
        <li class="page"><span class="when">+50.0 s</span> <span class="what">page</span> <span>checkout is over: checkout is slow</span></li>
        </ol>
    "#]].assert_eq(article);
}

#[test]
fn the_picture_has_a_lane_for_each_place_and_one_for_false_alarms() {
    let campaign = campaign();
    let page = html::html(&card(&campaign), &campaign.0, &campaign.1);
    let names: Vec<&str> = page
        .split("class=\"name\"")
        .skip(1)
        .map(|rest| between(rest, ">", "</text>"))
        .collect();
    let expected = [
        "ledger",
        "search",
        "payments",
        "everything",
        "on-prem",
        "False alarms",
    ];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(page.matches("<a href=\"#fault-").count(), 2 * 9);
    assert_eq!(page.matches("<title>false page at").count(), 3);
    let picture = between(&page, "<svg class=\"run\"", "</section>");
    let heights = |attribute: &str| -> Vec<u32> {
        picture
            .split(attribute)
            .skip(1)
            .map(|rest| rest.split_once('"').unwrap().0.parse().unwrap())
            .collect()
    };
    let height = heights(" height=\"")[0];
    let lowest = heights(" y=\"").into_iter().chain(heights(" y2=\"")).max();
    assert_eq!(lowest, Some(height));
    let marks = heights("\" y1=\"");
    assert!(marks.iter().all(|&y| y < height), "{marks:?}");
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let campaign = campaign();
    let page = html::html(&card(&campaign), &campaign.0, &campaign.1);
    balanced(&page);
    for foreign in [
        "http:", "https:", "//", "src=", "@import", "<script", "<link",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

/// Names in a topology file or in what a watcher says are not ours.
#[test]
fn hostile_names_stay_text() {
    const HOSTILE: &str = "\"'></title></svg></style><script>alert(1)</script>\u{1b}[2J\u{202e}&";
    let hostile = || HOSTILE.to_owned();
    let mut faults = vec![fault("f", 300.0, 420.0)];
    faults.push(benign(fault("g", 600.0, 660.0)));
    for fault in &mut faults {
        fault.id.push_str(HOSTILE);
        for name in [
            &mut fault.experiment,
            &mut fault.kind,
            &mut fault.description,
            &mut fault.acted.evidence,
        ] {
            *name = hostile();
        }
        for target in &mut fault.targets {
            target.service = Some(hostile());
            target.environment = Some(hostile());
        }
        fault.cause.service = Some(hostile());
        fault.cause.environment = Some(hostile());
        fault.cause.also = vec![hostile()];
        fault.symptoms = vec![hostile()];
    }
    let mut timeline = run(faults);
    timeline.topology = hostile();
    let mut said = vec![
        anomaly(310.0, HOSTILE, HOSTILE),
        page(311.0, HOSTILE, HOSTILE),
        incident(312.0, HOSTILE, &[HOSTILE], &[HOSTILE]),
        risk(313.0, HOSTILE, HOSTILE, 330.0),
        page_over(400.0, HOSTILE),
        page(610.0, HOSTILE, HOSTILE),
    ];
    for said in &mut said {
        match &mut said.what {
            Statement::Anomaly { what: text, .. } | Statement::Page { summary: text, .. } => {
                *text = hostile();
            }
            Statement::Incident { suspects, .. } => {
                for suspect in suspects {
                    suspect.environment = hostile();
                    suspect.why = hostile();
                }
            }
            _ => {}
        }
    }
    let run = (timeline, said);
    let card = card(&run);
    let page = html::html(&card, &run.0, &run.1);
    balanced(&page);
    assert!(!page.contains("<script"));
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
    assert!(page.contains("&lt;script&gt;alert(1)"));
    let text = card.to_string();
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
}

/// Times beyond any calendar come from broken files; they are shown somehow and break nothing.
#[test]
fn impossible_times_are_survived() {
    let mut odd = fault("f", 300.0, 200.0);
    odd.full = Moment(i64::MAX);
    odd.first_affected = Some(Moment(i64::MAX));
    odd.breached = Some(Moment(i64::MIN));
    odd.ramp = true;
    let mut timeline = run(vec![odd, fault("g", 900.0, 1e9)]);
    timeline.started = Moment(i64::MIN);
    timeline.judged_from = Moment(i64::MIN);
    timeline.ended = Moment(i64::MAX);
    let run = (timeline, vec![page(950.0, "p", "ledger")]);
    let card = card(&run);
    balanced(&html::html(&card, &run.0, &run.1));
    assert!(!card.to_string().is_empty());
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap();
    rest.split_once(to).unwrap().0
}

/// Every element that is opened is closed, in order, and there are none but those we write.
#[track_caller]
fn balanced(page: &str) {
    const KNOWN: &str = "html head meta title style body main header section article div span b p \
        h1 h2 h3 dl dt dd ul ol li a small table thead tbody tr th td svg g defs lineargradient \
        stop pattern rect line path text";
    let known: Vec<&str> = KNOWN.split_whitespace().collect();
    let body = page.strip_prefix("<!doctype html>").unwrap();
    let (before, style) = body.split_once("<style>").unwrap();
    let (style, after) = style.split_once("</style>").unwrap();
    assert!(!style.contains('<'));
    let mut open: Vec<String> = Vec::new();
    for tag in [before, after]
        .iter()
        .flat_map(|part| part.split('<').skip(1))
    {
        let (tag, text) = tag.split_once('>').unwrap();
        assert!(!text.contains('>'), "{text}");
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        assert!(known.contains(&name.as_str()), "<{tag}>");
        assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "<{tag}>");
        } else if !tag.ends_with('/') && name != "meta" {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
