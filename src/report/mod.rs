//! Events and decisions → lines, Markdown and tables. The only room that prints.
//!
//! Nothing here decides anything: it returns text or writes to a `Write` that it is given.

pub(crate) mod annotations;
pub(crate) mod body;
mod charts;
pub(crate) mod check;
pub(crate) mod clean;
pub(crate) mod code_quality;
pub(crate) mod dotenv;
pub(crate) mod explain;
pub(crate) mod junit;
pub(crate) mod outputs;
pub(crate) mod rehearsal;
pub(crate) mod sarif;
pub(crate) mod sprint;
pub(crate) mod status;
pub(crate) mod story_card;
pub(crate) mod terminal;
pub(crate) mod view;

mod flagged;
mod log;
pub(crate) mod marker;
#[cfg(test)]
mod samples;
mod table;
pub(crate) mod trace;

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

/// Tells an error to a person: what stands between them and the exit code.
pub(crate) fn error(out: &mut dyn Write, text: &str) -> std::io::Result<()> {
    let mut lines = text.lines();
    writeln!(out, "[PACE] error: {}", lines.next().unwrap_or_default())?;
    lines.try_for_each(|line| writeln!(out, "[PACE]        {line}"))
}

/// Markdown for the job summary of a run that came to no verdict, and why.
pub(crate) fn ended(day: Option<u32>, why: &str, cost: Option<f64>) -> String {
    let day = day.map_or_else(|| "pace".to_owned(), |day| format!("pace: day {day}"));
    let why: String = why.chars().filter(|c| *c != '`').take(4000).collect();
    let cost = cost.map(|cost| format!("\nCost so far: {}\n", crate::prompt::figures::usd(Some(cost))));
    format!("## {day}: no verdict\n\n```text\n{why}\n```\n{}", cost.unwrap_or_default())
}

/// Appends to a file that the CI gave, e.g. the job summary.
pub(crate) fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let open = std::fs::OpenOptions::new().append(true).create(true).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot append to {}", path.display()))
}
