//! What watching costs: a call observed, a second judged, an Api kept.
//!
//! `cargo bench --workspace --bench engine`. In `memory_of_1000_apis` the bytes allocated,
//! divided by a thousand, are the bytes per Api, pending seconds included; with day and week learned
//! they are a tenth of what 20 Apis take more than 10 in `memory_of_apis_after_nine_days`: the rest
//! is shared by all, most of it the forest. They are those of a clone, which has no room to spare;
//! the large rings of the real one grow by a quarter and end at their exact length.

use std::sync::Arc;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use monitor_core::{
    ApiKey, Call, CallSource, CallStatus, Name, Observation, ServiceKey, Time, Workload,
};
use monitor_engine::{Engine, EngineConfig};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const START: i64 = 1_700_000_000;

fn main() {
    divan::main();
}

struct Platform {
    keys: Vec<Arc<ApiKey>>,
    instances: Vec<Name>,
    version: Name,
    seed: u64,
}

impl Platform {
    fn new(apis: usize) -> Platform {
        Platform {
            keys: (0..apis)
                .map(|i| {
                    Arc::new(ApiKey {
                        environment: "cloud-a".into(),
                        service: ServiceKey::new("shop", &format!("service-{}", i / 10)),
                        method: "GET".into(),
                        route: format!("/things/{}/{{id}}", i % 10).into(),
                    })
                })
                .collect(),
            instances: (0..3).map(|i| Name::from(format!("pod-{i}"))).collect(),
            version: "v41".into(),
            seed: 1,
        }
    }

    fn random(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }

    fn call(&mut self, api: usize, second: i64) -> Observation {
        let random = self.random();
        Observation::Call(Call {
            api: self.keys[api].clone(),
            source: CallSource::Span,
            end: Time::from_secs(second) + Duration::from_micros(random % 1_000_000),
            duration: Some(Duration::from_micros(20_000 + random % 60_000)),
            response_bytes: None,
            status: CallStatus::Http(if random.is_multiple_of(500) { 500 } else { 200 }),
            error_type: None,
            instance: self.instances[(random % 3) as usize].clone(),
            version: Some(self.version.clone()),
            caller: None,
            client: None,
            trace_id: None,
            span_id: None,
            parent: None,
            request_id: None,
            synthetic: false,
        })
    }

    fn second(&mut self, second: i64, per_api: usize) -> Vec<Observation> {
        (0..self.keys.len())
            .flat_map(|api| std::iter::repeat_n(api, per_api))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|api| self.call(api, second))
            .collect()
    }
}

/// An engine that has learned for two minutes, and the second that it has reached.
fn learned(platform: &mut Platform, per_api: usize) -> (Engine, i64) {
    let mut engine = Engine::new(EngineConfig::default());
    let mut second = START;
    while second < START + 120 {
        for observation in platform.second(second, per_api) {
            engine.observe(&observation);
        }
        second += 1;
        engine.tick(Time::from_secs(second));
    }
    (engine, second)
}

#[divan::bench(args = [10, 1_000])]
fn observe(bencher: Bencher<'_, '_>, apis: usize) {
    let mut platform = Platform::new(apis);
    let (engine, second) = learned(&mut platform, 2);
    let observations: Vec<Observation> = (0..10_000)
        .map(|i| platform.call(i % apis, second + i as i64 / 2_500))
        .collect();
    bencher
        .counter(ItemsCount::new(observations.len()))
        .with_inputs(|| engine.clone())
        .bench_local_refs(|engine| {
            for observation in &observations {
                engine.observe(black_box(observation));
            }
        });
}

/// Ten seconds of 1,000 Apis with so many calls a second each, judged; items are seconds.
#[divan::bench(args = [0, 1, 10])]
fn judge_a_second_of_1000_apis(bencher: Bencher<'_, '_>, calls: usize) {
    let mut platform = Platform::new(1_000);
    let (mut engine, second) = learned(&mut platform, 2);
    for offset in 0..10 {
        for observation in platform.second(second + offset, calls) {
            engine.observe(&observation);
        }
        // Somebody else always speaks, so that quiet seconds count.
        engine.observe(&platform.call(0, second + offset));
    }
    bencher
        .counter(ItemsCount::new(10usize))
        .with_inputs(|| engine.clone())
        .bench_local_refs(|engine| black_box(engine.tick(Time::from_secs(second + 13))));
}

