//! A monitor with a past, and the platform that it watches: real sockets, real time.
//!
//! The monitor's clock is set back, and it is fed the platform's fast-forwarded history over the
//! same wire as everything later; when the history has caught up with the present, the live
//! platform, which has warmed up meanwhile, is let through to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use monitor::clock::SystemClock;
use monitor::config::{MonitorArgs, Values};
use monitor::run::{self, Running};
use monitor_serve::Clock as _;
use sim_services::clock::{Clock, Moment};
use sim_services::mesh::{Platform, Tell};
use sim_services::net::Wire;
use sim_services::telemetry::sink::{Otlp, OtlpOptions, Sink};
use sim_services::truth::Timeline;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::feed::Valve;
use super::history::{History, Stretch};
use super::platform::Setup;
use super::said::{moment, time};
use super::warp::WarpClock;

/// Another chance for the history, or its requests and their ids would come again live.
const HISTORY_SEED: u64 = 0x0070_6173_7400;
/// Stretches of the history between the thread that takes them and the task that sends them.
const TAKEN: usize = 2;

#[derive(Clone, Debug)]
pub(crate) struct LiveConfig {
    pub(crate) platform: Setup,
    pub(crate) http: SocketAddr,
    pub(crate) alertmanager: Option<url::Url>,
    /// How much of a past the monitor learns from before it is live.
    pub(crate) history: Duration,
    /// The monitor's sensitivity, instead of its default.
    pub(crate) false_alarms_per_week: Option<f64>,
}

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) monitor: Running,
    pub(crate) platform: Platform,
    pub(crate) clock: Clock,
    warp: Arc<WarpClock>,
    valve: Arc<Valve>,
    otlp: Arc<Otlp>,
    setup: Setup,
    history_from: Moment,
    /// The monitor's data; removed with it.
    _folder: TempDir,
}

impl Live {
    /// Starts both; nothing has been heard yet. `tell` hears of experiments.
    pub(crate) async fn start(config: LiveConfig, tell: Tell) -> anyhow::Result<Live> {
        let folder = tempfile::Builder::new()
            .prefix("crosswatch-demo-")
            .tempdir()
            .context("cannot create a folder for the monitor's data")?;
        let history_from = moment(SystemClock.now()) - config.history;
        let warp = Arc::new(WarpClock::set_to(time(history_from)));
        let monitor = start_monitor(&config, folder.path(), &warp).await?;
        let otlp = Otlp::new(
            &format!("http://{}", monitor.otlp_http),
            OtlpOptions::default(),
        )?;
        let otlp = Arc::new(otlp);
        let behind: Arc<dyn Sink> = Arc::clone(&otlp) as Arc<dyn Sink>;
        let valve = Arc::new(Valve::closed(behind));
        let clock = Clock::wall().await;
        let sink = Arc::clone(&valve) as Arc<dyn Sink>;
        let setup = config.platform.clone();
        let platform = setup.start(Wire::Tcp, clock, sink, tell).await?;
        Ok(Live {
            monitor,
            platform,
            clock,
            warp,
            valve,
            otlp,
            setup: config.platform,
            history_from,
            _folder: folder,
        })
    }

    /// Feeds the history and lets the present follow it. `progress` is told how much of the past
    /// there is so far.
    pub(crate) async fn catch_up(
        &mut self,
        stop: &CancellationToken,
        mut progress: impl FnMut(Duration),
    ) -> anyhow::Result<()> {
        let setup = Setup {
            seed: self.setup.seed ^ HISTORY_SEED,
            ..self.setup.clone()
        };
        let history = History::begin(self.history_from, setup, stop.clone())?;
        let (give, mut stretches) = tokio::sync::mpsc::channel::<Stretch>(TAKEN);
        let taking = tokio::task::spawn_blocking(move || {
            while let Ok(stretch) = history.stretches.recv() {
                if give.blocking_send(stretch).is_err() {
                    break;
                }
            }
            history.end()
        });
        while let Some(stretch) = stretches.recv().await {
            self.warp.advance(time(stretch.until));
            self.otlp.deliver(stretch.exports).await;
            progress(stretch.until.since(self.history_from));
        }
        taking.await.context("waiting for the history")??;
        self.warp.join_the_present();
        self.valve.open();
        Ok(())
    }

    /// Lines and spans that did not reach the monitor.
    pub(crate) fn undelivered(&self) -> u64 {
        self.otlp.delivered().lost
    }

    /// Ends both, and returns what really happened.
    pub(crate) async fn stop(self) -> anyhow::Result<Timeline> {
        let timeline = self.platform.stop().await;
        self.monitor.stop().await?;
        Ok(timeline)
    }
}

async fn start_monitor(
    config: &LiveConfig,
    data: &std::path::Path,
    warp: &Arc<WarpClock>,
) -> anyhow::Result<Running> {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let values = Values {
        // Taken or not, the demo must start; the addresses are printed.
        http_listen: Some(free_or_any(config.http).await),
        otlp_grpc_listen: Some(free_or_any(loopback(4317)).await),
        otlp_http_listen: Some(free_or_any(loopback(4318)).await),
        data_dir: Some(data.to_owned()),
        alertmanager: config.alertmanager.clone().map(|url| vec![url]),
        alert_stdout: Some(false),
        false_alarms_per_week: config.false_alarms_per_week,
        ..Values::default()
    };
    let settings = MonitorArgs {
        config: None,
        values,
    }
    .settings()?;
    let clock: Arc<dyn monitor_serve::Clock> = Arc::clone(warp) as _;
    run::start(settings, clock).await
}

/// The address, or any free port of the same host when it is taken.
pub(crate) async fn free_or_any(address: SocketAddr) -> SocketAddr {
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => address,
        Err(_) => SocketAddr::new(address.ip(), 0),
    }
}
