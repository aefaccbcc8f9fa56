//! Shell scripts of pipelines, read line by line: which commands run tests, and which of them cannot fail the script.
//!
//! Reads the plain shapes of shell that pipelines use; what it cannot follow it does not judge.

use std::sync::LazyLock;

use regex::Regex;

use crate::evidence::pattern;

/// How the script's shell treats failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shell {
    /// A failing command ends the script.
    pub errexit: bool,
    /// A failing command fails its pipe.
    pub pipefail: bool,
}

/// A test command whose failure is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Swallowed {
    /// The command as it stands in the script.
    pub command: String,
    /// What loses the failure, in words.
    pub how: String,
}

impl Swallowed {
    /// The command for a report: short, and without the assignments before it, whose values are nobody's business.
    pub(super) fn shown(&self) -> String {
        shown(&self.command)
    }
}

/// A command for a report: one line, without assignments before it.
pub(super) fn shown(command: &str) -> String {
    const LONGEST: usize = 80;
    let command = command.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = ASSIGNMENTS.find(&command).map_or(0, |m| m.end());
    let command = &command[start..];
    let end = command.floor_char_boundary(LONGEST);
    if end < command.len() { format!("{}…", &command[..end]) } else { command.to_owned() }
}

/// A command of a script, and the operator before and after it (`""` at the ends of a line).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub before: &'static str,
    pub command: String,
    pub after: &'static str,
}

/// The logical lines of a script: continuations joined, comments and bodies of here-documents left out.
pub(super) fn lines(script: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    let mut until: Option<String> = None;
    for raw in script.lines() {
        if let Some(end) = &until {
            if raw.trim() == end {
                until = None;
            }
            continue;
        }
        let line = uncommented(raw);
        let (line, continues) = match line.trim_end().strip_suffix('\\') {
            Some(start) => (start.trim().to_owned(), true),
            None => (line.trim().to_owned(), false),
        };
        if let Some(c) = HERE.captures(&line) {
            until = Some(c[1].to_owned());
        }
        match lines.last_mut() {
            Some(last) if open => {
                last.push(' ');
                last.push_str(&line);
            }
            _ if line.is_empty() => {}
            _ => lines.push(line),
        }
        open = continues && until.is_none();
    }
    lines
}

/// The commands of one logical line, split at operators outside of quotes and brackets.
pub(super) fn parts(line: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut before = "";
    let mut command = String::new();
    let mut quote: Option<char> = None;
    let mut depth = 0_usize;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let operator = match (quote, c) {
            (_, '\\') => {
                command.push(c);
                command.extend(chars.next());
                continue;
            }
            (Some(q), _) => {
                quote = (q != c).then_some(q);
                ""
            }
            (None, '\'' | '"' | '`') => {
                quote = Some(c);
                ""
            }
            (None, '(' | '{') => {
                depth += 1;
                ""
            }
            (None, ')' | '}') => {
                depth = depth.saturating_sub(1);
                ""
            }
            (None, '&') if depth == 0 && chars.next_if_eq(&'&').is_some() => "&&",
            (None, '|') if depth == 0 && chars.next_if_eq(&'|').is_some() => "||",
            (None, '|') if depth == 0 => "|",
            (None, ';') if depth == 0 => ";",
            _ => "",
        };
        if operator.is_empty() {
            command.push(c);
            continue;
        }
        parts.push(Part { before, command: command.trim().to_owned(), after: operator });
        before = operator;
        command.clear();
    }
    parts.push(Part { before, command: command.trim().to_owned(), after: "" });
    parts
}

/// Whether `command` runs tests.
pub(super) fn is_test(command: &str) -> bool {
    let command = bare(command);
    TEST.is_match(command) && !NOT_RUN.is_match(command)
}

/// Whether any command of `script` runs tests.
pub(super) fn has_test(script: &str) -> bool {
    lines(script).iter().any(|line| parts(line).iter().any(|part| is_test(&part.command)))
}

/// The test commands of `script` whose failure does not fail it.
pub(super) fn swallowed(script: &str, mut shell: Shell) -> Vec<Swallowed> {
    let lines = lines(script);
    let reads_status = script.contains("$?") || script.contains("PIPESTATUS") || script.contains("${?}");
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let parts = parts(line);
        for (at, part) in parts.iter().enumerate() {
            if let Some(c) = SET.captures(&part.command) {
                set(&mut shell, &c[1], c.get(2).map_or("", |m| m.as_str()));
                continue;
            }
            if !is_test(&part.command) || part.before == "|" {
                continue;
            }
            let last = index + 1 == lines.len();
            if let Some(how) = loss(&parts, at, last, shell, reads_status) {
                found.push(Swallowed { command: part.command.clone(), how });
            }
        }
    }
    found
}

