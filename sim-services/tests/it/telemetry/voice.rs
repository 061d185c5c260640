//! What a replica says while changes are on.

use std::sync::Arc;

use sim_services::change::{Active, Change, Target, Touch};
use sim_services::clock::{Clock, Moment};
use sim_services::meter::ReplicaMeter;
use sim_services::telemetry::collector::Collector;
use sim_services::telemetry::sink::Memory;
use sim_services::telemetry::voice::Voice;
use sim_services::telemetry::{Export, LogEvent};
use sim_services::topology::{Dialect, Level, LogSpec, Propagation, TracingSpec};
use tokio_util::sync::CancellationToken;

use super::{AT, access, identity, message_event, span, texts};

struct Speaking {
    voice: Voice,
    meter: Arc<ReplicaMeter>,
    collector: Collector,
    sink: Arc<Memory>,
}

fn speaking(dialect: Dialect, exports_spans: bool, clock_offset_ms: i64) -> Speaking {
    let clock = Clock::starting_at(AT);
    let sink = Arc::new(Memory::default());
    let collector = Collector::new("cloud-a", Arc::clone(&sink) as _, clock, 1_000);
    let meter = Arc::new(ReplicaMeter::default());
    let voice = Voice::new(
        Arc::new(identity()),
        &LogSpec {
            dialect,
            level: Level::Info,
        },
        &TracingSpec {
            propagates: Propagation::Traceparent,
            exports_spans,
        },
        clock,
        clock_offset_ms,
        Arc::clone(&meter),
        collector.handle(),
    );
    Speaking {
        voice,
        meter,
        collector,
        sink,
    }
}

impl Speaking {
    async fn heard(self) -> Vec<Export> {
        let stop = CancellationToken::new();
        stop.cancel();
        self.collector.run(stop).await;
        self.sink.take().concat()
    }
}

fn active(change: Change) -> Active {
    Active {
        id: 1,
        target: Target {
            service: Some("orders".into()),
            ..Target::default()
        },
        change,
        touch: Arc::new(Touch::default()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_muted_voice_says_nothing_and_counts_it() {
    let speaking = speaking(Dialect::Plain, true, 0);
    let mute = active(Change::Mute);
    speaking.voice.follow(std::slice::from_ref(&mute));
    speaking.voice.log(LogEvent::Access(access()));
    speaking
        .voice
        .log(message_event(Level::Debug, "not wanted"));
    speaking.voice.span(span());
    speaking.voice.follow(&[]);
    speaking.voice.log(message_event(Level::Info, "again"));
    let counts = speaking.meter.read();
    assert_eq!((counts.lines, counts.spans, counts.muted), (1, 0, 2));
    assert_eq!((mute.touch.count(), mute.touch.first()), (2, Some(AT)));
    let heard = speaking.heard().await;
    assert_eq!(
        texts(&heard),
        ["2026-03-01 10:00:00,123 again, order 4711 and state to be paid"]
    );
    assert!(heard[0].spans.is_empty());
}

#[tokio::test(start_paused = true)]
async fn clock_skew_shifts_what_lines_and_exports_say_but_not_when_they_were_read() {
    let speaking = speaking(Dialect::Plain, true, 350);
    let skew = active(Change::ClockSkew { millis: 60_000 });
    speaking.voice.log(message_event(Level::Info, "a"));
    speaking.voice.follow(std::slice::from_ref(&skew));
    speaking.voice.log(message_event(Level::Info, "b"));
    speaking.voice.span(span());
    assert_eq!(skew.touch.count(), 2);
    let heard = speaking.heard().await;
    let starts: Vec<_> = texts(&heard).iter().map(|text| &text[..23]).collect();
    assert_eq!(
        starts,
        ["2026-03-01 10:00:00,473", "2026-03-01 10:01:00,473"]
    );
    let offsets: Vec<i64> = heard.iter().map(|export| export.clock_offset).collect();
    assert_eq!(offsets, [350_000_000, 60_350_000_000]);
    assert!(heard.iter().all(|export| export.lines[0].at == AT));
    assert_eq!(heard[1].spans[0].end, AT, "the exporter shifts it");
}

#[tokio::test(start_paused = true)]
async fn debug_lines_are_there_only_when_the_level_is_raised() {
    let speaking = speaking(Dialect::Plain, true, 0);
    let (debug, error) = (
        active(Change::LogLevel(Level::Debug)),
        active(Change::LogLevel(Level::Error)),
    );
    let say = |text| {
        speaking.voice.log(message_event(Level::Debug, text));
        speaking.voice.log(message_event(Level::Warn, text));
    };
    assert!(!speaking.voice.wants(Level::Debug));
    say("usual");
    speaking.voice.follow(std::slice::from_ref(&debug));
    assert!(speaking.voice.wants(Level::Debug));
    say("verbose");
    speaking.voice.follow(std::slice::from_ref(&error));
    say("quiet");
    assert_eq!(debug.touch.count(), 1, "the line that was not usual");
    assert_eq!(error.touch.count(), 1, "the line that was missing");
    let heard = speaking.heard().await;
    let said: Vec<_> = texts(&heard)
        .iter()
        .map(|text| text[24..].split(',').next().unwrap().to_owned())
        .collect();
    assert_eq!(said, ["WARNING usual", "debug: verbose", "WARNING verbose"]);
}

#[tokio::test(start_paused = true)]
async fn another_dialect_holds_for_as_long_as_the_change() {
    let speaking = speaking(Dialect::Spring, false, 0);
    let change = active(Change::LogDialect(Dialect::Logfmt));
    for on in [false, true, false] {
        speaking.voice.follow(if on {
            std::slice::from_ref(&change)
        } else {
            &[]
        });
        speaking.voice.log(LogEvent::Access(access()));
    }
    speaking.voice.span(span());
    assert_eq!(change.touch.count(), 1);
    let heard = speaking.heard().await;
    let is_logfmt: Vec<_> = texts(&heard).iter().map(|t| t.starts_with("ts=")).collect();
    assert_eq!(is_logfmt, [false, true, false]);
    assert!(heard[0].spans.is_empty(), "it exports none");
}

#[tokio::test(start_paused = true)]
async fn changes_elsewhere_are_passed_over() {
    let speaking = speaking(Dialect::Plain, true, 0);
    let mut mute = active(Change::Mute);
    mute.target.replica = Some(1);
    speaking.voice.follow(&[mute]);
    speaking.voice.log(message_event(Level::Info, "here"));
    assert_eq!(speaking.meter.read().muted, 0);
    assert_eq!(speaking.heard().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_has_the_time_at_which_it_is_said() {
    let speaking = speaking(Dialect::Plain, true, 0);
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    speaking.voice.log(message_event(Level::Info, "later"));
    let heard = speaking.heard().await;
    assert_eq!(heard[0].lines[0].at, Moment(AT.0 + 5_000_000_000));
    assert!(
        heard[0].lines[0]
            .text
            .starts_with("2026-03-01 10:00:05,123")
    );
}
