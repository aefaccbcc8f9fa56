//! Which command installs a project's dependencies, told from its files; which files decide what is installed; and
//! whether installing runs the project's own code.
//!
//! Runs nothing and reads nothing by itself: the caller names the files and reads them.

use std::sync::LazyLock;

use regex::Regex;

use super::pattern;

/// A setup command and what in the repository speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setup {
    /// For `sh -c` at the repository root: exactly what the lockfile says.
    pub command: String,
    /// The same after a manifest changed: may bring the lockfile up to date.
    pub update: String,
    /// The file that decided, e.g. `package-lock.json`.
    pub because: String,
}

/// A file at the root that decides, the command, and the command after a change.
type Rule = (&'static str, &'static str, &'static str);

/// A lockfile decides; the first of them that is there.
const LOCKFILES: &[Rule] = &[
    ("uv.lock", "uv sync --locked", "uv sync"),
    ("poetry.lock", POETRY, POETRY_UPDATE),
    ("pnpm-lock.yaml", "pnpm install --frozen-lockfile", "pnpm install --no-frozen-lockfile"),
    ("package-lock.json", "npm ci", "npm install"),
    ("npm-shrinkwrap.json", "npm ci", "npm install"),
    ("Cargo.lock", "cargo fetch --locked", "cargo fetch"),
    ("go.sum", "go mod download", "go mod download all"),
    ("Gemfile.lock", BUNDLE, BUNDLE),
    (
        "composer.lock",
        "composer install --no-interaction",
        "composer update --no-interaction --minimal-changes",
    ),
    ("packages.lock.json", "dotnet restore --locked-mode", "dotnet restore --force-evaluate"),
];
const POETRY: &str = "POETRY_VIRTUALENVS_IN_PROJECT=true poetry install --no-interaction";
const POETRY_UPDATE: &str =
    "poetry lock --no-interaction && POETRY_VIRTUALENVS_IN_PROJECT=true poetry install --no-interaction";
const BUNDLE: &str = "bundle config set --local path vendor/bundle && bundle install";
/// Requirements, in the order in which they are installed; the first must be there.
const REQUIREMENTS: &[&str] =
    &["requirements.txt", "requirements-dev.txt", "requirements-test.txt", "dev-requirements.txt"];

/// The setup of a repository. Every ecosystem whose mark is at the root counts, since a project may have a server in
/// one and its pages in another; within one the first mark does.
///
/// `files` are paths from the root. `read` gives the content of one of them.
pub(crate) fn detect(files: &[String], read: impl Fn(&str) -> Option<String>) -> Option<Setup> {
    let at_root = |name: &str| files.iter().any(|file| file == name);
    let mut taken: Vec<&str> = Vec::new();
    let mut steps: Vec<(String, String, &str)> = Vec::new();
    let rules = LOCKFILES
        .iter()
        .copied()
        .map(|(mark, command, update)| (mark, command.to_owned(), update.to_owned()));
    let yarn =
        yarn(&at_root, &read).map(|(command, update)| ("yarn.lock", command.to_owned(), update.to_owned()));
    let pip = pip(&at_root).map(|command| ("requirements.txt", command.clone(), command));
    for (mark, command, update) in rules.chain(yarn).chain(pip) {
        let world = ecosystem(mark);
        if at_root(mark) && !taken.contains(&world) {
            taken.push(world);
            steps.push((command, update, mark));
        }
    }
    let join = |parts: Vec<&str>| parts.join(" && ");
    (!steps.is_empty()).then(|| Setup {
        command: join(steps.iter().map(|step| step.0.as_str()).collect()),
        update: join(steps.iter().map(|step| step.1.as_str()).collect()),
        because: steps.iter().map(|step| step.2).collect::<Vec<_>>().join(", "),
    })
}

fn ecosystem(mark: &str) -> &'static str {
    match mark {
        "uv.lock" | "poetry.lock" | "requirements.txt" => "Python",
        "pnpm-lock.yaml" | "package-lock.json" | "npm-shrinkwrap.json" | "yarn.lock" => "Node",
        "Cargo.lock" => "Rust",
        "go.sum" => "Go",
        "Gemfile.lock" => "Ruby",
        "composer.lock" => "PHP",
        _ => ".NET",
    }
}

/// Yarn 1 and its successors call the same thing by other names.
fn yarn(
    at_root: &impl Fn(&str) -> bool,
    read: &impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, &'static str)> {
    let text = at_root("yarn.lock").then(|| read("yarn.lock").unwrap_or_default())?;
    let modern = at_root(".yarnrc.yml") || text.contains("__metadata:");
    Some(if modern {
        ("yarn install --immutable", "yarn install --no-immutable")
    } else {
        ("yarn install --frozen-lockfile", "yarn install")
    })
}

/// Into an environment inside the work tree, the only place that lasts; what the job installed for all is seen
/// through it and not fetched again. Isolated (`-I`): no file of the project takes a module's place.
fn pip(at_root: &impl Fn(&str) -> bool) -> Option<String> {
    let lists: Vec<String> =
        REQUIREMENTS.iter().filter(|name| at_root(name)).map(|name| format!("-r {name}")).collect();
    at_root(REQUIREMENTS.first()?).then(|| {
        format!(
            "python3 -I -m venv --clear --system-site-packages .venv && .venv/bin/python -I -m pip install --disable-pip-version-check {}",
            lists.join(" ")
        )
    })
}

