//! A platform that is none: requests at a steady rate, and what conditions do to them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sim_services::change::{Change, Conditions};
use sim_services::chaos::Levers;
use sim_services::clock::{Clock, Moment};
use sim_services::meter::{Meters, count, count_by};
use sim_services::random::{Dice, Dist};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(super) const START: Moment = Moment(1_767_571_200_000_000_000);

pub(super) struct Platform {
    pub levers: Levers,
    pub seen: watch::Receiver<Arc<Conditions>>,
    pub clock: Clock,
    tasks: JoinSet<()>,
}

impl Platform {
    /// Ten requests a second at every service of these, each 10 ms long on a good day.
    pub(super) fn serving(services: &[&'static str]) -> Platform {
        let (conditions, seen) = watch::channel(Arc::default());
        let meters = Arc::new(Meters::default());
        let clock = Clock::starting_at(START);
        let mut tasks = JoinSet::new();
        for service in services {
            tasks.spawn(serve(service, Arc::clone(&meters), seen.clone(), clock));
        }
        let levers = Levers { conditions, meters };
        Platform {
            levers,
            seen,
            clock,
            tasks,
        }
    }

    pub(super) fn on(&self) -> usize {
        self.seen.borrow().0.len()
    }

    pub(super) async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn serve(
    service: &'static str,
    meters: Arc<Meters>,
    conditions: watch::Receiver<Arc<Conditions>>,
    clock: Clock,
) {
    let meter = meters.replica(service, 0);
    let mut dice = Dice::new(1, service);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = clock.now();
        let on = Arc::clone(&conditions.borrow());
        let mut took = Duration::from_millis(10);
        let here =
            on.0.iter()
                .filter(|active| active.target.service.as_deref() == Some(service));
        for active in here {
            match &active.change {
                Change::Delay(Dist::Constant { constant }) => took += *constant,
                Change::StoreFactor { factor, .. } => {
                    took += Duration::from_millis(5).mul_f64(factor - 1.0)
                }
                Change::Fail { ratio, .. } if dice.chance(*ratio) => count(&meter.failed),
                Change::ConfigReloaded { .. } | Change::Version(_) => {}
                _ => continue,
            }
            active.touch.mark(now);
        }
        count(&meter.requests);
        count(&meter.statements);
        count_by(&meter.duration_ns, took.as_nanos() as u64);
        count_by(&meter.statement_ns, took.as_nanos() as u64 - 5_000_000);
        assert!(
            meter.requests.load(Ordering::Relaxed) < 1_000_000,
            "it stands still"
        );
    }
}
