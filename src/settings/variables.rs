//! Every variable that pace reads, declared and documented once: the list from which the raw environment, its
//! accessors and the README's settings table are made. Knows nothing of what the values mean to a run.

use serde::Deserialize;

use super::given::{Given, Inputs};

/// One variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variable {
    pub name: &'static str,
    /// Another name for the same thing; both with different values are a problem.
    pub alias: Option<&'static str>,
    pub kind: Kind,
    /// As Markdown; `—` where there is none.
    pub default: &'static str,
    /// One line of Markdown.
    pub meaning: &'static str,
}

impl Variable {
    /// Whether the value may never be shown.
    pub(crate) const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::CiSecret)
    }

    /// Whether the CI sets it and nobody else.
    pub(crate) const fn is_of_ci(&self) -> bool {
        matches!(self.kind, Kind::Ci | Kind::CiSecret)
    }

    /// Whether `name` is this variable's name or alias.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.alias == Some(name)
    }
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A day number or `auto`.
    Day,
    /// `true`, `false` and their usual spellings.
    Flag,
    Count,
    /// `15m`, `90s`, `1h30m` or plain seconds.
    Duration,
    /// US dollars.
    Money,
    Percent,
    /// A file or folder.
    Path,
    Url,
    /// One of a few words.
    Choice,
    /// Names of other variables, separated by commas.
    Names,
    Text,
    /// A shell command; `$` in it is the shell's.
    Command,
    Secret,
    /// Set by the CI itself; nobody sets it by hand.
    Ci,
    /// The same, and a secret.
    CiSecret,
}

/// The variable called `name`, by name or alias.
pub(crate) fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.is_called(name))
}

#[cfg(test)]
/// The README's settings table, in Markdown, ending with a line break. The CI's own variables are left out.
pub(crate) fn markdown_table() -> String {
    let mut table = String::from("| Variable | Default | Meaning |\n|---|---|---|\n");
    for variable in VARIABLES.iter().filter(|variable| !variable.is_of_ci()) {
        let alias = variable.alias.map(|alias| format!(" (alias `{alias}`)")).unwrap_or_default();
        let Variable { name, default, meaning, .. } = variable;
        table.push_str(&format!("| `{name}`{alias} | {default} | {meaning} |\n"));
    }
    table
}

macro_rules! variables {
    ($($field:ident = $name:literal $(or $alias:literal)?, $kind:ident, $default:literal, $meaning:literal;)*
     @unread $($unread:literal, $unread_kind:ident, $unread_default:literal, $unread_meaning:literal;)*) => {
        /// The environment as it stands, cleaned, one optional text a variable.
        #[derive(Default, Deserialize)]
        pub(super) struct RawEnv {
            $(#[doc = $meaning] $field: Option<String>,)*
        }

        impl Inputs {
            $(
                #[doc = $meaning]
                pub(super) fn $field(&self) -> Given<'_> {
                    self.given($name, self.raw.$field.as_deref())
                }
            )*

            #[cfg(test)]
            fn all(&self) -> Vec<Given<'_>> {
                vec![$(self.$field(),)*]
            }
        }

        /// Every variable, in the order of the README.
        pub(crate) static VARIABLES: &[Variable] = &[
            $(Variable {
                name: $name,
                alias: variables!(@alias $($alias)?),
                kind: Kind::$kind,
                default: $default,
                meaning: $meaning,
            },)*
            $(Variable {
                name: $unread,
                alias: None,
                kind: Kind::$unread_kind,
                default: $unread_default,
                meaning: $unread_meaning,
            },)*
        ];
    };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
}