/// What loses the failure of the command at `at`.
fn loss(parts: &[Part], at: usize, last: bool, shell: Shell, reads_status: bool) -> Option<String> {
    let rest = &parts[at + 1..];
    match parts[at].after {
        "||" => {
            let right = rest.first()?;
            let ends = rest.len() == 1 || rest.len() == 2 && rest[1].command.is_empty();
            let swallows = HARMLESS.is_match(&right.command) && (ends || right.command == "true");
            swallows.then(|| format!("`|| {}` hides its failure", right.command))
        }
        "|" if !shell.pipefail && !reads_status => {
            let right = &rest.first()?.command;
            Some(format!("without `pipefail` the pipe into `{}` hides its failure", first_word(right)))
        }
        _ if shell.errexit || reads_status => None,
        after => {
            let last = last && rest.iter().all(|p| p.command.is_empty());
            match (after, rest.first()) {
                (";", Some(right)) if HARMLESS.is_match(&right.command) => {
                    Some(format!("`; {}` hides its failure", right.command))
                }
                _ if last || matches!(after, "&&" | "|" | "||") => None,
                _ => Some("after `set +e` its failure is not looked at".to_owned()),
            }
        }
    }
}

fn set(shell: &mut Shell, flags: &str, option: &str) {
    let on = flags.starts_with('-');
    if flags.contains('e') || option == "errexit" {
        shell.errexit = on;
    }
    if option == "pipefail" {
        shell.pipefail = on;
    }
}

/// The command without what only starts it: assignments, `sudo`, `poetry run`, …
fn bare(command: &str) -> &str {
    let command = command.trim_start_matches(['@', '-', '+', ' ']);
    LAUNCHER.find(command).map_or(command, |m| &command[m.end()..])
}

fn first_word(command: &str) -> &str {
    command.split_whitespace().next().unwrap_or_default()
}

/// The line up to a comment.
fn uncommented(line: &str) -> &str {
    let mut quote: Option<char> = None;
    let mut previous = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(q), _) if q == c && previous != '\\' => quote = None,
            (None, '\'' | '"') if previous != '\\' => quote = Some(c),
            (None, '#') if previous.is_whitespace() => return &line[..at],
            _ => {}
        }
        previous = c;
    }
    line
}

static ASSIGNMENTS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:[A-Za-z_]\w*=(?:'[^']*'|\x22[^\x22]*\x22|\S*)\s+)+"));
static HERE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"<<-?\s*['"]?([A-Za-z_]\w*)['"]?"#));
static SET: LazyLock<Regex> = LazyLock::new(|| pattern(r"^set\s+([-+][a-zA-Z]*)(?:\s+(pipefail|errexit))?"));
/// Commands that always succeed.
static HARMLESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"^(?:/bin/true|true|:|exit\s+0|echo(?:\s+(?:"[^"$`]*"|'[^']*'|[\w .,!:-]*))?)$"#)
});

static LAUNCHER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^(?: [A-Za-z_]\w*=(?:'[^']*'|\x22[^\x22]*\x22|\S*)\s+
            | (?:sudo|time|env|command|exec|nice|npx|pnpx|bunx|xvfb-run|pipenv\s+run|poetry\s+run|hatch\s+run|pdm\s+run
              | rye\s+run|uv\s+run|uvx|bundle\s+exec|pnpm\s+exec|yarn\s+exec|npm\s+exec|timeout\s+\S+)\s+(?:--?[\w-]+(?:=\S+)?\s+)*
            | docker(?:-compose|\s+compose)\s+(?:-\S+\s+)*(?:run|exec)\s+(?:-\S+\s+)*[\w-]+\s+ )+",
    )
});

static TEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^(?:
            (?:python[\d.]*\s+-m\s+)?(?:pytest|py\.test|unittest|nose2|tox|nox|coverage\s+run)\b
          | (?:cargo|cross)\s+(?:\+\S+\s+)?(?:test|nextest\s+run|llvm-cov|tarpaulin|miri\s+test)\b
          | go\s+test\b | gotestsum\b | ginkgo\b
          | (?:npm|pnpm|yarn|bun)\s+(?:--?\S+\s+)*(?:run\s+)?(?:t|tst|test)(?:[:\s]|$)
          | (?:jest|vitest|mocha|ava|karma|playwright\s+test|cypress\s+run|ng\s+test)\b
          | (?:\./)?mvnw?\s(?:.*\s)?(?:test|verify)\b
          | (?:\./)?gradlew?\s(?:.*[\s:])?(?:test|check)\b
          | dotnet\s+(?:test|vstest)\b
          | (?:make|gmake|just|task)\s+(?:\S+\s+)*(?:tests?|check|unit-?tests?|integration-?tests?|e2e)(?:\s|$)
          | (?:bin/)?(?:rspec|rails\s+(?:test|spec)|rake\s+(?:test|spec))\b
          | (?:php\s+)?(?:\./)?(?:vendor/bin/|bin/)?(?:phpunit|pest|artisan\s+test)\b | composer\s+(?:run\s+|run-script\s+)?tests?\b
          | ctest\b | mix\s+test\b | (?:bazel|bazelisk)\s+test\b | swift\s+test\b | (?:flutter|dart)\s+test\b
          | (?:sbt|lein|stack|cabal|zig\s+build|meson|deno|bun)\s+(?:\S+\s+)*test\b | bats\b | prove\b | busted\b
          | (?:ba|z|da)?sh\s+(?:-\S+\s+)*(?:\S*/)?(?:run[-_])?tests?(?:\.sh)?(?:\s|$)
          | (?:\./|\S*/)(?:run[-_])?tests?(?:\.sh|\.py)?(?:\s|$)
        )",
    )
});
/// Test commands that run no test.
static NOT_RUN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"--(?:version|help|no-run|collect-only|co|list|dry-run)\b|-DskipTests|-x\s+test|--install")
});

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Shell = Shell { errexit: true, pipefail: true };
    const GITHUB: Shell = Shell { errexit: true, pipefail: false };
    const PLAIN: Shell = Shell { errexit: false, pipefail: false };

    #[test]
    fn test_commands_are_known() {
        for (command, test) in [
            ("pytest -v", true),
            ("python -m pytest", true),
            ("python3.12 -m unittest discover", true),
            ("poetry run pytest", true),
            ("uv run --frozen pytest", true),
            ("PYTHONPATH=. pytest", true),
            ("xvfb-run -a npm test", true),
            ("npm run test:unit", true),
            ("npm t", true),
            ("yarn --silent test", true),
            ("cargo +nightly test --all", true),
            ("cargo nextest run", true),
            ("go test ./...", true),
            ("./gradlew clean test", true),
            ("./gradlew :app:check", true),
            ("mvn -B verify", true),
            ("make -j4 check", true),
            ("sh test.sh", true),
            ("./scripts/test.sh", true),
            ("docker compose run --rm web pytest", true),
            ("docker-compose exec -T web pytest", true),
            ("pip install pytest", false),
            ("cargo test --no-run", false),
            ("mvn -DskipTests verify", false),
            ("npm run build", false),
            ("echo pytest", false),
            ("which pytest", false),
            ("pytest --version", false),
            ("make testdata", false),
            ("cargo build", false),
            ("test -f x", false),
            ("npm install --save-dev jest", false),
            ("rm -rf ./test", false),
        ] {
            assert_eq!(is_test(command), test, "{command}");
        }
    }

    #[test]
    fn reports_show_no_assignments() {
        for (command, expected) in [
            ("pytest  -v", "pytest -v"),
            ("KEY=abc123 URL='a b' pytest", "pytest"),
            (&format!("pytest {}", "ż".repeat(90)), &format!("pytest {}…", "ż".repeat(36))),
        ] {
            assert_eq!(shown(command), expected);
        }
    }

    #[test]
    fn lost_failures_are_found() {
        for (script, shell, lost) in [
            ("pytest || true", STRICT, true),
            ("pytest ||  :", STRICT, true),
            ("pytest || exit 0", STRICT, true),
            ("pytest || echo \"tests failed\"", STRICT, true),
            ("pytest \\\n  -x || true", STRICT, true),
            ("cd web && npm test || true", STRICT, true),
            ("pytest || exit 1", STRICT, false),
            ("pytest || rc=$?", STRICT, false),
            ("pytest || { echo failed; exit 1; }", STRICT, false),
            ("pytest || (echo failed && exit 1)", STRICT, false),
            ("pytest || echo failed && exit 1", STRICT, false),
            ("pytest", STRICT, false),
            ("pytest && echo ok", STRICT, false),
            ("pytest # || true", STRICT, false),
            ("rm -f x || true\npytest", STRICT, false),
            ("pytest | tee log", GITHUB, true),
            ("pytest | tee log", STRICT, false),
            ("set -o pipefail\npytest | tee log", GITHUB, false),
            ("set -euo pipefail\npytest | tee log", GITHUB, false),
            ("pytest | tee log\nexit ${PIPESTATUS[0]}", GITHUB, false),
            ("pytest | tee log; exit ${PIPESTATUS[0]}", GITHUB, false),
            ("pytest; exit 0", STRICT, false),
            ("pytest; exit 0", PLAIN, true),
            ("set +e\npytest\nexit 0", STRICT, true),
            ("set +e\npytest\ncat log", STRICT, true),
            ("set +e\npytest", STRICT, false),
            ("set +e\npytest\nrc=$?\nset -e\nexit $rc", STRICT, false),
            ("set +e\nfoo\nset -e\npytest\ncat log", STRICT, false),
            ("if pytest; then echo ok; fi", STRICT, false),
            ("cat <<EOF\npytest || true\nEOF\npytest", STRICT, false),
            ("echo 'pytest || true'", STRICT, false),
        ] {
            assert_eq!(!swallowed(script, shell).is_empty(), lost, "{script:?}");
        }
    }
}
