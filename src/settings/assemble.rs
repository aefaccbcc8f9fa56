//! Environment and legacy file → [`Settings`], with all problems at once. Knows what every variable means to a
//! run; the reading of single values is in `given`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::children::{Children, children};
use super::environment::Environment;
use super::given::Inputs;
use super::values::{
    HANDOFF, advisory_exit_code, command, day, digest, folders, handoff, log, network, sandbox,
};
use super::variables::{self, Kind};
use super::{
    Commands, DayChoice, Findings, JournalMode, Limits, Money, Network, Product, Push, Rules, SandboxMode,
    Settings, Stage, ci, legacy, model,
};
use crate::exit;
use crate::secret::{Redactor, Secret};

const JOURNALS: [(&str, JournalMode); 2] = [("auto", JournalMode::Auto), ("local", JournalMode::Local)];
const STAGES: [(&str, Stage); 3] = [("all", Stage::All), ("work", Stage::Work), ("publish", Stage::Publish)];

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
    for problem in &mut settings.unfit_to_spend {
        let missing = problem.split_once(" is not set").map(|(name, _)| name);
        if let Some(slip) = missing.and_then(|name| environment.slip_of(name)) {
            problem.push_str(&format!(" ({slip} is set: is that a slip?)"));
        }
    }
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
            settings.git.read_token = settings.platform.token.take();
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
        day_missing: inputs.day().text.is_none(),
        retry: findings.keep(inputs.retry().flag()).unwrap_or(false),
        dry_run: findings.keep(inputs.dry_run().flag()).unwrap_or(false),
        paused: findings.keep(inputs.pace_paused().flag()).unwrap_or(false),
        approved: findings.keep(inputs.pace_approved().count(1..=DayChoice::LAST)),
        plan: findings.keep(inputs.pace_plan().inside()).map(Into::into),
        sprint: findings.keep(inputs.pace_sprint().line()),
        product: product(inputs, findings),
        source_dirs: findings
            .keep(folders(&inputs.pace_source_dirs()))
            .unwrap_or_else(|| vec![".".to_owned()]),
        docs_dir: findings.keep(inputs.pace_docs_dir().unless(&[]).inside()),
        commands: commands(inputs, children.setup_env, findings),
        llm,
        platform,
        git,
        limits: limits(inputs, findings),
        rules: rules(inputs, findings),
        money: money(inputs, root, findings),
        sandbox: findings.keep(sandbox(&inputs.pace_sandbox())).unwrap_or(SandboxMode::Enforce),
        network: findings.keep(network(&inputs.pace_network())).unwrap_or(Network::Setup),
        journal: findings.keep(inputs.pace_journal().choice(&JOURNALS)).unwrap_or(JournalMode::Auto),
        stage: findings.keep(inputs.pace_stage().choice(&STAGES)).unwrap_or(Stage::All),
        handoff: findings.keep(handoff(&inputs.pace_handoff())).unwrap_or_else(|| HANDOFF.to_owned()),
        handoff_digest: findings.keep(digest(&inputs.pace_handoff_digest())),
        push_advisories: findings.keep(inputs.pace_push_advisories().flag()).unwrap_or(false),
        ca_files: ca_files(inputs, root),
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

fn product(inputs: &Inputs, findings: &mut Findings) -> Product {
    Product {
        name: findings.keep(inputs.pace_product_name().line()),
        description: inputs.pace_product_description().text(),
    }
}

fn commands(inputs: &Inputs, setup_env: Vec<(String, Secret)>, findings: &mut Findings) -> Commands {
    Commands {
        test: command(&inputs.pace_test_command()),
        setup: command(&inputs.pace_setup_command()),
        build: inputs.pace_build_command().unless(&[]).text(),
        coverage_min: findings.keep(inputs.pace_coverage_min().unless(&[]).percent()),
        setup_env,
    }
}

fn rules(inputs: &Inputs, findings: &mut Findings) -> Rules {
    Rules {
        tdd: findings.keep(inputs.pace_tdd().flag()).unwrap_or(true),
        coverage: findings.keep(inputs.pace_coverage_rule().flag()).unwrap_or(true),
    }
}

fn ca_files(inputs: &Inputs, root: &Path) -> Vec<PathBuf> {
    [inputs.pace_ca_file(), inputs.ci_server_tls_ca_file()]
        .iter()
        .filter_map(|given| given.path(root))
        .collect()
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
