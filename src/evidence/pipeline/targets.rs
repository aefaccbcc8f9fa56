//! `make` and `just` as CI calls them: every target that is named must exist.
//!
//! A call whose folder, file or target cannot be told from the text is not judged.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::Commit;
use super::flaw::{Family, Flaw, Found};
use super::github::{jobs, steps};
use super::gitlab;
use super::kinds::Kind;
use super::makefiles::{join, just_recipes, make_targets};
use super::script::{lines, parts, shown};
use super::source::{Source, entry, get, items, line, text, text_at};
use crate::evidence::pattern;

/// Checks every call in a workflow, an action or a GitLab file.
pub(super) fn check(source: &Source<'_>, commit: &Commit, found: &mut Found) {
    for script in scripts(source) {
        for call in calls(&script) {
            judge(source, &script, &call, commit, found);
        }
    }
}

/// A script of a pipeline: where it starts, in which folder, and its text.
struct Script {
    line: u32,
    folder: String,
    text: String,
}

/// A call of `make` or `just`.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    tool: Tool,
    folder: String,
    /// `-f FILE`.
    file: Option<String>,
    targets: Vec<String>,
    /// The command as it stands in the script.
    command: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Make,
    Just,
}

fn judge(source: &Source<'_>, script: &Script, call: &Call, commit: &Commit, found: &mut Found) {
    let folder =
        if call.folder.is_empty() { script.folder.clone() } else { join(&script.folder, &call.folder) };
    let folder = folder.trim_start_matches("./").trim_end_matches(['/', '.']).to_owned();
    if folder.contains("..") || folder.contains('$') {
        return;
    }
    let (path, targets) = match call.tool {
        Tool::Make => {
            let names =
                call.file.as_ref().map_or(vec!["GNUmakefile", "makefile", "Makefile"], |f| vec![f.as_str()]);
            let Some(path) = names.iter().map(|n| join(&folder, n)).find(|p| commit.paths.contains(p)) else {
                return missing_makefile(source, script, call, &folder, commit, found);
            };
            (path.clone(), make_targets(&path, &commit.files))
        }
        Tool::Just => {
            let names =
                call.file.as_ref().map_or(vec!["justfile", "Justfile", ".justfile"], |f| vec![f.as_str()]);
            let above = std::iter::successors(Some(folder.as_str()), |f| {
                (!f.is_empty()).then(|| f.rsplit_once('/').map_or("", |(up, _)| up))
            });
            let mut paths = above.flat_map(|f| names.iter().map(move |n| join(f, n)));
            let Some(path) = paths.find(|p| commit.paths.contains(p)) else { return };
            (path.clone(), just_recipes(&path, &commit.files))
        }
    };
    found.look(Family::Targets, source.path);
    for target in &call.targets {
        if targets.may_have(target) || is_file(target, &folder, &commit.paths) {
            continue;
        }
        let at = source.line_of(&call.command, script.line);
        let what = format!(
            "`{}` calls `{target}`, which {path} does not have. Add it or fix the call",
            shown(&call.command)
        );
        let flaw = Flaw::new(Family::Targets, source.path, at, what);
        found.add(flaw.or_removed(&path, format!("{target}:")).or_removed(&path, format!("{target} ")));
    }
}

/// `make` where nothing could have made a Makefile.
fn missing_makefile(
    source: &Source<'_>,
    script: &Script,
    call: &Call,
    folder: &str,
    commit: &Commit,
    found: &mut Found,
) {
    let sources = [
        "configure",
        "configure.ac",
        "CMakeLists.txt",
        "Makefile.in",
        "Makefile.am",
        "Makefile.PL",
        "meson.build",
    ];
    let made = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        sources.contains(&name) || name.ends_with(".pro") || name == "extconf.rb"
    };
    let elsewhere = MAKES_FILES.is_match(source.text) || commit.paths.iter().any(made);
    if elsewhere || call.targets.is_empty() || call.file.is_some() {
        return;
    }
    let at = source.line_of(&call.command, script.line);
    let place = if folder.is_empty() { "the root".to_owned() } else { folder.to_owned() };
    let what =
        format!("`{}` has no Makefile to read in {place}. Add one or fix the call", shown(&call.command));
    found.add(Flaw::new(Family::Targets, source.path, at, what).or_removed(&join(folder, "Makefile"), ""));
}

/// Whether the target is a file of the commit, or a program that make knows how to build from one. A folder, or a
/// script of that name, is no target that does anything.
fn is_file(target: &str, folder: &str, paths: &BTreeSet<String>) -> bool {
    const COMPILED: [&str; 8] = ["c", "cc", "cpp", "C", "s", "S", "f", "p"];
    let path = join(folder, target);
    let has = |path: &str| paths.contains(path);
    target.contains('/')
        || target.ends_with(".o")
        || has(&path)
        || COMPILED.iter().any(|end| has(&format!("{path}.{end}")))
}

