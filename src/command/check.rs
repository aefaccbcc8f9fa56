//! `pace check`: is everything there for a day? Spends nothing and names every problem at once.

mod beginning;

use super::prices::prices;
use super::setup::set_up;
use super::site::{Site, http, read_plan};
use super::terms::test_command;
use super::work::obstacle;
use super::{Exit, Invocation};
use crate::domain::event::Level;
use crate::domain::list::counted;
use crate::domain::plan::Plan;
use crate::error::Error;
use crate::exit;
use crate::repo::PushOutlook;
use crate::report::check::{Checked, Mark, write};
use crate::settings::{Llm, Settings};

/// What a line about the plan begins with.
const PLAN: &str = "plan";

/// Checks settings, repository, plan and test command; exit 2 with all problems, 3 if only the plan has some.
pub(crate) async fn check(invocation: &Invocation) -> Exit {
    let (settings, problems) = invocation.read_settings();
    let mut lines: Vec<_> = problems.into_iter().map(|problem| bad("settings", problem)).collect();
    lines.extend(settings.warnings.iter().map(|text| warned("settings", text.clone())));
    lines.extend(settings_lines(&settings));
    lines.extend(price_line(&settings));
    lines.extend(template_lines(&settings));
    let opened = match http(&settings) {
        Ok(http) => Site::open(&settings, &invocation.dir, &http).await,
        Err(error) => Err(error),
    };
    let mut branch = None;
    match opened {
        Err(error @ Error::Abort(_)) => lines.push(bad("sandbox", error.to_string())),
        Err(error) => lines.push(bad("repository", error.to_string())),
        Ok(site) => {
            let plan = plan_lines(&settings, &site, &mut lines);
            // Tests may change files of the work tree.
            let outlook = site.repo.outlook();
            lines.extend(run_lines(&settings, &site).await);
            match outlook {
                Ok(found) => {
                    lines.push(good("branch", format!("{}, reviewed against {}", found.branch, found.base)));
                    lines.extend(found.shallow.map(|text| warned("repository", text.to_owned())));
                    lines.extend(beginning::lines(&settings, &site, &found, plan.as_ref()));
                    branch = Some((site, found.branch));
                }
                Err(error) => lines.push(bad("branch", error.to_string())),
            }
        }
    }
    lines.extend(platform_lines(&settings, branch.as_ref()).await);
    write(&mut std::io::stdout().lock(), &lines).map_err(|e| Error::Abort(e.into()))?;
    let failed = lines.iter().filter(|line| line.mark == Mark::Bad);
    let of_plan = |line: &&Checked| line.what == PLAN || line.what == beginning::DAY;
    Ok(match (failed.clone().count(), failed.filter(of_plan).count()) {
        (0, _) => exit::SHIP,
        (1, 1) => exit::PLAN,
        _ => exit::CONFIG,
    })
}

/// The site and its plan, which is given back where it can be read.
fn plan_lines(settings: &Settings, site: &Site, lines: &mut Vec<Checked>) -> Option<(String, Plan)> {
    lines.push(good("repository", site.root.display().to_string()));
    lines.push(good("sandbox", site.sandbox.describe()));
    let noted = std::cell::RefCell::new(Vec::new());
    let plan = read_plan(settings, &site.root, &|_, text| noted.borrow_mut().push(warned(PLAN, text)));
    lines.extend(noted.into_inner());
    lines.push(match &plan {
        Ok((path, plan)) => good(PLAN, format!("{path}: {}", counted(plan.days.len(), "day"))),
        Err(error) => bad(PLAN, error.to_string()),
    });
    plan.ok()
}

/// Setup, tests, hand-off and push.
async fn run_lines(settings: &Settings, site: &Site) -> Vec<Checked> {
    let mut lines = setup_lines(settings, site).await;
    if lines.iter().all(|line| line.mark != Mark::Bad) {
        lines.push(test_line(settings, site).await);
    }
    let hand_off = super::stage::may_leave(settings, site).err();
    lines.extend(hand_off.map(|error| bad("hand-off", error.to_string())));
    lines.push(push_line(site).await);
    lines
}

fn settings_lines(settings: &Settings) -> Vec<Checked> {
    let mut lines: Vec<_> = settings.spend_problems().into_iter().map(|p| bad("model", p)).collect();
    if lines.is_empty() {
        let Llm { model, base_url, api_key, .. } = &settings.llm;
        let key = if api_key.is_some() { "; its key is set, and not tried" } else { "" };
        lines.push(good("model", format!("{model} at {base_url}{key}")));
    }
    lines
}

