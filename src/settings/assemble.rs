//! Environment and legacy file → [`Settings`], with all problems at once. Knows what every variable means to a
//! run; the reading of single values is in `given`.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::children::{Children, children};
use super::environment::Environment;
use super::given::{Given, Inputs, Read, list};
use super::variables::{self, Kind};
use super::{
    CommandChoice, Commands, DayChoice, Findings, JournalMode, Limits, Money, Network, Product, Push, Rules,
    SandboxMode, Settings, Stage, ci, legacy, model,
};
use crate::exit;
use crate::secret::Redactor;

/// Where a hand-off lies unless the settings say otherwise; CI artifacts of `.pace/` carry it.
const HANDOFF: &str = ".pace/handoff";

/// Exit codes with a meaning of their own, which `PACE_ADVISORY_EXIT_CODE` may not take.
const TAKEN_CODES: [u8; 7] =
    [exit::HOLD, exit::CONFIG, exit::PLAN, exit::ABORT, exit::SKIPPED, exit::INTERRUPTED, exit::TERMINATED];

/// See [`Settings::read`].
pub(super) fn settings(
    pairs: impl IntoIterator<Item = (OsString, OsString)>,
    root: &Path,
) -> (Settings, Vec<String>) {
    let mut findings = Findings::default();
    let environment = Environment::clean(pairs, &mut findings);
    let legacy = legacy::read(root, &mut findings);
    let inputs = layered(&environment, legacy, &mut findings).unwrap_or_else(|error| {
        findings.problem(format!("the environment cannot be read: {error}"));
        Inputs::default()
    });
    let children = children(&environment, &inputs, &mut findings);
    let redactor = Redactor::new(&children.secrets);
    let mut settings = assemble(&inputs, children, root, &mut findings);
    divide(&mut settings, &mut findings);
    let masked = |lines: Vec<String>| lines.iter().map(|line| redactor.redact(line).into_owned()).collect();
    settings.warnings = masked(findings.warnings);
    (settings, masked(findings.problems))
}

/// The environment above the file. A value that the CI should have expanded is told and counts as unset.
fn layered(
    environment: &Environment,
    legacy: legacy::Legacy,
    findings: &mut Findings,
) -> Result<Inputs, envy::Error> {
    let mut values = legacy.values;
    let mut places = legacy.places;
    for (name, value) in &environment.own {
        values.insert(name, value.clone());
        places.remove(name);
    }
    values.retain(|name, value| {
        let kind = variables::find(name).map(|variable| variable.kind);
        let unexpanded = is_reference(value) && !matches!(kind, Some(Kind::Command | Kind::Ci));
        if unexpanded {
            let label = places.get(name).map_or(*name, String::as_str);
            findings.problem(format!(
                "{label} holds a reference that the CI did not expand; define what it refers to, or remove it"
            ));
        }
        !unexpanded
    });
    Inputs::new(values.into_iter().map(|(name, value)| (name.to_owned(), value)), places)
}

/// Takes away what the job's half of the day must not have, and asks for what it needs.
fn divide(settings: &mut Settings, findings: &mut Findings) {
    match settings.stage {
        Stage::All => {}
        Stage::Work => {
            settings.platform.token = None;
            settings.git.push = Push::Never;
        }
        Stage::Publish => {
            if settings.llm.api_key.take().is_some() {
                findings.warning(
                    "PACE_STAGE=publish asks no model, but a model key is set: it is not used; remove it from this job"
                        .to_owned(),
                );
            }
            settings.unfit_to_spend = vec![];
        }
    }
}