variables! {
    day = "DAY" or "PACE_DAY", Day, "—", "the day to run: `1…N`; `0` = planning; `auto` = the first day that has not shipped";
    retry = "RETRY", Flag, "`false`", "run the day again, also one that shipped";
    dry_run = "DRY_RUN", Flag, "`false`", "PRIME only; print the story card";
    pace_paused = "PACE_PAUSED", Flag, "`false`", "skip the run";
    pace_approved = "PACE_APPROVED", Count, "—", "opens human gates up to that day";
    pace_plan = "PACE_PLAN", Path, "first of `.pace/plan.yaml`, `pace/plan.yaml`, `plan.yaml`", "the sprint plan, inside the repository";
    pace_sprint = "PACE_SPRINT", Text, "the plan's `sprint.name`, else the branch", "identity of the sprint";
    pace_product_name = "PACE_PRODUCT_NAME", Text, "the repository's name", "for prompts";
    pace_product_description = "PACE_PRODUCT_DESCRIPTION", Text, "first paragraph of the README", "for prompts";
    pace_source_dirs = "PACE_SOURCE_DIRS", Path, "`.`", "where FORGE may write: folders of the repository, separated by commas; CI definitions only when named here";
    pace_docs_dir = "PACE_DOCS_DIR", Path, "—", "docs that SCRIBE may update: a folder of the repository";
    pace_test_command = "PACE_TEST_COMMAND", Command, "detected", "what GATE runs; `none` = no tests";
    pace_setup_command = "PACE_SETUP_COMMAND", Command, "detected from the lockfile", "installs dependencies; `none` = nothing to install";
    pace_setup_env = "PACE_SETUP_ENV", Names, "—", "names of variables that the day's first setup sees, separated by commas";
    pace_child_env = "PACE_CHILD_ENV", Names, "—", "names of variables that every child process sees, separated by commas";
    pace_build_command = "PACE_BUILD_COMMAND", Command, "—", "runs before the tests";
    pace_coverage_min = "PACE_COVERAGE_MIN", Percent, "—", "least line coverage in percent, read from the LCOV, Cobertura or JaCoCo files that GATE's run wrote; less, or no such file, is a HOLD";
    pace_llm_provider = "PACE_LLM_PROVIDER", Choice, "`anthropic`", "wire protocol: `anthropic`; `openai` (any compatible endpoint); `replay`; `litellm` (`provider/model` names)";
    pace_model = "PACE_MODEL", Text, "`claude-sonnet-4-6`", "model of FORGE and SCRIBE";
    pace_analysis_model = "PACE_ANALYSIS_MODEL", Text, "same as `PACE_MODEL`", "model of the other agents";
    pace_llm_base_url = "PACE_LLM_BASE_URL", Url, "the provider's", "`/v1/messages` (anthropic) or `/chat/completions` (openai) is appended; with `replay` the file of the recording";
    anthropic_api_key = "ANTHROPIC_API_KEY", Secret, "—", "key for Anthropic";
    openai_api_key = "OPENAI_API_KEY", Secret, "—", "key for OpenAI, or for a compatible endpoint of your own";
    groq_api_key = "GROQ_API_KEY", Secret, "—", "key for Groq";
    mistral_api_key = "MISTRAL_API_KEY", Secret, "—", "key for Mistral";
    openrouter_api_key = "OPENROUTER_API_KEY", Secret, "—", "key for OpenRouter";
    llm_api_key = "LLM_API_KEY", Secret, "—", "key for any endpoint; comes first at endpoints of your own";
    pace_platform = "PACE_PLATFORM", Choice, "detected from the CI", "where reviews go: `github`, `gitlab`, `local`";
    pace_tracker = "PACE_TRACKER", Choice, "same as `PACE_PLATFORM`", "where issues go: `github`, `gitlab`, `local`";
    github_token = "GITHUB_TOKEN", Secret, "the job's", "token for GitHub";
    github_repository = "GITHUB_REPOSITORY", Text, "the CI's", "`owner/name`";
    github_api_url = "GITHUB_API_URL", Url, "the CI's, else `https://api.github.com`", "API of GitHub or GitHub Enterprise Server";
    github_server_url = "GITHUB_SERVER_URL", Url, "the CI's, else `https://github.com`", "web address of the same";
    gitlab_token = "GITLAB_TOKEN", Secret, "`CI_JOB_TOKEN`", "token for GitLab, best a project access token with the `api` scope";
    gitlab_project = "GITLAB_PROJECT", Text, "`CI_PROJECT_ID`", "project path or number";
    gitlab_url = "GITLAB_URL", Url, "`CI_SERVER_URL`, else `https://gitlab.com`", "web address of GitLab";
    pace_base_branch = "PACE_BASE_BRANCH", Text, "the default branch", "where the review goes to";
    pace_branch = "PACE_BRANCH", Text, "the branch that CI names; on the base branch `pace/sprint`", "where commits go";
    pace_push = "PACE_PUSH", Choice, "`auto`", "`auto` pushes in CI, with a forge, or to an `origin` that is a path; `true` always; `false` never";
    pace_max_retries = "PACE_MAX_RETRIES", Count, "`2`", "FORGE reruns inside one run";
    pace_max_iterations = "PACE_MAX_ITERATIONS", Count, "`35`", "model calls in FORGE's loop";
    pace_tdd = "PACE_TDD", Flag, "`true`", "tests first: the red phase is required";
    pace_coverage_rule = "PACE_COVERAGE_RULE", Flag, "`true`", "every changed production file needs a changed test";
    pace_max_run_cost_usd = "PACE_MAX_RUN_COST_USD", Money, "`10`", "US dollars that one run may cost; a run that would pass it is a HOLD";
    pace_daily_budget = "PACE_DAILY_BUDGET", Money, "`none`", "US dollars that one calendar day may cost over all runs of the repository; what a run may spend is set aside before it begins";
    pace_timezone = "PACE_TIMEZONE", Text, "`UTC`", "time zone in which a calendar day begins, e.g. `Europe/Berlin`";
    pace_max_story_ac = "PACE_MAX_STORY_AC", Count, "`none`", "criteria of a story card; larger stories are split";
    pace_max_story_cost_usd = "PACE_MAX_STORY_COST_USD", Money, "`none`", "estimated US dollars of a story card; larger stories are split";
    pace_push_advisories = "PACE_PUSH_ADVISORIES", Flag, "`false`", "also open an issue for backlogged findings";
    pace_ci_timeout = "PACE_CI_TIMEOUT", Duration, "`15m`", "how long to wait for the CI on the commit";
    pace_command_timeout = "PACE_COMMAND_TIMEOUT", Duration, "`5m`", "for one command of FORGE";
    pace_test_timeout = "PACE_TEST_TIMEOUT", Duration, "`30m`", "for one run of the tests";
    pace_model_timeout = "PACE_MODEL_TIMEOUT", Duration, "`5m`", "how long the model may be silent; a call that found no answer is given up after twice that";
    pace_run_timeout = "PACE_RUN_TIMEOUT", Duration, "`none`", "for the whole run";
    pace_sandbox = "PACE_SANDBOX", Choice, "`enforce`", "how children are confined: `enforce`; `strict` (the strongest tier or nothing); `off`";
    pace_network = "PACE_NETWORK", Choice, "`setup`", "network of children: `deny`, `setup`, `allow`, or `host:port,…`";
    pace_journal = "PACE_JOURNAL", Choice, "`auto`", "where the journal lives: `auto` also on the remote, `local` on this machine only";
    pace_stage = "PACE_STAGE", Choice, "`all`", "which half of the day this job runs: `work` (the agents; no write token) leaves a hand-off, `publish` (no model key) pushes it, reads the CI and decides; `all` is both";
    pace_handoff = "PACE_HANDOFF", Path, "`.pace/handoff`", "folder of the hand-off, inside the repository";
    pace_handoff_digest = "PACE_HANDOFF_DIGEST", Text, "—", "what the working job said in its output `handoff-digest`; a publishing job takes no other hand-off";
    pace_prices = "PACE_PRICES", Path, "embedded", "file with model prices";
    pace_ca_file = "PACE_CA_FILE", Path, "—", "file with an extra certificate authority (PEM)";
    pace_git_name = "PACE_GIT_NAME", Text, "the forge's bot, else `pace`", "author and committer of pace's commits";
    pace_git_email = "PACE_GIT_EMAIL", Text, "the forge's bot, else `pace@<host>`", "the same";
    pace_advisory_exit_code = "PACE_ADVISORY_EXIT_CODE", Count, "`10`", "exit code of a day that ships with concerns; `0` makes it green everywhere";
    pace_templates_dir = "PACE_TEMPLATES_DIR", Path, "embedded", "folder with minijinja templates of your own, file by file";
    pace_log = "PACE_LOG", Text, "`info`", "tracing filter, e.g. `debug` or `pace=trace`";

    ci = "CI", Ci, "—", "set by every CI";
    github_actions = "GITHUB_ACTIONS", Ci, "—", "GitHub Actions";
    github_event_name = "GITHUB_EVENT_NAME", Ci, "—", "what started the workflow";
    github_event_path = "GITHUB_EVENT_PATH", Ci, "—", "file with what started the workflow";
    github_actor = "GITHUB_ACTOR", Ci, "—", "account that started the workflow";
    github_triggering_actor = "GITHUB_TRIGGERING_ACTOR", Ci, "—", "account that started this attempt of it";
    github_ref = "GITHUB_REF", Ci, "—", "full ref of the run";
    github_ref_type = "GITHUB_REF_TYPE", Ci, "—", "`branch` or `tag`";
    github_ref_name = "GITHUB_REF_NAME", Ci, "—", "short ref of the run";
    github_head_ref = "GITHUB_HEAD_REF", Ci, "—", "source branch of a pull request";
    github_run_id = "GITHUB_RUN_ID", Ci, "—", "number of the run";
    github_step_summary = "GITHUB_STEP_SUMMARY", Ci, "—", "file of the job summary";
    github_output = "GITHUB_OUTPUT", Ci, "—", "file of the step's outputs";
    gitlab_ci = "GITLAB_CI", Ci, "—", "GitLab CI";
    ci_commit_branch = "CI_COMMIT_BRANCH", Ci, "—", "branch of the pipeline";
    ci_commit_tag = "CI_COMMIT_TAG", Ci, "—", "tag of the pipeline";
    ci_default_branch = "CI_DEFAULT_BRANCH", Ci, "—", "default branch of the project";
    ci_merge_request_source_branch_name = "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", Ci, "—", "source branch of a merge request";
    ci_merge_request_source_project_path = "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", Ci, "—", "project that the merge request comes from";
    ci_project_path = "CI_PROJECT_PATH", Ci, "—", "project of the pipeline";
    ci_project_id = "CI_PROJECT_ID", Ci, "—", "number of the project";
    ci_pipeline_id = "CI_PIPELINE_ID", Ci, "—", "number of the pipeline";
    ci_job_url = "CI_JOB_URL", Ci, "—", "page of the job";
    ci_pipeline_source = "CI_PIPELINE_SOURCE", Ci, "—", "what started the pipeline";
    ci_server_url = "CI_SERVER_URL", Ci, "—", "web address of GitLab";
    ci_api_v4_url = "CI_API_V4_URL", Ci, "—", "API of GitLab";
    ci_server_tls_ca_file = "CI_SERVER_TLS_CA_FILE", Ci, "—", "certificate authority of GitLab";
    ci_job_token = "CI_JOB_TOKEN", CiSecret, "the job's", "GitLab's job token; used where `GITLAB_TOKEN` is not set";
    // Known, so that they count as secrets of the CI; nothing reads them.
    @unread
    "ACTIONS_RUNTIME_TOKEN", CiSecret, "the runner's", "never used, never shown, never passed on";
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN", CiSecret, "the runner's", "never used, never shown, never passed on";
}

