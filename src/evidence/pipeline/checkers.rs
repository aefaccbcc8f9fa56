//! Checkers that a runner may have, zizmor and actionlint: how they are called and how their lines are read.
//!
//! Runs nothing. What they find is folded in under their own names; nothing depends on their being there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::kinds::{Kind, kind_of};
use crate::domain::artifact::{Finding, FindingResult};
use crate::domain::diff::Diff;
use crate::evidence::pattern;

/// A shell script that runs what is there on the workflows among `paths`; `None` without workflows.
///
/// A configuration that the day changed does not count.
pub(crate) fn script(paths: &[String], diff: &Diff) -> Option<String> {
    let quoted = |wanted: &[Kind]| -> String {
        let files =
            paths.iter().filter(|p| kind_of(p).is_some_and(|k| wanted.contains(&k)) && !p.contains('\''));
        files.take(200).map(|p| format!(" './{p}'")).collect()
    };
    let workflows = quoted(&[Kind::Workflow]);
    if workflows.is_empty() {
        return None;
    }
    let all = quoted(&[Kind::Workflow, Kind::Action]);
    let changed = |name: &str| diff.files.iter().any(|f| f.path.ends_with(name));
    let zizmor_config = if changed("zizmor.yml") || changed("zizmor.yaml") { " --no-config" } else { "" };
    let actionlint_config =
        if changed("actionlint.yml") || changed("actionlint.yaml") { " -config-file /dev/null" } else { "" };
    Some(format!(
        "if command -v zizmor >/dev/null 2>&1; then \
         zizmor --offline --no-progress --no-exit-codes --quiet --format github{zizmor_config}{all} 2>/dev/null; fi; \
         if command -v actionlint >/dev/null 2>&1; then \
         actionlint -no-color -oneline -shellcheck= -pyflakes={actionlint_config}{workflows} 2>/dev/null; fi; true"
    ))
}

/// Findings in the output of [`script`]: one for each rule and file, at its first line. A high one of zizmor, or one
/// of actionlint, is FAIL where the day added its line; all else is ADVISORY. What this product decides itself, the
/// pinning of versions, is left to it.
pub(crate) fn read(output: &str, diff: &Diff) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, String, String), Group> = BTreeMap::new();
    for hit in output.lines().filter_map(read_line) {
        let today = diff.file(&hit.file).is_some_and(|f| f.adds_line(hit.line));
        let key = (hit.tool, hit.rule, hit.file);
        let group = groups.entry(key).or_insert_with(|| Group {
            line: hit.line,
            said: hit.said.clone(),
            more: 0,
            fails: false,
        });
        group.fails |= today && hit.serious;
        if hit.line < group.line || today && hit.serious && group.more == 0 {
            (group.line, group.said) = (hit.line, hit.said);
        }
        group.more += 1;
    }
    groups.into_iter().map(|((tool, rule, file), group)| group.finding(tool, &rule, file)).collect()
}

struct Hit {
    tool: &'static str,
    rule: String,
    file: String,
    line: u32,
    said: String,
    serious: bool,
}

struct Group {
    line: u32,
    said: String,
    /// Hits of the same rule in the same file.
    more: u32,
    fails: bool,
}

impl Group {
    fn finding(self, tool: &str, rule: &str, file: String) -> Finding {
        let more = if self.more > 1 { format!(" ({} places)", self.more) } else { String::new() };
        Finding {
            check: format!("{tool}: {rule}"),
            result: if self.fails { FindingResult::Fail } else { FindingResult::Advisory },
            evidence: format!("{file}:{} — {}{more}", self.line, self.said),
            file: Some(file),
            line: Some(self.line),
            fingerprint: None,
        }
    }
}

fn read_line(text: &str) -> Option<Hit> {
    let local = |path: &str| path.trim_start_matches("./").to_owned();
    if let Some(c) = ZIZMOR.captures(text) {
        let (level, rule) = (&c[1], c[4].to_owned());
        let ours = matches!(
            rule.as_str(),
            "unpinned-uses" | "unpinned-images" | "stale-action-refs" | "ref-version-mismatch"
        );
        // Notices are style.
        return (level != "notice" && !ours).then(|| Hit {
            tool: "zizmor",
            rule,
            file: local(&c[2]),
            line: c[3].parse().unwrap_or(1),
            said: PLACE.replace(&c[5], "").into_owned(),
            serious: level == "error",
        });
    }
    let c = ACTIONLINT.captures(text)?;
    Some(Hit {
        tool: "actionlint",
        rule: c[4].to_owned(),
        file: local(&c[1]),
        line: c[2].parse().unwrap_or(1),
        said: c[3].to_owned(),
        serious: true,
    })
}

static ZIZMOR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^::(error|warning|notice) file=([^,]+),line=(\d+)[^:]*,title=([^:,]+)::(.*)$")
});
/// The place that zizmor's message repeats.
static PLACE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\S+:\d+: "));
static ACTIONLINT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(\S+\.ya?ml):(\d+):\d+: (.*) \[([a-z-]+)\]$"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::diff::{Change, FileDiff};

    const OUTPUT: &str = "::error file=./.github/workflows/ci.yml,line=7,title=template-injection::ci.yml:7: code injection via template expansion: may expand\n\
        ::error file=./.github/workflows/ci.yml,line=9,title=template-injection::ci.yml:9: code injection via template expansion: may expand\n\
        ::warning file=./.github/workflows/ci.yml,line=7,title=artipacked::ci.yml:7: credential persistence\n\
        ::error file=./.github/workflows/ci.yml,line=7,title=unpinned-uses::ci.yml:7: unpinned\n\
        ::notice file=./.github/workflows/ci.yml,line=7,title=template-injection::ci.yml:7: x\n\
        ./.github/workflows/ci.yml:12:8: undefined variable \"x\" [expression]\n\
        warning: something else\n";

    fn diff(line: u32) -> Diff {
        let file = FileDiff {
            path: ".github/workflows/ci.yml".into(),
            old_path: None,
            change: Change::Modified,
            added: vec![(line, line + 1)],
            patch: String::new(),
            binary: false,
        };
        Diff { files: vec![file] }
    }

    #[test]
    fn lines_become_findings() {
        let found = |line| -> Vec<String> {
            let findings = read(OUTPUT, &diff(line));
            findings.iter().map(|f| format!("{:?} {} {}", f.result, f.check, f.evidence)).collect()
        };
        assert_eq!(
            found(9),
            [
                "Advisory actionlint: expression .github/workflows/ci.yml:12 — undefined variable \"x\"",
                "Advisory zizmor: artipacked .github/workflows/ci.yml:7 — credential persistence",
                "Fail zizmor: template-injection .github/workflows/ci.yml:7 — code injection via template expansion: may \
                 expand (2 places)",
            ]
        );
        assert!(found(12)[0].starts_with("Fail actionlint: expression"), "{:?}", found(12));
        assert!(found(7)[1].starts_with("Advisory zizmor: artipacked"), "{:?}", found(7));
    }

    #[test]
    fn only_workflows_are_worth_a_run() {
        let paths = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            script(&paths(&["Makefile", "action.yml", ".github/workflows/it's.yml"]), &Diff::default()),
            None
        );
        let script = script(&paths(&[".github/workflows/ci.yml"]), &diff(1)).unwrap();
        assert!(
            script.contains(" './.github/workflows/ci.yml'") && !script.contains("--no-config"),
            "{script}"
        );
    }
}
