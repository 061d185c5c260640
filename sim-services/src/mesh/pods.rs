//! The same platform as many processes: one for each replica, and one that controls them.
//!
//! For containers. A [replica](replica::run) finds others by name and follows the
//! [control](control::Control), which has the clients, the experiments and the admin API.
//! What it is made of is the mesh's; how it is laid out in a cluster is in [`manifests`].

pub mod control;
mod follower;
mod health;
pub mod manifests;
mod out;
mod peers;
mod replica;
mod roster;
mod words;

use std::time::Duration;

pub use self::control::{Control, ControlConfig};
pub use self::health::{Health, router as health};
pub use self::out::{Out, resource_attributes};
pub use self::peers::Peer;
pub use self::replica::{Exit, ReplicaConfig, run};

/// The control says something to each replica at least this often.
const ALIVE: Duration = Duration::from_secs(3);