/// What a run leaves to the later jobs of a pipeline. Read by nothing; known, so that a later pace does not warn.
pub(crate) const RESULTS: [&str; 11] = [
    "PACE_DECISION",
    "PACE_EXIT_CODE",
    "PACE_DECISION_DAY",
    "PACE_HOLD_REASON",
    "PACE_PR_URL",
    "PACE_ISSUE_URL",
    "PACE_SPRINT_BRANCH",
    "PACE_COST_USD",
    "PACE_TOKENS",
    "PACE_REPORT_FILE",
    "PACE_HANDOFF_SHA256",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_upper_case() {
        let mut names: Vec<&str> = VARIABLES.iter().flat_map(|v| [Some(v.name), v.alias]).flatten().collect();
        assert!(
            names.iter().all(|name| {
                name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            })
        );
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_field_is_filled_from_the_variable_of_its_name() {
        let pairs = VARIABLES.iter().map(|variable| (variable.name.to_owned(), variable.name.to_owned()));
        let inputs = Inputs::new(pairs, Default::default()).unwrap();
        // A field whose name is not its variable's name in lower case would stay empty.
        for given in inputs.all() {
            assert_eq!(given.text, Some(given.name));
        }
    }

    #[test]
    fn table_has_a_row_for_every_variable_that_people_set() {
        let table = markdown_table();
        assert!(table.contains("| `DAY` (alias `PACE_DAY`) | — | the day to run"));
        assert!(table.contains("| `PACE_JOURNAL` | `auto` | "));
        for variable in VARIABLES {
            let row = format!("\n| `{}`", variable.name);
            assert_eq!(table.contains(&format!("{row} ")), !variable.is_of_ci(), "{row}");
            assert!(!variable.meaning.contains(['|', '\n']) && !variable.default.contains(['|', '\n']));
        }
    }
}
