//! Environments as data: every file of `tests/data/env` is one, with the problems or the settings that come out.

mod outside;
mod shipped;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use serde::Deserialize;

use super::variables::VARIABLES;
use super::*;

/// One environment.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Values that are not text, in hexadecimal.
    #[serde(default)]
    bytes: BTreeMap<String, String>,
    /// Files of the repository, by path.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Exactly these, in this order.
    #[serde(default)]
    problems: Vec<String>,
    /// Settings that come out, by the names of [`facts`].
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// Exactly these, in this order, where there is no problem.
    #[serde(default)]
    warnings: Vec<String>,
    /// Exactly these, where given.
    spend_problems: Option<Vec<String>>,
}

impl Case {
    fn read(&self) -> Result<Settings, Vec<String>> {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in &self.files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let text = self.env.iter().map(|(name, value)| (name.into(), value.into()));
        let bytes = self.bytes.iter().map(|(name, hex)| (name.into(), OsString::from_vec(unhex(hex))));
        let mut settings = Settings::from_env(text.chain(bytes), root.path())?;
        // Paths below the root, so that they can be told in a data file.
        let below = |path: &mut PathBuf| {
            if let Ok(rest) = path.strip_prefix(root.path()) {
                *path = Path::new("ROOT").join(rest);
            }
        };
        settings.ca_files.iter_mut().for_each(below);
        settings.templates_dir.iter_mut().for_each(below);
        settings.money.prices.iter_mut().for_each(below);
        Ok(settings)
    }
}

#[test]
fn every_environment_gives_what_its_file_says() {
    let cases = cases();
    assert!(cases.values().filter(|case| !case.problems.is_empty()).count() >= 100);
    let mut wrong = Vec::new();
    for (name, case) in cases {
        match case.read() {
            Err(problems) if problems == case.problems => {}
            Err(problems) => wrong.push(format!("{name}: problems\n  {}", problems.join("\n  "))),
            Ok(_) if !case.problems.is_empty() => wrong.push(format!("{name}: no problem at all")),
            Ok(settings) => wrong.extend(differences(&case, &settings).map(|line| format!("{name}: {line}"))),
        }
    }
    assert!(wrong.is_empty(), "{} files are not met:\n{}", wrong.len(), wrong.join("\n"));
}

fn differences<'a>(case: &'a Case, settings: &Settings) -> impl Iterator<Item = String> + use<'a> {
    let facts = facts(settings);
    let (warnings, spend) = (settings.warnings.clone(), settings.spend_problems());
    let of_settings = case.settings.iter().filter_map(move |(name, wanted)| {
        let is = facts.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not a fact"));
        (is != wanted).then(|| format!("{name} is {is}, not {wanted}"))
    });
    let of_warnings = (warnings != case.warnings).then(|| format!("warnings\n  {}", warnings.join("\n  ")));
    let of_spend = case.spend_problems.as_ref().filter(|wanted| **wanted != spend);
    let of_spend = of_spend.map(|_| format!("spend_problems\n  {}", spend.join("\n  ")));
    of_settings.chain(of_warnings).chain(of_spend)
}

/// What can be told about settings, in the words of `Debug`; plain text where it is text.
fn facts(s: &Settings) -> BTreeMap<&'static str, String> {
    let mut facts = BTreeMap::from([
        ("day", format!("{:?}", s.day)),
        ("retry", s.retry.to_string()),
        ("dry_run", s.dry_run.to_string()),
        ("paused", s.paused.to_string()),
        ("approved", format!("{:?}", s.approved)),
        ("plan", format!("{:?}", s.plan)),
        ("sprint", format!("{:?}", s.sprint)),
        ("product.name", format!("{:?}", s.product.name)),
        ("product.description", format!("{:?}", s.product.description)),
        ("source_dirs", s.source_dirs.join(" ")),
        ("docs_dir", format!("{:?}", s.docs_dir)),
        ("commands.test", format!("{:?}", s.commands.test)),
        ("commands.setup", format!("{:?}", s.commands.setup)),
        ("commands.build", format!("{:?}", s.commands.build)),
        ("commands.coverage_min", format!("{:?}", s.commands.coverage_min)),
        ("commands.setup_env", format!("{:?}", s.commands.setup_env)),
        ("llm.provider", format!("{:?}", s.llm.provider)),
        ("llm.model", s.llm.model.clone()),
        ("llm.analysis_model", s.llm.analysis_model.clone()),
        ("llm.base_url", s.llm.base_url.clone()),
        ("llm.api_key", s.llm.api_key.as_ref().map(|key| key.expose().to_owned()).unwrap_or_default()),
        ("platform.kind", format!("{:?}", s.platform.kind)),
        ("platform.tracker", format!("{:?}", s.platform.tracker)),
        ("platform.project", s.platform.project.clone().unwrap_or_default()),
        ("platform.api_url", s.platform.api_url.clone().unwrap_or_default()),
        ("platform.server_url", s.platform.server_url.clone().unwrap_or_default()),
        ("platform.token", s.platform.token.as_ref().map(|t| t.expose().to_owned()).unwrap_or_default()),
        ("platform.token_is_job_token", s.platform.token_is_job_token.to_string()),
    ]);
    facts.extend(more_facts(s));
    facts
}

