//! How far a plan of experiments is, as a bar on standard error; nothing where that is no terminal.

use std::io::IsTerminal;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sim_services::chaos::Happening;
use sim_services::chaos::plan::Plan;
use sim_services::mesh::Tell;

#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(plan: &Plan) -> Progress {
        let style = ProgressStyle::with_template("{prefix}{bar:30} {pos}/{len} experiments  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(plan.steps.len() as u64), target);
        bar.set_style(style);
        bar.set_message("learning what is normal");
        bar.tick();
        Progress(bar)
    }

    /// One of several plans.
    pub(crate) fn of_seed(plan: &Plan, seed: u64) -> Progress {
        let progress = Progress::new(plan);
        progress.0.set_prefix(format!("seed {seed}  "));
        progress
    }

    pub(crate) fn tell(&self, happening: &Happening) {
        match happening {
            Happening::FaultIn { id, .. } => self.0.set_message(id.clone()),
            Happening::Full { .. } => {}
            Happening::FaultOut { .. } => self.0.inc(1),
        }
    }

    /// For a platform that tells of what happens to it.
    pub(crate) fn teller(&self) -> Tell {
        let progress = self.clone();
        Arc::new(move |happening| progress.tell(happening))
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