/// `$NAME`, `${NAME}` or `${{ … }}` and nothing else.
fn is_reference(text: &str) -> bool {
    let Some(name) = text.strip_prefix('$') else {
        return false;
    };
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    name.starts_with('{')
        || !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn assemble(inputs: &Inputs, children: Children, root: &Path, findings: &mut Findings) -> Settings {
    let ci = ci::context(inputs);
    let platform = ci::platform(inputs, &ci, findings);
    let git = ci::git(inputs, &ci, &platform, findings);
    let (llm, unfit_to_spend) = model::llm(inputs, findings);
    Settings {
        day: findings.keep(day(&inputs.day())),
        retry: findings.keep(inputs.retry().flag()).unwrap_or(false),
        dry_run: findings.keep(inputs.dry_run().flag()).unwrap_or(false),
        paused: findings.keep(inputs.pace_paused().flag()).unwrap_or(false),
        approved: findings.keep(inputs.pace_approved().count(1..=DayChoice::LAST)),
        plan: findings.keep(inputs.pace_plan().inside()).map(Into::into),
        sprint: findings.keep(inputs.pace_sprint().line()),
        product: Product {
            name: findings.keep(inputs.pace_product_name().line()),
            description: inputs.pace_product_description().text(),
        },
        source_dirs: findings
            .keep(folders(&inputs.pace_source_dirs()))
            .unwrap_or_else(|| vec![".".to_owned()]),
        docs_dir: findings.keep(inputs.pace_docs_dir().unless(&[]).inside()),
        commands: Commands {
            test: command(&inputs.pace_test_command()),
            setup: command(&inputs.pace_setup_command()),
            build: inputs.pace_build_command().unless(&[]).text(),
            coverage_min: findings.keep(inputs.pace_coverage_min().unless(&[]).percent()),
            setup_env: children.setup_env,
        },
        llm,
        platform,
        git,
        limits: limits(inputs, findings),
        rules: Rules {
            tdd: findings.keep(inputs.pace_tdd().flag()).unwrap_or(true),
            coverage: findings.keep(inputs.pace_coverage_rule().flag()).unwrap_or(true),
        },
        money: money(inputs, root, findings),
        sandbox: findings.keep(sandbox(&inputs.pace_sandbox())).unwrap_or(SandboxMode::Enforce),
        network: findings.keep(network(&inputs.pace_network())).unwrap_or(Network::Setup),
        journal: findings
            .keep(inputs.pace_journal().choice(&[("auto", JournalMode::Auto), ("local", JournalMode::Local)]))
            .unwrap_or(JournalMode::Auto),
        stage: findings
            .keep(inputs.pace_stage().choice(&[
                ("all", Stage::All),
                ("work", Stage::Work),
                ("publish", Stage::Publish),
            ]))
            .unwrap_or(Stage::All),
        handoff: findings.keep(inputs.pace_handoff().inside()).unwrap_or_else(|| HANDOFF.to_owned()),
        handoff_digest: findings.keep(digest(&inputs.pace_handoff_digest())),
        push_advisories: findings.keep(inputs.pace_push_advisories().flag()).unwrap_or(false),
        ca_files: [inputs.pace_ca_file(), inputs.ci_server_tls_ca_file()]
            .iter()
            .filter_map(|given| given.path(root))
            .collect(),
        advisory_exit_code: findings
            .keep(advisory_exit_code(&inputs.pace_advisory_exit_code()))
            .unwrap_or(exit::ADVISORY),
        templates_dir: inputs.pace_templates_dir().path(root),
        log: findings.keep(log(&inputs.pace_log())).unwrap_or_else(|| "info".to_owned()),
        ci,
        warnings: Vec::new(),
        child_env: children.env,
        runner_places: children.runner_places,
        secrets: children.secrets,
        unfit_to_spend,
    }
}

fn day(given: &Given<'_>) -> Read<DayChoice> {
    match given.text {
        Some(text) if text.eq_ignore_ascii_case("auto") => Ok(Some(DayChoice::Auto)),
        Some(text) => match text.parse() {
            Ok(day) if day <= DayChoice::LAST => Ok(Some(DayChoice::Number(day))),
            _ => Err(given.problem("not a day", "use a number such as 1, 0 for planning, or auto")),
        },
        None => Ok(None),
    }
}

/// Where FORGE may write; pace's own records are nobody's source.
fn folders(given: &Given<'_>) -> Read<Vec<String>> {
    let folders = given.all_inside()?;
    if folders.iter().flatten().any(|folder| folder == ".pace" || folder.starts_with(".pace/")) {
        return Err(given.problem("which holds .pace, pace's own records", "remove it from the list"));
    }
    Ok(folders)
}

fn command(given: &Given<'_>) -> CommandChoice {
    match given.text {
        None => CommandChoice::Detect,
        Some(_) if given.is_none() => CommandChoice::None,
        Some(command) => CommandChoice::Run(command.to_owned()),
    }
}

fn limits(inputs: &Inputs, findings: &mut Findings) -> Limits {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    Limits {
        max_retries: findings.keep(inputs.pace_max_retries().count(0..=20)).unwrap_or(2),
        max_iterations: findings.keep(inputs.pace_max_iterations().count(1..=1000)).unwrap_or(35),
        ci: findings.keep(inputs.pace_ci_timeout().duration()).unwrap_or(minutes(15)),
        command: findings.keep(inputs.pace_command_timeout().duration()).unwrap_or(minutes(5)),
        test: findings.keep(inputs.pace_test_timeout().duration()).unwrap_or(minutes(30)),
        model: findings.keep(inputs.pace_model_timeout().duration()).unwrap_or(minutes(5)),
        run: findings.keep(inputs.pace_run_timeout().unless(&["0"]).duration()),
    }
}

fn money(inputs: &Inputs, root: &Path, findings: &mut Findings) -> Money {
    let cap = findings.keep(inputs.pace_max_run_cost_usd().dollars());
    // The Python tool writes 0 for "no limit" of a story.
    let (story_ac, story_usd) = (inputs.pace_max_story_ac(), inputs.pace_max_story_cost_usd());
    Money {
        max_run_usd: cap.unwrap_or(10.0),
        cap_explicit: inputs.pace_max_run_cost_usd().text.is_some(),
        daily_budget_usd: findings.keep(inputs.pace_daily_budget().unless(&[]).dollars()),
        timezone: findings.keep(inputs.pace_timezone().timezone()).unwrap_or(jiff::tz::TimeZone::UTC),
        max_story_ac: findings.keep(story_ac.unless(&["0"]).count(1..=100)),
        max_story_usd: findings.keep(story_usd.unless(&["0", "0.0", "0.00"]).dollars()),
        prices: inputs.pace_prices().path(root),
    }
}

fn sandbox(given: &Given<'_>) -> Read<SandboxMode> {
    given.choice(&[
        ("enforce", SandboxMode::Enforce),
        ("strict", SandboxMode::Strict),
        ("off", SandboxMode::Off),
    ])
}

fn network(given: &Given<'_>) -> Read<Network> {
    let Some(text) = given.text else { return Ok(None) };
    if !text.contains(':') {
        let words = [("deny", Network::Deny), ("setup", Network::Setup), ("allow", Network::Allow)];
        let found = words.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        return found
            .map(|(_, network)| Some(network))
            .ok_or_else(|| given.problem("not a known word", "use deny, setup, allow, or host:port,…"));
    }
    let hosts: Vec<String> = list(text).map(str::to_owned).collect();
    if hosts.iter().all(|host| is_host_and_port(host)) {
        Ok(Some(Network::Hosts(hosts)))
    } else {
        Err(given
            .problem("not a list of hosts with ports", "use host:port,… without http://, e.g. postgres:5432"))
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok_and(|port| port > 0)
            && !host.contains(['/', '@', '*'])
            && url::Host::parse(host).is_ok()
    })
}

fn advisory_exit_code(given: &Given<'_>) -> Read<u8> {
    let Some(text) = given.text else { return Ok(None) };
    match text.parse::<u8>() {
        Ok(code) if TAKEN_CODES.contains(&code) => {
            Err(given
                .problem("an exit code with another meaning", "use 0, 10, or one that pace does not use"))
        }
        Ok(code) => Ok(Some(code)),
        Err(_) => Err(given.problem("not an exit code", "use 0 to 255")),
    }
}

fn digest(given: &Given<'_>) -> Read<String> {
    match given.text {
        Some(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(Some(text.to_ascii_lowercase()))
        }
        Some(_) => Err(given.problem(
            "not a SHA-256 of 64 hex digits",
            "pass the output `handoff-digest` of the working job as it stands",
        )),
        None => Ok(None),
    }
}

fn log(given: &Given<'_>) -> Read<String> {
    match given.text {
        Some(text) if EnvFilter::builder().parse(text).is_err() => {
            Err(given.problem("not a log filter", "use error, warn, info, debug, trace, or e.g. pace=debug"))
        }
        _ => Ok(given.text()),
    }
}
