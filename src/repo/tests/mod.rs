//! The room against real repositories and real git servers. The `git` program builds and inspects the fixtures.

mod aside;
mod authorship;
mod bent;
mod branch;
mod bundle;
mod checkpoint;
mod commit;
mod diff;
mod exchange;
mod fixture;
mod hostile;
mod http;
mod ignored;
mod outside;
mod own_refs;
mod server;
mod shallow;