/// Whether the file at `path` has a say in what a setup installs or runs.
pub(crate) fn is_manifest(path: &str) -> bool {
    !path.split('/').any(|part| part == "node_modules" || part == ".venv") && MANIFEST.is_match(path)
}

static MANIFEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)(?:^|/)(?:
            package\.json | package-lock\.json | npm-shrinkwrap\.json | \.npmrc | pnpm-lock\.yaml | pnpm-workspace\.yaml
          | \.pnpmfile\.cjs | yarn\.lock | \.yarnrc(?:\.yml)? | \.yarn/(?:releases|plugins|patches)/.* | bun\.lockb? | \.nvmrc | \.node-version
          | pyproject\.toml | setup\.py | setup\.cfg | uv\.lock | uv\.toml | poetry\.lock | poetry\.toml | Pipfile(?:\.lock)?
          | [\w.-]*requirements[\w.-]*\.(?:txt|in) | requirements/.*\.(?:txt|in) | constraints[\w.-]*\.txt | pip\.conf
          | hatch_build\.py | \.python-version | environment\.ya?ml | tox\.ini | noxfile\.py
          | go\.(?:mod|sum|work|work\.sum) | vendor/modules\.txt
          | Cargo\.(?:toml|lock) | \.cargo/config(?:\.toml)? | rust-toolchain(?:\.toml)?
          | pom\.xml | \.mvn/.* | mvnw | (?:build|settings|init)\.gradle(?:\.kts)? | gradle\.properties | gradle\.lockfile
          | gradle/.* | gradlew | buildSrc/.*
          | Gemfile(?:\.lock)? | [\w.-]+\.gemspec | \.bundle/config | \.ruby-version
          | composer\.(?:json|lock) | mix\.(?:exs|lock)
          | [\w.-]+\.(?:csproj|fsproj|vbproj|sln|slnx|props|targets) | [Nn]u[Gg]et\.[Cc]onfig
          | packages\.lock\.json | global\.json | \.tool-versions | mise\.toml
        )$",
    )
});

/// Whether `command` runs code of the project itself, by a script, a make target or a manager's own hooks: then any
/// file may have a say in what it does. `exists` tells of paths from the root, `read` reads them.
pub(crate) fn runs_project_code(
    command: &str,
    exists: impl Fn(&str) -> bool,
    read: impl Fn(&str) -> Option<String>,
) -> bool {
    let words =
        || command.split(|c: char| c.is_whitespace() || "&|;()<>\"'`=".contains(c)).filter(|w| !w.is_empty());
    let isolated = command.matches("python3 -I ").count() + command.matches("python -I ").count();
    let pythons = words().filter(|word| ["python", "python3"].contains(word)).count();
    let runner = |word: &str| RUNNERS.contains(&word);
    let named = |word: &str| {
        let path = word.strip_prefix("./").unwrap_or(word);
        exists(path) && !is_manifest(path)
    };
    let uses = |tools: &[&str]| words().any(|word| tools.contains(&word));
    let text = |path: &str| read(path).unwrap_or_default();
    let local = |line: &str| line.starts_with(['.', '/']) || line.starts_with("-e") || line.contains("file:");
    pythons > isolated
        || words().any(|word| runner(word) || named(word))
        || (uses(&["npm", "pnpm", "yarn", "bun"]) && has_hooks(&text("package.json")))
        || (uses(&["pip", "uv", "poetry"]) && exists("setup.py"))
        || (uses(&["pip"]) && REQUIREMENTS.iter().any(|list| text(list).lines().map(str::trim).any(local)))
        || (uses(&["composer"]) && text("composer.json").contains("\"scripts\""))
        || (uses(&["bundle"]) && GEMFILE.is_match(&text("Gemfile")))
}

/// A Gemfile that goes on elsewhere.
static GEMFILE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"eval_gemfile|require_relative|instance_eval|\bload\b|\bpath:|gemspec"));

/// Programs that run what the project says.
const RUNNERS: &[&str] = &[
    "make",
    "gmake",
    "just",
    "task",
    "rake",
    "invoke",
    "nox",
    "tox",
    "run",
    "exec",
    "npx",
    "sh",
    "bash",
    "node",
    "gradle",
    "./gradlew",
    "mix",
    "docker",
    "source",
    ".",
    "-e",
];