fn scripts(source: &Source<'_>) -> Vec<Script> {
    let Some(root) = &source.yaml else { return vec![] };
    let mut found = Vec::new();
    match source.kind {
        Kind::Workflow => {
            let default = |node| {
                get(node, "defaults")
                    .and_then(|d| get(d, "run"))
                    .and_then(|r| text_at(r, "working-directory"))
            };
            for job in jobs(root) {
                let steps = steps(&job.node);
                // Another repository's checkout may bring the Makefile.
                let foreign = steps.iter().any(|s| {
                    s.uses().is_some_and(|u| u.starts_with("actions/checkout"))
                        && get(s.node, "with")
                            .is_some_and(|w| entry(w, "repository").is_some() || entry(w, "path").is_some())
                });
                for step in steps.iter().filter(|_| !foreign) {
                    let Some(run) = entry(step.node, "run") else { continue };
                    let folder = text_at(step.node, "working-directory")
                        .or_else(|| default(&job.node))
                        .or_else(|| default(root));
                    found.extend(text(&run.node).map(|t| Script {
                        line: line(run.line),
                        folder: folder.unwrap_or_default().trim_start_matches("./").to_owned(),
                        text: t.to_owned(),
                    }));
                }
            }
        }
        Kind::GitLab | Kind::Component => {
            for job in gitlab::jobs(root) {
                for key in ["before_script", "script", "after_script"] {
                    let Some(own) = entry(&job.node, key) else { continue };
                    let parts = items(&own.node).iter().filter_map(text).chain(text(&own.node));
                    let text = parts.collect::<Vec<_>>().join("\n");
                    found.push(Script { line: line(own.line), folder: String::new(), text });
                }
            }
        }
        _ => {}
    }
    found
}

/// The calls of a script. A script that changes its folder, clones or generates is not followed.
fn calls(script: &Script) -> Vec<Call> {
    let mut found = Vec::new();
    for line in lines(&script.text) {
        for part in parts(&line) {
            if MOVES.is_match(&part.command) {
                return found;
            }
            found.extend(call(&part.command));
        }
    }
    found
}

fn call(command: &str) -> Option<Call> {
    let c = CALL.captures(command)?;
    let tool = if &c[1] == "just" { Tool::Just } else { Tool::Make };
    let mut call =
        Call { tool, folder: String::new(), file: None, targets: vec![], command: command.to_owned() };
    let rest = command[c.get(0)?.end()..].replace('\n', " ");
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "-C" | "--directory" | "-d" | "--working-directory" => words.next()?.clone_into(&mut call.folder),
            "-f" | "--file" | "--makefile" | "--justfile" => call.file = Some(words.next()?.to_owned()),
            "-j" | "-l" | "-k" | "-O" | "-I" | "-o" | "-W" => {
                // Whether a number follows cannot be told without make's own rules.
                if word == "-I" || word == "-o" || word == "-W" {
                    words.next()?;
                }
            }
            "--" => {}
            word if word.starts_with("-C") => word[2..].clone_into(&mut call.folder),
            word if word.starts_with('-') && tool == Tool::Just => return None,
            word if word.starts_with("--directory=") || word.starts_with("--file=") => return None,
            word if word.starts_with('-') => {}
            word if word.starts_with(['>', '<', '2', '&', '#', '|', ')', '(']) => break,
            word if word.contains(['$', '"', '\'', '*', '`', '{', '%']) && !word.contains('=') => {
                return None;
            }
            word if word.contains('=') => {
                // A quoted value with blanks would read as targets.
                if word.matches(['"', '\'']).count() % 2 == 1 {
                    return None;
                }
            }
            word if word.chars().all(|c| c.is_ascii_digit()) => {}
            word => {
                call.targets.push(word.to_owned());
                // What follows a recipe may be its arguments.
                if tool == Tool::Just {
                    break;
                }
            }
        }
    }
    Some(call)
}

static CALL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[A-Za-z_]\w*=(?:'[^']*'|\x22[^\x22]*\x22|\S*)\s+)*(?:(?:sudo|time|env)\s+(?:-\S+\s+)*)*(make|gmake|just)(?:\s+|$)",
    )
});
/// Commands after which the folder or its files are not those of the commit.
static MOVES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[A-Za-z_]\w*=\S*\s+)*(?:cd|pushd|popd|git\s+clone|git\s+checkout|git\s+switch|tar|unzip|cmake|qmake|meson|docker|podman|ssh|(?:\S*/)?(?:configure|autogen\.sh|bootstrap))\b|^[({]\s*cd\b|curl|wget",
    )
});
/// Ways in which a pipeline gets a Makefile that is not in the commit.
static MAKES_FILES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"git clone|cmake|configure|qmake|autogen|Makefile\.PL|repository:|curl|wget|download|artifact|sphinx-quickstart|extconf",
    )
});

/// Names of the files that decide on `make`'s calls, for those who gather a commit's texts.
pub(super) fn is_include(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("Makefile")
        || name.starts_with("makefile")
        || name.ends_with(".make")
        || name.ends_with(".mak")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_carefully() {
        let targets = |script: &str| -> Vec<String> {
            let script = Script { line: 1, folder: String::new(), text: script.to_owned() };
            calls(&script).into_iter().flat_map(|c| c.targets).collect()
        };
        for (script, expected) in [
            ("make test", vec!["test"]),
            ("make -j 4 lint test V=1", vec!["lint", "test"]),
            ("CC=clang make check", vec!["check"]),
            ("sudo -E make install", vec!["install"]),
            ("make -C web build", vec!["build"]),
            ("pip install x && make test", vec!["test"]),
            ("make", vec![]),
            ("make $TARGET", vec![]),
            ("make FLAGS=\"-a b\" test", vec![]),
            ("cd web && make test", vec![]),
            ("cmake -B build\nmake -C build test", vec![]),
            ("just test a b", vec!["test"]),
            ("just --list", vec![]),
            ("echo make test", vec![]),
            ("make test > log 2>&1", vec!["test"]),
        ] {
            assert_eq!(targets(script), expected, "{script}");
        }
    }
}
