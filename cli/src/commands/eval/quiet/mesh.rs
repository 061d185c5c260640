//! The simulated platform without faults, heard by a monitor at each sensitivity.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use eval::quiet::report::{Report, Setting};
use eval::quiet::run::Raised;
use monitor::embedded::Embedded;
use monitor_engine::EngineConfig;
use sim_services::chaos::plan::Plan;
use sim_services::topology::Topology;
use tokio_util::sync::CancellationToken;

use crate::commands::chaos::campaign_date;
use crate::stage::fast::{self, Delivery, FastRun};
use crate::stage::platform::{Setup, nobody};
use crate::stage::said::time;

/// A simulated day takes 24 minutes, so a week takes less than three hours.
const COMPRESSION: u32 = 60;
const DAY: Duration = Duration::from_secs(86_400);
const WARM_UP: Duration = Duration::from_secs(600);

/// So many compressed days of a platform, with the same telemetry for every target.
pub(super) fn run(
    topology: &Topology,
    seed: u64,
    days: u32,
    targets: &[f64],
) -> anyhow::Result<Report> {
    let mut topology = topology.clone();
    topology.load.time_compression = f64::from(COMPRESSION);
    let length = DAY / COMPRESSION * days;
    let run = FastRun {
        platform: Setup {
            topology: Arc::new(topology),
            seed,
            rate: None,
            constant: false,
        },
        plan: Plan {
            length,
            ..Plan::default()
        },
        date: campaign_date(),
        warm_up: WARM_UP,
        engine: EngineConfig::default(),
    };
    let stop = CancellationToken::new();
    let (_, (raised, apis)) = fast::drive(run, &stop, nobody(), |take| listen(targets, take))?;
    let weeks = length.as_secs_f64() / (7.0 * 86_400.0);
    Ok(Report {
        signals: match days {
            7 => "simulated platform, a week in 168 minutes".to_owned(),
            days => format!("simulated platform, {days} days in {} minutes", days * 24),
        },
        apis,
        weeks,
        settings: targets
            .iter()
            .zip(&raised)
            .map(|(target, raised)| Setting::of(*target, raised, apis, weeks))
            .collect(),
    })
}

/// What each monitor raised after the warm-up, and how many Apis it watched in the end.
fn listen(targets: &[f64], take: &Receiver<Delivery>) -> anyhow::Result<(Vec<Raised>, usize)> {
    let monitor = |target: &f64| {
        Embedded::new(EngineConfig {
            false_alarms_per_api_week: *target,
            ..EngineConfig::default()
        })
    };
    let mut monitors: Vec<Embedded> = targets.iter().map(monitor).collect::<anyhow::Result<_>>()?;
    let mut raised = vec![Raised::default(); targets.len()];
    let begin = time(campaign_date()) + WARM_UP;
    for delivery in take {
        for (monitor, raised) in monitors.iter_mut().zip(&mut raised) {
            let effects = delivery.tell(monitor)?;
            if time(delivery.at) >= begin {
                raised.count(0, &effects);
            }
        }
    }
    let apis = monitors
        .first()
        .map_or(0, |monitor| monitor.view().apis.len());
    Ok((raised, apis))
}
