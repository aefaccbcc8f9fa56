//! Test names as people and models write them: compared without ANSI, case and status words, and found by their
//! end where only one observed test has it.
//!
//! Knows nothing of cites or criteria.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use regex::Regex;

use super::pattern;
use super::results::{fold, strip_ansi};
use crate::domain::observation::{TestCase, TestStatus};

/// What looking a name up came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    /// One observed test, or all variants of a parametrised one, which then count together.
    One {
        name: &'a str,
        status: TestStatus,
    },
    /// Several observed tests end in this name.
    Ambiguous(Vec<&'a str>),
    Missing,
}

/// Observed tests by the ways in which they can be named. Built once a run, in time linear in its tests.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    cases: &'a [TestCase],
    /// Whole names, and whole names of parametrised tests without their parameters.
    whole: HashMap<String, Vec<usize>>,
    /// Last segment → tests.
    last: HashMap<String, Vec<usize>>,
    /// Lower-case segments of each test.
    segments: Vec<Vec<String>>,
}

impl<'a> Names<'a> {
    /// Indexes `cases`, whose names are unique.
    pub(crate) fn new(cases: &'a [TestCase]) -> Self {
        let mut names = Self { cases, whole: HashMap::new(), last: HashMap::new(), segments: Vec::new() };
        for (i, case) in cases.iter().enumerate() {
            let key = key(&case.name);
            let segments = segments(&key);
            let mut add = |segments: &[String]| {
                names.whole.entry(segments.join(JOINT)).or_default().push(i);
                if let Some(last) = segments.last() {
                    names.last.entry(last.clone()).or_default().push(i);
                }
            };
            add(&segments);
            if let Some(base) = without_parameters(&key) {
                add(&self::segments(base));
            }
            names.segments.push(segments);
        }
        names
    }

    /// Looks up `text`: a name, alone or in the line of a runner (`✓ name (3 ms)`, `name PASSED`, `--- PASS: name`).
    /// A text that says that the test did not pass finds nothing.
    pub(crate) fn look_up(&self, text: &str) -> Lookup<'a> {
        let exact = key(text);
        // A title may itself end in a status word, so the text as it stands comes first.
        let found = self.by_key(&exact);
        if found != Lookup::Missing {
            return found;
        }
        match cleaned(&exact) {
            Some(clean) if clean != exact => self.by_key(&clean),
            _ => Lookup::Missing,
        }
    }

    /// Observed names that share the last segment or a word with `text`, nearest first; for a question back.
    pub(crate) fn similar(&self, text: &str) -> Vec<&'a str> {
        let key = key(text);
        let segments = segments(cleaned(&key).as_deref().unwrap_or(&key));
        let Some(last) = segments.last() else {
            return Vec::new();
        };
        if let Some(same) = self.last.get(last) {
            return same.iter().take(3).map(|&i| self.cases[i].name.as_str()).collect();
        }
        let words: BTreeSet<&str> = words(last).collect();
        let mut scored: Vec<(usize, usize)> = (self.segments.iter().enumerate())
            .filter_map(|(i, s)| {
                let shared = s.last().map_or(0, |s| self::words(s).filter(|w| words.contains(w)).count());
                (shared > 0).then_some((shared, i))
            })
            .collect();
        scored.sort_by_key(|&(shared, i)| (std::cmp::Reverse(shared), i));
        scored.into_iter().take(3).map(|(_, i)| self.cases[i].name.as_str()).collect()
    }

    /// The tests themselves.
    pub(crate) fn cases(&self) -> &'a [TestCase] {
        self.cases
    }

    fn by_key(&self, key: &str) -> Lookup<'a> {
        let wanted = segments(key);
        let Some(last) = wanted.last() else {
            return Lookup::Missing;
        };
        if let Some(found) = self.whole.get(&wanted.join(JOINT)) {
            return self.together(found);
        }
        // The end of a name must say something: `ok` or `1` is no name.
        if last.chars().filter(|c| c.is_alphanumeric()).count() < 3 {
            return Lookup::Missing;
        }
        let Some(found) = self.last.get(last) else {
            return Lookup::Missing;
        };
        let found: Vec<usize> = found.iter().copied().filter(|&i| self.ends_with(i, &wanted)).collect();
        self.together(&found)
    }

    fn ends_with(&self, i: usize, wanted: &[String]) -> bool {
        let own = &self.segments[i];
        own.ends_with(wanted) || {
            let bare = key(&self.cases[i].name);
            without_parameters(&bare).is_some_and(|base| segments(base).ends_with(wanted))
        }
    }

    /// One test, or the variants of one parametrised test, of which a single failure or skip counts for all.
    fn together(&self, found: &[usize]) -> Lookup<'a> {
        let Some(&first) = found.first() else {
            return Lookup::Missing;
        };
        let base = |i: usize| {
            let key = key(&self.cases[i].name);
            without_parameters(&key).map_or(key.clone(), str::to_owned)
        };
        if found.len() > 1 && found.iter().any(|&i| base(i) != base(first)) {
            return Lookup::Ambiguous(found.iter().map(|&i| self.cases[i].name.as_str()).collect());
        }
        let worst = found.iter().copied().max_by_key(|&i| match self.cases[i].status {
            TestStatus::Passed => 0,
            TestStatus::Skipped => 1,
            TestStatus::Failed => 2,
        });
        let case = &self.cases[worst.unwrap_or(first)];
        Lookup::One { name: &case.name, status: case.status }
    }
}

