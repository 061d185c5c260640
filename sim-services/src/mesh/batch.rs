//! The nightly work of an environment: statements at a store beside the requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::grounds::Grounds;
use super::windows;
use crate::random::Dice;
use crate::topology::BatchSpec;
