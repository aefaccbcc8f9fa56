//! The script that the test command starts, and the targets of Makefiles that test.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::super::patterns::{cleans_up, swallows};
use super::super::{Changed, Look, Sign, added, quoted};
use super::{CHANGE, SETTING, sign};
use crate::evidence::pattern;

/// Whether `path` is a script that one of `commands` starts by its path, like `sh test.sh`.
pub(crate) fn is_script_of(commands: &[String], path: &str) -> bool {
    let named =
        |word: &str| word.trim_matches(['"', '\'', ';', '(', ')', '{', '}']).trim_start_matches("./") == path;
    let script = path.rsplit('/').next().is_some_and(|name| !name.contains("test_"));
    script && words(commands).any(named)
}

pub(super) fn signs(look: &Look<'_>, file: &Changed) -> Vec<Sign> {
    if is_script_of(look.commands, &file.path) {
        return of_script(file);
    }
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let make = ["Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", ".justfile"].contains(&name);
    if make || name.ends_with(".mk") { of_makefile(look, file) } else { vec![] }
}

static STRICT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^\s*(?:set\s+-\w*e|set\s+-o\s+(?:errexit|pipefail)|exit\s+["']?\$|exit\s+[1-9]|sys\.exit\(\s*[^0)\s]|process\.exit\(\s*[^0)\s]|raise\s+SystemExit\(\s*[^0)\s])|\|\|\s*exit\s+[1-9]"#,
    )
});

fn of_script(file: &Changed) -> Vec<Sign> {
    let Some(after) = file.after.as_deref() else {
        return vec![sign(file, SETTING, None, "the script of the test command is gone".into(), true)];
    };
    let mut signs = Vec::new();
    for (number, line) in added(file.before.as_deref(), after) {
        if swallows(line) && !cleans_up(line) && !line.trim_start().starts_with('#') && !line.contains("echo")
        {
            let what = format!("{} hides that a test failed", quoted(line));
            signs.push(sign(file, SETTING, Some(number), what, true));
        }
    }
    let strict = |text: &str| text.lines().filter(|line| STRICT.is_match(line)).count();
    if let Some(before) = file.before.as_deref()
        && strict(after) < strict(before)
    {
        let lost = before.lines().find(|line| STRICT.is_match(line) && !after.contains(line.trim()));
        let what = format!("{} is gone, so a failing test may go unseen", quoted(lost.unwrap_or("exit")));
        signs.push(sign(file, SETTING, Some(1), what, true));
    }
    signs
}

static TARGET: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([\w./-]+)(?:\s+[\w./-]+)*\s*:(?:[^=]|$)"));

