//! Batches: when they go, what is in them, and what is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use sim_services::clock::{Clock, Moment};
use sim_services::meter::ReplicaMeter;
use sim_services::telemetry::collector::{Collector, FULL, GRACE, Handle, PATIENCE};
use sim_services::telemetry::sink::{Counting, Sink};
use sim_services::telemetry::voice::Voice;
use sim_services::telemetry::{Export, Identity};
use sim_services::topology::{Dialect, Level, LogSpec, TracingSpec};
use tokio::time::{Instant, advance, sleep};
use tokio_util::sync::CancellationToken;

use super::{AT, identity, message_event, texts};

fn voice(service: &str, replica: u32, clock: Clock, out: Handle) -> Voice {
    let who = Identity {
        service: service.into(),
        replica,
        ..identity()
    };
    let spec = LogSpec {
        dialect: Dialect::Plain,
        level: Level::Info,
    };
    let meter = Arc::new(ReplicaMeter::default());
    Voice::new(
        Arc::new(who),
        &spec,
        &TracingSpec::default(),
        clock,
        0,
        meter,
        out,
    )
}

/// Takes its time, and notes when each delivery came and how many lines it had.
#[derive(Default)]
struct Slow {
    takes: Duration,
    came: Mutex<Vec<(Moment, usize)>>,
    clock: Option<Clock>,
}

impl Sink for Slow {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        let now = self.clock.map(|clock| clock.now()).unwrap_or_default();
        self.came.lock().unwrap().push((now, texts(&exports).len()));
        Box::pin(sleep(self.takes))
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_below_capacity_and_above_it_the_loss_is_counted() {
    let clock = Clock::starting_at(AT);
    let sink = Arc::new(Counting::default());
    let collector = Collector::new("cloud-a", Arc::clone(&sink) as _, clock, 100);
    let handle = collector.handle();
    let voice = voice("orders", 0, clock, handle.clone());
    for _ in 0..100 {
        voice.log(message_event(Level::Info, "kept"));
    }
    assert_eq!(handle.dropped(), 0);
    for _ in 0..7 {
        voice.log(message_event(Level::Info, "one too many"));
    }
    assert_eq!(handle.dropped(), 7);
    let stop = CancellationToken::new();
    stop.cancel();
    collector.run(stop).await;
    assert_eq!(sink.read().lines, 100);
    voice.log(message_event(Level::Info, "nobody listens"));
    assert_eq!(handle.dropped(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_when_its_time_has_come_or_it_is_full() {
    let clock = Clock::starting_at(AT);
    let sink = Arc::new(Slow {
        clock: Some(clock),
        ..Slow::default()
    });
    let collector = Collector::new("cloud-a", Arc::clone(&sink) as _, clock, 3 * FULL);
    let voice = voice("orders", 0, clock, collector.handle());
    let stop = CancellationToken::new();
    let running = tokio::spawn(collector.run(stop.clone()));
    sleep(Duration::from_secs(1)).await;
    voice.log(message_event(Level::Info, "early"));
    sleep(Duration::from_millis(150)).await;
    voice.log(message_event(Level::Info, "in the same batch"));
    sleep(Duration::from_secs(1)).await;
    for _ in 0..FULL + 3 {
        voice.log(message_event(Level::Info, "many"));
    }
    sleep(Duration::from_millis(1)).await;
    voice.log(message_event(Level::Info, "last"));
    stop.cancel();
    running.await.unwrap();
    let second = Duration::from_secs(1);
    let full = AT + second + Duration::from_millis(150) + second;
    let came = sink.came.lock().unwrap().clone();
    assert_eq!(
        came,
        [
            (AT + second + PATIENCE, 2),
            (full, FULL),
            (full + Duration::from_millis(1), 4),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_delivery_holds_up_a_batch_but_nobody_who_speaks() {
    let clock = Clock::starting_at(AT);
    let sink = Arc::new(Slow {
        takes: Duration::from_secs(4),
        ..Slow::default()
    });
    let capacity = 50;
    let collector = Collector::new("cloud-a", Arc::clone(&sink) as _, clock, capacity);
    let handle = collector.handle();
    let voice = voice("orders", 0, clock, handle.clone());
    let stop = CancellationToken::new();
    let running = tokio::spawn(collector.run(stop.clone()));
    voice.log(message_event(Level::Info, "first"));
    sleep(Duration::from_secs(1)).await;
    // While the first is on its way: a batch and a queue fit.
    for _ in 0..FULL + capacity {
        voice.log(message_event(Level::Info, "waits"));
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.dropped(), 0);
    for _ in 0..5 {
        voice.log(message_event(Level::Info, "lost"));
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.dropped(), 5);
    advance(Duration::from_secs(4)).await;
    stop.cancel();
    running.await.unwrap();
    let sizes: Vec<usize> = sink
        .came
        .lock()
        .unwrap()
        .iter()
        .map(|came| came.1)
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 1 + FULL + capacity);
    assert_eq!(sizes[..2], [1, FULL]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_does_not_hold_up_the_stop_and_the_loss_is_counted() {
    let clock = Clock::starting_at(AT);
    let sink = Arc::new(Slow {
        takes: Duration::from_secs(3_600),
        ..Slow::default()
    });
    let collector = Collector::new("cloud-a", sink, clock, 100);
    let handle = collector.handle();
    let voice = voice("orders", 0, clock, handle.clone());
    let stop = CancellationToken::new();
    let running = tokio::spawn(collector.run(stop.clone()));
    voice.log(message_event(Level::Info, "on its way"));
    sleep(Duration::from_secs(1)).await;
    voice.log(message_event(Level::Info, "in the batch"));
    sleep(Duration::from_secs(1)).await;
    voice.log(message_event(Level::Info, "in the queue"));
    stop.cancel();
    let stopped = Instant::now();
    running.await.unwrap();
    assert_eq!(stopped.elapsed(), GRACE);
    assert_eq!(handle.dropped(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_in_the_same_order_whoever_spoke_first() {
    let order = |speakers: [(&'static str, u32); 3]| async move {
        let clock = Clock::starting_at(AT);
        let sink = Arc::new(sim_services::telemetry::sink::Memory::default());
        let collector = Collector::new("cloud-a", Arc::clone(&sink) as _, clock, 100);
        for (service, replica) in speakers {
            let voice = voice(service, replica, clock, collector.handle());
            voice.log(message_event(Level::Info, "a"));
            voice.log(message_event(Level::Info, "b"));
        }
        let stop = CancellationToken::new();
        stop.cancel();
        collector.run(stop).await;
        sink.take().concat()
    };
    let one = order([("web", 0), ("cart", 1), ("cart", 0)]).await;
    let other = order([("cart", 0), ("web", 0), ("cart", 1)]).await;
    assert_eq!(one, other);
    let who: Vec<_> = one
        .iter()
        .map(|export| (export.identity.service.as_str(), export.identity.replica))
        .collect();
    assert_eq!(who, [("cart", 0), ("cart", 1), ("web", 0)]);
}
