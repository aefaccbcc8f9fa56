//! `pace check`: is everything there for a day? Spends nothing and names every problem at once.

use super::prepare::{Site, http, read_plan, test_command};
use super::{Exit, Invocation};
use crate::domain::event::{Event, Events as _, Level};
use crate::error::Error;
use crate::exit;
use crate::report::check::{Line, text};
use crate::secret::Redactor;
use crate::settings::{SandboxMode, Settings};

/// Checks settings, repository, plan and test command; exit 2 with all problems, 3 if only the plan has some.
pub(crate) async fn check(invocation: &Invocation) -> Exit {
    let settings = match invocation.settings() {
        Ok(settings) => settings,
        Err(Error::Config(problems)) => {
            let lines: Vec<_> = problems.into_iter().map(|p| Line::bad("settings", p)).collect();
            super::print(&text(&lines))?;
            return Ok(exit::CONFIG);
        }
        Err(other) => return Err(other),
    };
    let terminal = invocation.terminal(settings.ci.log_style, Redactor::new(&settings.secrets()));
    for warning in &settings.warnings {
        terminal.emit(Event::Notice { level: Level::Warning, text: warning.clone() });
    }
    let mut lines = settings_lines(&settings);
    let mut plan_failed = false;
    match http(&settings).and_then(|http| Site::open(&settings, &invocation.dir, &http)) {
        Err(error) => lines.push(Line::bad("repository", error.to_string())),
        Ok(site) => {
            lines.push(Line::good("repository", site.root.display().to_string()));
            match read_plan(&settings, &site.root, &|_, _| ()) {
                Ok((path, plan)) => {
                    lines.push(Line::good("plan", format!("{path}: {} days", plan.days.len())))
                }
                Err(error) => {
                    plan_failed = true;
                    lines.push(Line::bad("plan", error.to_string()));
                }
            }
            lines.push(test_line(&settings, &site).await);
        }
    }
    super::print(&text(&lines))?;
    let failed = lines.iter().filter(|line| !line.ok).count();
    Ok(match (failed, plan_failed) {
        (0, _) => exit::SHIP,
        (1, true) => exit::PLAN,
        _ => exit::CONFIG,
    })
}

fn settings_lines(settings: &Settings) -> Vec<Line> {
    let mut lines: Vec<_> =
        settings.spend_problems().into_iter().map(|p| Line::bad("credentials", p)).collect();
    if lines.is_empty() {
        lines.push(Line::good("credentials", format!("{} at {}", settings.llm.model, settings.llm.base_url)));
    }
    lines.push(if settings.sandbox == SandboxMode::Off {
        Line::good("sandbox", "off, by PACE_SANDBOX".into())
    } else {
        Line::bad("sandbox", "not built yet: a run needs PACE_SANDBOX=off".into())
    });
    lines
}

/// Runs the test command once: a runner that cannot start is a problem, failing tests are told.
async fn test_line(settings: &Settings, site: &Site) -> Line {
    let command = match test_command(settings, &site.root, &|_, _| ()) {
        Ok(Some(command)) => command,
        Ok(None) => return Line::good("test command", "none, by PACE_TEST_COMMAND".into()),
        Err(error) => return Line::bad("test command", error.to_string()),
    };
    let command = crate::sandbox::Command {
        script: command,
        dir: site.root.clone(),
        env: vec![],
        timeout: settings.limits.test,
        spool: None,
    };
    match site.sandbox.run(&command).await {
        Err(error) => Line::bad("test command", format!("{error:#}")),
        Ok(run) if crate::evidence::runner::is_missing_runner(&run) => {
            Line::bad("test command", format!("`{}` cannot start ({})", run.command, run.exit))
        }
        Ok(run) => Line::good("test command", format!("`{}` starts: {}", run.command, run.exit)),
    }
}