const JOINT: &str = "\u{1f}";

static SEPARATOR: LazyLock<Regex> = LazyLock::new(|| pattern(r"::| [>›»] |[/\\.#]"));
/// What runners put before a name.
static BEFORE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:\[gw\d+\] \[ *\d+%\] |test:? |tests? |passed:? |pass:? |--- pass: |ok \d+ (?:- )?|ok:? |[✓✔√•*-] |\[ ?(?:ok|info|pass) ?\] )+",
    )
});
/// What runners and models put after a name.
static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:(?: |: ?| - | → | => )(?:\.\.\. ?)?(?:test )?(?:(?:has |is |was )?(?:passed|passes|passing|pass|ok|success|succeeded|green)|\[ *\d+%\]|\(?\d[\d.]* ?m?s\)?|✓|✔)[.,;]?|[.,;:])+$",
    )
});
/// Words that say the contrary.
static CONTRARY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^|[\s(\[])(?:failed|fail|fails|error|skipped|skip|xfail|ignored|not ok|todo|pending|✗|✕|✘|✖|×|○|↓)(?:$|[\s)\],.:;])",
    )
});

/// Folded, lower-case, without ANSI and quotes around it.
fn key(text: &str) -> String {
    let text = fold(&strip_ansi(text)).to_lowercase();
    text.trim_matches(|c: char| matches!(c, '`' | '"' | '\'' | '“' | '”')).trim().to_owned()
}

/// `key` without status words; `None` where it says that the test did not pass.
fn cleaned(key: &str) -> Option<String> {
    if CONTRARY.is_match(key) {
        return None;
    }
    let text = AFTER.replace(key, "");
    let text = BEFORE.replace(&text, "");
    Some(self::key(&text).trim_end_matches("()").to_owned())
}

/// Parts between separators; a parameter list in brackets at the end stays whole.
fn segments(key: &str) -> Vec<String> {
    let (head, parameters) = match key.find('[') {
        Some(at) if key.ends_with(']') && at > 0 => key.split_at(at),
        _ => (key, ""),
    };
    let mut parts: Vec<String> =
        SEPARATOR.split(head).map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect();
    if let Some(last) = parts.last_mut() {
        last.push_str(parameters);
    }
    parts
}

/// `name[a-1]` → `name`, `Name(a: 1)` → `Name`; `None` where there are no parameters.
fn without_parameters(key: &str) -> Option<&str> {
    let open = match key.chars().next_back()? {
        ']' => '[',
        ')' => '(',
        _ => return None,
    };
    // A title with a remark in parentheses has a blank before them.
    let at = key.find(open).filter(|&at| at > 0)?;
    let base = &key[..at];
    (!base.ends_with(' ') && !base.contains(' ')).then_some(base)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 3 && *w != "test")
}

#[cfg(test)]
mod tests {
    use super::*;
    use TestStatus::{Failed, Passed, Skipped};

