//! Holds the sources against the rooms: who may use whom, who may print, exit or read the environment, and how
//! long a file may be. The table below is the one of `ARCHITECTURE.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use crate::project::collect;

/// A room and the rooms that it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("secret", &[]),
    ("error", &["domain", "repo"]),
    ("exit", &["domain", "error"]),
    ("cli", &[]),
    ("settings", &["domain", "error", "exit", "secret", "repo"]),
    ("http", &["error", "secret", "settings"]),
    ("llm", &["domain", "error", "http", "secret", "settings"]),
    ("repo", &["domain", "error", "http", "secret", "settings"]),
    ("store", &["domain", "error", "schema", "settings"]),
    ("journal", &["domain", "error", "secret", "settings"]),
    ("sandbox", &["domain", "error", "exit", "secret", "settings"]),
    ("platform", &["domain", "error", "http", "secret", "settings"]),
    ("evidence", &["domain", "repo", "sandbox", "schema"]),
    ("tool", &["domain", "evidence", "repo", "sandbox"]),
    ("prompt", &["domain"]),
    ("schema", &["domain"]),
    ("report", &["domain", "prompt", "settings"]),
    (
        "agent",
        &["domain", "error", "evidence", "journal", "llm", "prompt", "repo", "sandbox", "schema", "tool"],
    ),
];

/// Rooms that put others together: `day` through their traits, `command` the concrete parts.
const COMPOSERS: &[&str] = &["command", "day", "lib", "main"];

/// What only some rooms may do.
const RESERVED: &[(&str, &[&str])] = &[
    (r"\bstd::env::vars(_os)?\b|\benv::vars(_os)?\b", &["main"]),
    (r"\benv::var(_os)?\(", &[]),
    (r"\bprocess::exit\b", &[]),
    (r"\be?print(ln)?!", &["report", "main"]),
    (r"\bprocess::Command\b", &["sandbox"]),
    (r"#!?\[allow\b", &[]),
];

/// The files that may hold `unsafe`, each with a reason beside it.
const UNSAFE: &[&str] =
    &["src/repo/handle.rs", "src/sandbox/confined/notify.rs", "src/sandbox/confined/raw.rs"];

/// Production lines of a file.
const LONGEST: usize = 500;

struct Source {
    /// `src/llm/client.rs`.
    path: String,
    /// `llm`.
    room: String,
    /// All lines, with test items blanked.
    production: Vec<String>,
    opening: String,
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    let table: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut breaches = Vec::new();
    for source in sources() {
        if COMPOSERS.contains(&source.room.as_str()) {
            continue;
        }
        let Some(allowed) = table.get(source.room.as_str()) else {
            breaches.push(format!("{}: the table knows no room {}", source.path, source.room));
            continue;
        };
        for (line, used) in uses(&source.production) {
            if used != source.room && !allowed.contains(&used.as_str()) {
                breaches.push(format!("{}:{line}: {} may not use {used}", source.path, source.room));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn printing_exiting_and_the_environment_have_their_places() {
    let rules: Vec<_> =
        RESERVED.iter().map(|(pattern, rooms)| (Regex::new(pattern).unwrap(), *rooms)).collect();
    let mut breaches = Vec::new();
    for source in sources() {
        for (number, line) in source.production.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            // A pattern that looks for such code in others' files is none.
            if code.trim_start().starts_with("r\"") || code.trim_start().starts_with("r#\"") {
                continue;
            }
            if code.contains("unsafe ") && !UNSAFE.contains(&source.path.as_str()) {
                breaches.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
            for (pattern, rooms) in &rules {
                if pattern.is_match(code) && !rooms.contains(&source.room.as_str()) {
                    breaches.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn files_open_with_their_purpose_and_stay_short() {
    let mut breaches = Vec::new();
    for source in sources() {
        if !source.opening.starts_with("//!") {
            breaches.push(format!("{} does not open with //!", source.path));
        }
        let lines = source.production.iter().filter(|l| !l.is_empty()).count();
        if lines > LONGEST {
            breaches.push(format!("{} has {lines} production lines", source.path));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = Vec::new();
    collect(&root.join("src"), &mut |file| {
        if file.extension().is_some_and(|e| e == "rs") {
            files.push(file.to_owned());
        }
    });
    files.sort();
    assert!(files.len() > 10, "the sources were not found");
    files
        .iter()
        .filter(|file| !is_test_file(file))
        .map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let path = file.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let inside = path.trim_start_matches("src/");
            let room = inside.split(['/', '.']).next().unwrap_or_default().to_owned();
            Source {
                room,
                opening: text.lines().next().unwrap_or_default().to_owned(),
                production: production(&text),
                path,
            }
        })
        .collect()
}

fn is_test_file(file: &Path) -> bool {
    file.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs")
    })
}

/// The lines of `text`, those of `#[cfg(test)]` items blanked. Formatted sources are presumed: an item ends with
/// `;` on its first line or with a closing brace at its own indentation.
fn production(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut skipping: Option<String> = None;
    for line in text.lines() {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let code = line.trim();
        match &skipping {
            Some(margin) => {
                let opens_item = !code.starts_with("#[");
                let one_line =
                    opens_item && indent == *margin && (code.ends_with(';') || code.ends_with('}'));
                lines.push(String::new());
                if one_line || code.ends_with(',') && indent == *margin {
                    skipping = None;
                }
            }
            None if code == "#[cfg(test)]" => {
                skipping = Some(indent);
                lines.push(String::new());
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines
}

static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bcrate::(\{|[a-z_]+)").unwrap());

/// Rooms that the lines name, with the line that does.
fn uses(lines: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut group: Option<usize> = None;
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if let Some(depth) = group {
            group = members(code, depth, number + 1, &mut found);
            continue;
        }
        for capture in PATH.captures_iter(code) {
            if &capture[1] == "{" {
                let rest = &code[capture.get(0).map_or(0, |m| m.end())..];
                group = members(rest, 1, number + 1, &mut found);
            } else {
                found.push((number + 1, capture[1].to_owned()));
            }
        }
    }
    found
}

/// First parts of the paths in a `use crate::{…}` group; the depth that stays open at the line's end.
fn members(code: &str, mut depth: usize, line: usize, found: &mut Vec<(usize, String)>) -> Option<usize> {
    let mut word = String::new();
    let mut fresh = true;
    for c in code.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            if depth == 1 && fresh {
                found.push((line, word.clone()));
            }
            word.clear();
            fresh = false;
        }
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            _ => {}
        }
        if depth == 0 {
            return None;
        }
    }
    Some(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_found_in_every_form() {
        let text = "use crate::domain::Agent;\nuse crate::{\n    llm::{Model, client::x},\n    repo,\n};\nuse crate::{store::a, tool::b};\nfn f(x: crate::settings::S) {} // crate::report\n";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let found = uses(&lines);
        let names: Vec<_> = found.iter().map(|(n, r)| format!("{n} {r}")).collect();
        assert_eq!(names, ["1 domain", "3 llm", "4 repo", "6 store", "6 tool", "7 settings"]);
    }

    #[test]
    fn test_items_are_not_production() {
        let text = "use a;\n#[cfg(test)]\nmod tests;\nfn f() {\n    g();\n}\n#[cfg(test)]\nmod tests {\n    use crate::llm;\n    fn x() {\n    }\n}\nfn last() {}\n";
        let kept: Vec<_> = production(text).into_iter().filter(|l| !l.is_empty()).collect();
        assert_eq!(kept, ["use a;", "fn f() {", "    g();", "}", "fn last() {}"]);
    }
}