/// Whether a `package.json` has scripts that an installation runs.
fn has_hooks(package: &str) -> bool {
    let Ok(package) = serde_json::from_str::<serde_json::Value>(package) else { return !package.is_empty() };
    let hooks =
        ["preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare", "prepublish"];
    package.get("workspaces").is_some()
        || hooks.iter().any(|hook| package.pointer(&format!("/scripts/{hook}")).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files with their content; command, command after a change, and mark.
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<(&'a str, &'a str, &'a str)>);

    const PIP: &str = "python3 -I -m venv --clear --system-site-packages .venv && .venv/bin/python -I -m pip install --disable-pip-version-check -r requirements.txt";

    #[test]
    fn detection_table() {
        let table: &[Row<'_>] = &[
            (&[], None),
            (&[("package.json", "{}")], None),
            (&[("Cargo.toml", "")], None),
            (&[("go.mod", "")], None),
            (&[("pom.xml", "")], None),
            (&[("app/package-lock.json", "{}")], None),
            (&[("package-lock.json", "{}")], Some(("npm ci", "npm install", "package-lock.json"))),
            (&[("npm-shrinkwrap.json", "{}")], Some(("npm ci", "npm install", "npm-shrinkwrap.json"))),
            (
                &[("package-lock.json", "{}"), ("pnpm-lock.yaml", "")],
                Some((
                    "pnpm install --frozen-lockfile",
                    "pnpm install --no-frozen-lockfile",
                    "pnpm-lock.yaml",
                )),
            ),
            (
                &[("yarn.lock", "# yarn lockfile v1\n")],
                Some(("yarn install --frozen-lockfile", "yarn install", "yarn.lock")),
            ),
            (
                &[("yarn.lock", "__metadata:\n  version: 8\n")],
                Some(("yarn install --immutable", "yarn install --no-immutable", "yarn.lock")),
            ),
            (
                &[("yarn.lock", ""), (".yarnrc.yml", "")],
                Some(("yarn install --immutable", "yarn install --no-immutable", "yarn.lock")),
            ),
            (&[("uv.lock", ""), ("requirements.txt", "")], Some(("uv sync --locked", "uv sync", "uv.lock"))),
            (&[("poetry.lock", "")], Some((POETRY, POETRY_UPDATE, "poetry.lock"))),
            (&[("requirements.txt", "")], Some((PIP, PIP, "requirements.txt"))),
            (&[("requirements-dev.txt", "")], None),
            (&[("Cargo.lock", "")], Some(("cargo fetch --locked", "cargo fetch", "Cargo.lock"))),
            (&[("go.sum", "")], Some(("go mod download", "go mod download all", "go.sum"))),
            (&[("Gemfile.lock", "")], Some((BUNDLE, BUNDLE, "Gemfile.lock"))),
            (
                &[("packages.lock.json", "")],
                Some((
                    "dotnet restore --locked-mode",
                    "dotnet restore --force-evaluate",
                    "packages.lock.json",
                )),
            ),
            (
                &[("package-lock.json", "{}"), ("go.sum", "")],
                Some((
                    "npm ci && go mod download",
                    "npm install && go mod download all",
                    "package-lock.json, go.sum",
                )),
            ),
        ];
        for (files, expected) in table {
            let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
            let read =
                |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
            let found = detect(&names, read);
            let found = found.as_ref().map(|s| (s.command.as_str(), s.update.as_str(), s.because.as_str()));
            assert_eq!(found, *expected, "{files:?}");
        }
        let both = ["requirements.txt", "requirements-dev.txt"].map(str::to_owned);
        assert_eq!(detect(&both, |_| None).unwrap().command, format!("{PIP} -r requirements-dev.txt"));
    }

    #[test]
    fn what_has_a_say_in_a_setup() {
        for (path, manifest) in [
            ("package.json", true),
            ("packages/a/package.json", true),
            ("node_modules/a/package.json", false),
            ("requirements.txt", true),
            ("requirements/dev.txt", true),
            ("dev-requirements.in", true),
            ("docs/requirements.md", false),
            (".npmrc", true),
            ("go.sum", true),
            ("src/Shop.csproj", true),
            ("build.gradle.kts", true),
            ("buildSrc/src/main/kotlin/x.kt", true),
            ("src/build.py", false),
            ("src/package.jsonx", false),
            ("README.md", false),
            ("greet.sh", false),
        ] {
            assert_eq!(is_manifest(path), manifest, "{path}");
        }
    }

    #[test]
    fn a_setup_that_runs_the_projects_own_code_is_known() {
        let exists = |path: &str| ["scripts/deps.sh", "requirements.txt", "package.json"].contains(&path);
        for (command, package, runs) in [
            ("npm ci", r#"{"scripts":{"test":"jest"}}"#, false),
            ("npm ci", r#"{"scripts":{"postinstall":"node x.js"}}"#, true),
            ("npm ci", r#"{"workspaces":["a"]}"#, true),
            ("npm ci", "no JSON", true),
            ("npm ci", "", false),
            ("pip install -r requirements.txt", "", false),
            ("pip install -e .", "", true),
            ("./scripts/deps.sh", "", true),
            ("cd x && make deps", "", true),
            ("cargo fetch --locked", "", false),
            ("npm run setup", "", true),
        ] {
            let read = |_: &str| Some(package.to_owned());
            assert_eq!(runs_project_code(command, exists, read), runs, "{command} {package}");
        }
        assert!(!runs_project_code(PIP, exists, |_| Some("flask==3\n".to_owned())));
        assert!(runs_project_code(PIP, exists, |_| Some("-e .\n".to_owned())));
        assert!(runs_project_code("python3 tools/deps.py", exists, |_| None));
    }
}