fn of_makefile(look: &Look<'_>, file: &Changed) -> Vec<Sign> {
    let Some(after) = file.after.as_deref() else { return vec![] };
    let lines: Vec<&str> = after.lines().collect();
    let made = look.commands.iter().filter(|command| MAKES.is_match(command));
    let asked: BTreeSet<&str> = made.flat_map(|command| command.split_whitespace()).collect();
    let told = |target: &str| asked.contains(target);
    let before = file.before.as_deref().unwrap_or_default();
    let had: BTreeSet<String> =
        before.lines().filter_map(|line| TARGET.captures(line)).map(|c| c[1].to_lowercase()).collect();
    let needs = lines.iter().filter(|line| TARGET.is_match(line)).filter_map(|line| line.split_once(':'));
    let needed: BTreeSet<String> =
        needs.flat_map(|(_, rest)| rest.split_whitespace().map(str::to_lowercase)).collect();
    let mut signs = Vec::new();
    for (number, target) in idle_targets(&lines) {
        let does_something = |before: &str| {
            let before: Vec<&str> = before.lines().collect();
            !idle_targets(&before).iter().any(|(_, idle)| *idle == target)
        };
        if told(&target) && file.before.as_deref().is_none_or(does_something) {
            let what = format!("target {target} does nothing, though its success is asked for");
            signs.push(sign(file, SETTING, Some(number), what, true));
        }
    }
    for (number, line) in added(file.before.as_deref(), after) {
        if line.starts_with(".IGNORE") {
            signs.push(sign(
                file,
                SETTING,
                Some(number),
                format!("{} hides that a test failed", quoted(line)),
                true,
            ));
            continue;
        }
        let at = number as usize - 1;
        let target =
            lines[..at].iter().rev().find_map(|line| TARGET.captures(line)).map(|c| c[1].to_lowercase());
        let tests =
            |target: &str| told(target) || target.contains("test") || target == "check" || target == "ci";
        let Some(target) = target.filter(|target| line.starts_with([' ', '\t']) && tests(target)) else {
            continue;
        };
        let command = line.trim_start();
        let bare = command.trim_start_matches(['@', '-', '+', ' ']);
        let dashed = bare.len() < command.len() && command[..command.len() - bare.len()].contains('-');
        let hidden = dashed && !PUTS_AWAY.is_match(bare) || swallows(command) && !cleans_up(bare);
        // A new target takes nothing away from those that were there, unless they need it.
        if !told(&target) && !had.contains(&target) && !needed.contains(&target) {
            continue;
        }
        if hidden || NARROW.is_match(command) {
            let what =
                format!("{} of target {target} collects less or hides that a test failed", quoted(line));
            signs.push(sign(file, SETTING, Some(number), what, true));
        } else if file.before.is_some() {
            let what = format!("{} of target {target} is new", quoted(line));
            signs.push(sign(file, CHANGE, Some(number), what, false));
        }
    }
    signs
}

static PUTS_AWAY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(?:\$\((?:RM|MKDIR)\w*\)|(?:rm|rmdir|mkdir|kill|docker|podman|touch)\b)[^;&|]*$")
});

static MAKES: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(?:g?make|just)\b"));

/// Targets with commands of which none does anything, and their lines.
fn idle_targets(lines: &[&str]) -> Vec<(u32, String)> {
    let mut idle = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(target) = TARGET.captures(line).map(|c| c[1].to_lowercase()) else { continue };
        let needs_another =
            line.split_once(':').is_some_and(|(_, rest)| rest.contains(|c: char| c.is_alphanumeric()));
        let commands = || lines[at + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
        if !needs_another && commands().next().is_some() && commands().all(|line| does_nothing(line)) {
            idle.push((u32::try_from(at + 1).unwrap_or(u32::MAX), target));
        }
    }
    idle
}

/// Whether a command succeeds whatever there is to see.
pub(super) fn does_nothing(command: &str) -> bool {
    IDLE.is_match(command)
}

static IDLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^[\s@+-]*(?:(?:true|:|exit\s+0|(?:echo|printf)\b[^|&;$`]*)\s*(?:;|&&)?\s*)*(?:#.*)?$")
});

fn words(commands: &[String]) -> impl Iterator<Item = &str> {
    commands.iter().flat_map(|command| command.split_whitespace())
}

/// Options by which a runner runs fewer tests, or none.
pub(super) static NARROW: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)(?:^|[\s'\x22=,\[]) (?: --ignore(?:-glob)?\b | --deselect\b | -k[\s='\x22] | --co(?:llect-only)?\b | --no-run\b | --passWithNoTests | --pass-with-no-tests
          | --testPathIgnorePatterns | --testNamePattern | --exclude\b | --skip\b | --grep\b | --list\b | --dry-run\b | --help\b | --version\b
          | -DskipTests\b | -Dmaven\.test\.skip\b | -Dmaven\.test\.failure\.ignore | --continue-on-error | --suppress-no-test-exit-code | --no-tests=(?:pass|warn) | --pass-on-failing-test-suite | --fail-zero=false | --fgrep\b | --invert\b | --testPathIgnore | --onlyChanged\b | --changedSince | --changed\b | --shard\b | --reruns\b | --retr(?:y|ies)\b | --flake-finder | -run[\s=] | -skip[\s=] | -x\s+test\b )",
    )
});