fn more_facts(s: &Settings) -> Vec<(&'static str, String)> {
    let env = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    vec![
        ("git.wanted", format!("{:?}", s.git.branch.wanted)),
        ("git.base", format!("{:?}", s.git.branch.base)),
        ("git.ci_ref", format!("{:?}", s.git.branch.ci_ref)),
        ("git.push", format!("{:?}", s.git.push)),
        ("git.read_token", s.git.read_token.as_ref().map(|t| t.expose().to_owned()).unwrap_or_default()),
        ("git.identity", format!("{} <{}>", s.git.identity.name, s.git.identity.email)),
        ("limits.max_retries", s.limits.max_retries.to_string()),
        ("limits.max_iterations", s.limits.max_iterations.to_string()),
        ("limits.ci", format!("{:?}", s.limits.ci)),
        ("limits.command", format!("{:?}", s.limits.command)),
        ("limits.test", format!("{:?}", s.limits.test)),
        ("limits.model", format!("{:?}", s.limits.model)),
        ("limits.run", format!("{:?}", s.limits.run)),
        ("rules.tdd", s.rules.tdd.to_string()),
        ("rules.coverage", s.rules.coverage.to_string()),
        ("money.max_run_usd", s.money.max_run_usd.to_string()),
        ("money.cap_explicit", s.money.cap_explicit.to_string()),
        ("money.daily_budget_usd", format!("{:?}", s.money.daily_budget_usd)),
        ("money.timezone", s.money.timezone.iana_name().unwrap_or_default().to_owned()),
        ("money.max_story_ac", format!("{:?}", s.money.max_story_ac)),
        ("money.max_story_usd", format!("{:?}", s.money.max_story_usd)),
        ("money.prices", format!("{:?}", s.money.prices)),
        ("sandbox", format!("{:?}", s.sandbox)),
        ("network", format!("{:?}", s.network)),
        ("journal", format!("{:?}", s.journal)),
        ("stage", format!("{:?}", s.stage)),
        ("handoff", s.handoff.clone()),
        ("push_advisories", s.push_advisories.to_string()),
        ("ca_files", format!("{:?}", s.ca_files)),
        ("advisory_exit_code", s.advisory_exit_code.to_string()),
        ("templates_dir", format!("{:?}", s.templates_dir)),
        ("log", s.log.clone()),
        ("ci.present", s.ci.present.to_string()),
        ("ci.step_summary", format!("{:?}", s.ci.step_summary)),
        ("ci.output", format!("{:?}", s.ci.output)),
        ("ci.log_style", format!("{:?}", s.ci.log_style)),
        ("ci.run_id", format!("{:?}", s.ci.run_id)),
        ("ci.run_url", format!("{:?}", s.ci.run_url)),
        ("child_env", env(&s.child_env)),
        (
            "secrets",
            s.secrets().iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>().join(" "),
        ),
    ]
}

fn cases() -> BTreeMap<String, Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/env");
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let case =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        cases.insert(path.file_name().unwrap().to_string_lossy().into_owned(), case);
    }
    cases
}

fn unhex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn from_env(pairs: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let root = tempfile::tempdir().unwrap();
    Settings::from_env(pairs.iter().map(|(name, value)| (name.into(), value.into())), root.path())
}

#[test]
fn no_problem_or_debug_text_shows_a_secret() {
    let key = "sk-canary-0123456789";
    for variable in VARIABLES {
        // The key itself, and the key where something else belongs.
        for pairs in [vec![(variable.name, key)], vec![(variable.name, key), ("LLM_API_KEY", key)]] {
            let known_as_secret = variable.is_secret() || pairs.len() == 2;
            let told = match from_env(&pairs) {
                Ok(settings) if variable.is_secret() => format!("{settings:?}"),
                Ok(settings) => settings.warnings.join("\n"),
                Err(problems) => problems.join("\n"),
            };
            assert!(!(known_as_secret && told.contains(key)), "{}: {told}", variable.name);
        }
    }
    // A value that no header could carry is refused without being shown.
    let told = from_env(&[("ANTHROPIC_API_KEY", "sk-canary 0123456789")]).unwrap_err().join("\n");
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn a_huge_legacy_file_is_refused() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("pace.config.yaml"), "#".repeat(1024 * 1024 + 1)).unwrap();
    let problems = Settings::from_env([], root.path()).unwrap_err();
    assert_eq!(problems, ["pace.config.yaml is larger than 1 MiB; it should hold settings only"]);
}

#[test]
fn a_legacy_file_that_is_no_plain_file_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("pace.config.yaml");
    let refused = ["pace.config.yaml is not a plain file; replace or remove it"];
    std::fs::create_dir(&file).unwrap();
    assert_eq!(Settings::from_env([], root.path()).unwrap_err(), refused);
    std::fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("/proc/self/environ", &file).unwrap();
    assert_eq!(Settings::from_env([], root.path()).unwrap_err(), refused);
}

#[test]
fn every_variable_alone_is_read_without_panic() {
    for variable in VARIABLES {
        for value in [
            "",
            " ",
            "0",
            "1",
            "-1",
            "true",
            "none",
            "a,b",
            "é",
            "\u{1b}[31m",
            "$X",
            "..",
            "[",
            "1e400",
            "NaN",
            ":",
            "a:b",
        ] {
            if let Err(problems) = from_env(&[(variable.name, value)]) {
                assert!(
                    problems
                        .iter()
                        .all(|problem| problem.contains("PACE_") || problem.contains(variable.name)),
                    "{problems:?}"
                );
                assert!(problems.iter().all(|problem| !problem.contains(['\n', '\u{1b}'])), "{problems:?}");
            }
        }
    }
}

/// The README's table is the list of variables. `UPDATE_README=1` writes it.
#[test]
fn the_readme_lists_every_variable() {
    const BEGIN: &str = "<!-- settings: begin -->\n";
    const END: &str = "<!-- settings: end -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the README marks where its settings table begins");
    let (table, after) = rest.split_once(END).expect("the README marks where its settings table ends");
    let expected = super::variables::markdown_table();
    #[expect(clippy::disallowed_methods, reason = "a switch of this test, not a setting of pace")]
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(table, expected, "run UPDATE_README=1 cargo test --lib the_readme_lists");
}