/// A user's own templates, tried with made-up values; nothing where there are none.
fn template_lines(settings: &Settings) -> Vec<Checked> {
    let Some(dir) = &settings.templates_dir else { return vec![] };
    match super::work::templates(settings) {
        Ok(_) => vec![good("templates", dir.display().to_string())],
        Err(error) => error.to_string().lines().map(|line| bad("templates", line.to_owned())).collect(),
    }
}

/// Asks the forge for every permission that a run needs, and for the rules of the branch that it pushes to.
async fn platform_lines(settings: &Settings, branch: Option<&(Site, String)>) -> Vec<Checked> {
    let bad = |problem: String| bad("platform", problem);
    let http = match http(settings) {
        Ok(http) => http,
        Err(error) => return vec![bad(error.to_string())],
    };
    let platform = match crate::platform::connect(settings, http) {
        Ok(platform) => platform,
        Err(problems) => return problems.into_iter().map(bad).collect(),
    };
    let probes = platform.access.probe().await;
    if probes.is_empty() {
        return vec![good("platform", platform.name)];
    }
    let lines = probes.into_iter().map(|probe| match probe.problem {
        None => good("platform", format!("{}: may {}", platform.name, probe.what)),
        Some(problem) => bad(format!("{}: may not {}: {problem}", platform.name, probe.what)),
    });
    let mut lines: Vec<_> = lines.collect();
    if let Some((site, branch)) = branch {
        let told = obstacle(site, &platform, branch).await.map(|found| match found.certain {
            true => bad(found.text),
            false => warned("platform", found.text),
        });
        lines.extend(told);
    }
    lines
}

/// Whether what a day makes can be pushed.
async fn push_line(site: &Site) -> Checked {
    match site.repo.may_push().await {
        Ok(PushOutlook::Taken(remote)) => good("push", format!("{remote} takes pushes")),
        Ok(PushOutlook::None(why)) => good("push", format!("nothing is pushed: {why}")),
        Ok(PushOutlook::Unknown(why)) => warned("push", why),
        Err(error) => bad("push", error.to_string()),
    }
}

/// What the model costs, and how old the knowledge is; nothing where no model is named.
fn price_line(settings: &Settings) -> Option<Checked> {
    let model = &settings.llm.model;
    if model.is_empty() {
        return None;
    }
    Some(match prices(settings) {
        Err(error) => bad("price", error.to_string()),
        Ok(prices) => match prices.price(model) {
            Some(price) => good(
                "price",
                format!(
                    "{model}: ${} in, ${} out per million tokens (list of {})",
                    price.input,
                    price.output,
                    prices.dated()
                ),
            ),
            None => warned(
                "price",
                format!("{model}: unknown; name it in a PACE_PRICES file, or no cap can hold"),
            ),
        },
    })
}

/// Installs the dependencies, without which no test command could start.
async fn setup_lines(settings: &Settings, site: &Site) -> Vec<Checked> {
    let warnings = std::cell::RefCell::new(Vec::new());
    let notice = |level, text: String| {
        if level == Level::Warning {
            warnings.borrow_mut().push(warned("setup", text));
        }
    };
    let told = match set_up(settings, site, &notice).await {
        Ok(Some(setup)) => Some(good("setup", format!("`{}` succeeds", setup.command))),
        Ok(None) => None,
        Err(error) => Some(bad("setup", error.to_string())),
    };
    warnings.into_inner().into_iter().chain(told).collect()
}

/// Runs the test command once: a runner that cannot start is a problem, failing tests are told.
async fn test_line(settings: &Settings, site: &Site) -> Checked {
    let command = match test_command(settings, &site.root, &|_, _| ()) {
        Ok(Some(command)) => command,
        Ok(None) => return good("test command", "none, by PACE_TEST_COMMAND".into()),
        Err(error) => return bad("test command", error.to_string()),
    };
    let command = crate::sandbox::Command {
        script: command,
        dir: site.root.clone(),
        env: vec![],
        timeout: settings.limits.test,
        spool: None,
    };
    match site.sandbox.run(&command).await {
        Err(error) => bad("test command", format!("{error:#}")),
        Ok(run) if crate::evidence::runner::is_missing_runner(&run) => {
            bad("test command", format!("`{}` cannot start ({})", run.command, run.exit))
        }
        Ok(run) => {
            let ended =
                run.excess().map(|reason| format!(", which pace ended: {reason}")).unwrap_or_default();
            good("test command", format!("`{}` starts: {}{ended}", run.command, run.exit))
        }
    }
}

fn good(what: &str, found: String) -> Checked {
    Checked { mark: Mark::Good, what: what.to_owned(), found }
}

fn warned(what: &str, found: String) -> Checked {
    Checked { mark: Mark::Warning, what: what.to_owned(), found }
}

fn bad(what: &str, found: String) -> Checked {
    Checked { mark: Mark::Bad, what: what.to_owned(), found }
}