/// A thousand services that call each other as a tree, all of them slow: ten seconds in the middle of
/// the incident, judged; items are seconds.
#[divan::bench]
fn judge_a_second_of_1000_services_in_trouble(bencher: Bencher<'_, '_>) {
    const SERVICES: usize = 1_000;
    let mut platform = Platform::new(SERVICES);
    platform.keys = (0..SERVICES)
        .map(|i| {
            Arc::new(ApiKey {
                environment: "cloud-a".into(),
                service: ServiceKey::new("shop", &format!("service-{i}")),
                method: "GET".into(),
                route: "/".into(),
            })
        })
        .collect();
    let (mut engine, mut second) = learned(&mut platform, 2);
    let workload = |key: &ApiKey| Workload {
        service: key.service.clone(),
        environment: key.environment.clone(),
    };
    for callee in 1..SERVICES {
        engine.observe(&Observation::Edge {
            caller: workload(&platform.keys[callee / 2]),
            callee: workload(&platform.keys[callee]),
            at: Time::from_secs(second),
        });
    }
    let slow = |platform: &mut Platform, engine: &mut Engine, second: i64| {
        for observation in platform.second(second, 4) {
            if let Observation::Call(mut call) = observation {
                call.duration = call.duration.map(|duration| duration * 20);
                engine.observe(&Observation::Call(call));
            }
        }
    };
    for _ in 0..40 {
        slow(&mut platform, &mut engine, second);
        second += 1;
        engine.tick(Time::from_secs(second));
    }
    let services = engine
        .view()
        .incidents
        .first()
        .map_or(0, |incident| incident.services.len());
    assert!(services > SERVICES / 2, "{services} services in trouble");
    for offset in 0..10 {
        slow(&mut platform, &mut engine, second + offset);
    }
    bencher
        .counter(ItemsCount::new(10usize))
        .with_inputs(|| engine.clone())
        .bench_local_refs(|engine| black_box(engine.tick(Time::from_secs(second + 13))));
}

/// Ten seconds of a hundred Apis, ten calls a second each, taken and judged by all their detectors;
/// items are observations.
#[divan::bench]
fn observe_and_judge(bencher: Bencher<'_, '_>) {
    let mut platform = Platform::new(100);
    let (engine, second) = learned(&mut platform, 10);
    let seconds: Vec<Vec<Observation>> = (0..10)
        .map(|offset| platform.second(second + offset, 10))
        .collect();
    bencher
        .counter(ItemsCount::new(10 * 100 * 10usize))
        .with_inputs(|| engine.clone())
        .bench_local_refs(|engine| {
            for (observations, offset) in seconds.iter().zip(1..) {
                for observation in observations {
                    engine.observe(black_box(observation));
                }
                black_box(engine.tick(Time::from_secs(second + offset)));
            }
        });
}

/// An engine of these Apis that has watched them for so many seconds, a volley of calls every ten.
fn watched(apis: usize, calls: usize, secs: i64) -> Engine {
    let mut platform = Platform::new(apis);
    let mut engine = Engine::new(EngineConfig::default());
    for second in (START..START + secs).step_by(10) {
        for api in 0..apis {
            for _ in 0..calls {
                engine.observe(&platform.call(api, second));
            }
        }
        engine.tick(Time::from_secs(second + 10));
    }
    engine
}

/// Apis whose day and week are learned, with full rollups.
#[divan::bench(args = [10, 20], sample_count = 1, sample_size = 1)]
fn memory_of_apis_after_nine_days(bencher: Bencher<'_, '_>, apis: usize) {
    let engine = watched(apis, 5, 9 * 86_400);
    bencher.bench_local(|| black_box(engine.clone()));
}

/// A hundred thousand Apis on one machine: their memory, and another minute of them, with a call
/// every ten seconds each; items are seconds.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn a_minute_of_100_000_apis(bencher: Bencher<'_, '_>) {
    let mut platform = Platform::new(100_000);
    let mut engine = watched(100_000, 1, 120);
    let mut second = START + 120;
    bencher.counter(ItemsCount::new(60usize)).bench_local(|| {
        for _ in 0..6 {
            for api in 0..100_000 {
                engine.observe(&platform.call(api, second));
            }
            second += 10;
            black_box(engine.tick(Time::from_secs(second)));
        }
    });
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn memory_of_100_000_apis(bencher: Bencher<'_, '_>) {
    let engine = watched(100_000, 1, 120);
    bencher.bench_local(|| black_box(engine.clone()));
}

#[divan::bench]
fn view_of_1000_apis(bencher: Bencher<'_, '_>) {
    let (engine, _) = learned(&mut Platform::new(1_000), 2);
    bencher.bench_local(|| black_box(engine.view()));
}

#[divan::bench]
fn snapshot_of_1000_apis(bencher: Bencher<'_, '_>) {
    let (engine, _) = learned(&mut Platform::new(1_000), 2);
    bencher.bench_local(|| black_box(engine.snapshot()));
}

/// Cloning an engine allocates what it holds.
#[divan::bench(args = [1, 10], sample_count = 3)]
fn memory_of_1000_apis(bencher: Bencher<'_, '_>, calls: usize) {
    let (engine, _) = learned(&mut Platform::new(1_000), calls);
    bencher.bench_local(|| black_box(engine.clone()));
}