    fn cases() -> Vec<TestCase> {
        [
            ("tests/test_user.py::test_create", Passed),
            ("tests/test_user.py::TestLogin::test_logout", Passed),
            ("tests/test_user.py::test_ids[a b-1]", Passed),
            ("tests/test_user.py::test_ids[x::y-2]", Passed),
            ("tests/test_cart.py::test_rows[1]", Passed),
            ("tests/test_cart.py::test_rows[2]", Failed),
            ("tests/test_cart.py::test_add", Passed),
            ("tests/test_shop.py::test_add", Passed),
            ("tests/test_shop.py::test_later", Skipped),
            ("User > login > creates a session", Passed),
            ("marks the job failed", Passed),
            ("tests::deep::adds", Passed),
            ("example.com/shop/user.TestTable/one_case", Passed),
            ("com.acme.UserTest.creates", Passed),
            ("alpha/src/lib.rs - add (line 3)", Passed),
            ("POST /users returns 201", Passed),
        ]
        .map(|(name, status)| TestCase { name: name.into(), status })
        .to_vec()
    }

    #[test]
    fn lookup_table() {
        let cases = cases();
        let names = Names::new(&cases);
        for (text, expected) in [
            ("tests/test_user.py::test_create", "tests/test_user.py::test_create"),
            ("`tests/test_user.py::test_create` PASSED", "tests/test_user.py::test_create"),
            (
                "\u{1b}[32mtests/test_user.py::test_create PASSED\u{1b}[0m [ 28%]",
                "tests/test_user.py::test_create",
            ),
            ("TESTS/TEST_USER.PY::TEST_CREATE", "tests/test_user.py::test_create"),
            ("test_create", "tests/test_user.py::test_create"),
            ("test_create()", "tests/test_user.py::test_create"),
            ("test_user.py::test_create passed", "tests/test_user.py::test_create"),
            ("[gw0] [ 28%] PASSED tests/test_user.py::test_create", "tests/test_user.py::test_create"),
            ("TestLogin::test_logout", "tests/test_user.py::TestLogin::test_logout"),
            ("TestLogin.test_logout", "tests/test_user.py::TestLogin::test_logout"),
            ("test_ids[x::y-2]", "tests/test_user.py::test_ids[x::y-2]"),
            ("test_ids", "tests/test_user.py::test_ids[x::y-2]"),
            ("✓ creates a session (3 ms)", "User > login > creates a session"),
            ("User › login › creates a session", "User > login > creates a session"),
            ("login > creates a session", "User > login > creates a session"),
            ("marks the job failed", "marks the job failed"),
            ("test tests::deep::adds ... ok", "tests::deep::adds"),
            ("deep::adds", "tests::deep::adds"),
            ("--- PASS: TestTable/one_case (0.00s)", "example.com/shop/user.TestTable/one_case"),
            ("UserTest#creates", "com.acme.UserTest.creates"),
            ("UserTest::creates", "com.acme.UserTest.creates"),
            ("alpha/src/lib.rs - add (line 3)", "alpha/src/lib.rs - add (line 3)"),
            ("ok 4 - POST /users returns 201", "POST /users returns 201"),
        ] {
            match names.look_up(text) {
                Lookup::One { name, status: Passed } => {
                    let same = name == expected || (text == "test_ids" && name.contains("test_ids["));
                    assert!(same, "{text}: {name}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_was_not_seen_to_pass_is_not_found_passing() {
        let cases = cases();
        let names = Names::new(&cases);
        for text in [
            "tests/test_user.py::test_created",
            "tests/test_user.py::test_delete",
            "tests/test_admin.py::test_create",
            "user.py::test_create_all",
            "create",
            "session",
            "returns 201",
            "users returns 201 and a token",
            "test_user.py",
            "tests",
            "ok",
            "PASSED",
            "",
            "1]",
            "y-2]",
            "test_create FAILED",
            "test_create SKIPPED (later)",
            "other.TestTable/one_case",
        ] {
            assert_eq!(names.look_up(text), Lookup::Missing, "{text}");
        }
        assert!(matches!(names.look_up("test_add"), Lookup::Ambiguous(all) if all.len() == 2));
        for (text, wanted) in [("test_rows", Failed), ("test_rows[2]", Failed), ("test_later", Skipped)] {
            assert!(matches!(names.look_up(text), Lookup::One { status, .. } if status == wanted), "{text}");
        }
    }

    #[test]
    fn similar_names_help_to_mend_a_cite() {
        let cases = cases();
        let names = Names::new(&cases);
        assert_eq!(names.similar("tests/test_admin.py::test_create"), ["tests/test_user.py::test_create"]);
        assert_eq!(names.similar("test_create_user"), ["tests/test_user.py::test_create"]);
        assert!(names.similar("nothing at all").is_empty());
    }
}
