//! Proves `pace` from outside: the real binary, real repositories, models on loopback. Nothing here links the
//! crate itself, so what these tests see is what a user sees.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics, and says where it stands")]

mod architecture;
mod binary;
mod browser;
mod daily_budget;
mod day_lock;
mod demo;
#[cfg(target_os = "linux")]
mod disk;
mod divided_budget;
mod empty_root;
mod forge;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod kill;
mod leavings;
mod model_faults;
mod model_server;
mod money;
mod peer_model;
mod project;
mod remote_journal;
mod replay;
mod resumed;
mod runners;
#[cfg(target_os = "linux")]
mod sandbox;
mod scenario;
#[cfg(target_os = "linux")]
mod setup;
mod sprint_page;
mod team;
mod third_party;
#[cfg(target_os = "linux")]
mod traced;
mod two_days;
