//! The repository's exceptions: what they cover, and what they cannot be stretched to.

use super::verdicts::{file, key};
use crate::evidence::scan::{Allow, judge};

fn allow(path: &str, text: &str) -> Allow {
    let allow = Allow::parse(&[(path.to_owned(), text.to_owned())]);
    assert!(allow.problems.is_empty(), "{:?}", allow.problems);
    allow
}

fn count(allow: &Allow, base: Option<&str>, now: &str) -> usize {
    judge(&[file("src/a.py", base, now)], allow).len()
}

#[test]
fn gitleaks_configuration() {
    let text = format!("t = \"{}\"\n", key(1));
    let stop = &key(1)[8..20];
    for (configuration, left) in [
        ("[allowlist]\npaths = ['''^src/''']".to_owned(), 0),
        ("[allowlist]\npaths = ['''^lib/''']".to_owned(), 1),
        ("[[allowlists]]\nregexes = ['''^ghp_''']".to_owned(), 0),
        ("[allowlist]\nregexTarget = \"line\"\nregexes = ['''^t = ''']".to_owned(), 0),
        ("[allowlist]\nregexes = ['''^t = ''']".to_owned(), 1),
        (format!("[allowlist]\nstopwords = [\"{stop}\"]"), 0),
        ("[[allowlists]]\ntargetRules = [\"github-pat\"]\npaths = ['''.''']".to_owned(), 0),
        ("[[allowlists]]\ntargetRules = [\"gitlab-pat\"]\npaths = ['''.''']".to_owned(), 1),
        ("[[rules]]\nid = \"github-pat\"\n[[rules.allowlists]]\npaths = ['''a\\.py$''']".to_owned(), 0),
        ("[extend]\nuseDefault = true\ndisabledRules = [\"github-pat\"]".to_owned(), 0),
        ("[allowlist]\ncondition = \"AND\"\npaths = ['''^src/''']\nregexes = ['''^x''']".to_owned(), 1),
        ("[allowlist]\ncondition = \"AND\"\npaths = ['''^src/''']\nregexes = ['''^ghp''']".to_owned(), 0),
        ("[allowlist]\ndescription = \"empty\"".to_owned(), 1),
    ] {
        assert_eq!(count(&allow(".gitleaks.toml", &configuration), None, &text), left, "{configuration}");
    }
    assert_eq!(
        judge(
            &[file("src/a.py", None, "x = 'a\u{202e}b'\n")],
            &allow(".gitleaks.toml", "[allowlist]\npaths = ['.']")
        )
        .len(),
        1
    );
}

#[test]
fn entries_by_line_stand_for_the_value_that_stood_there() {
    let (old, new) = (format!("t = \"{}\"\n", key(2)), format!("t = \"{}\"\n", key(3)));
    let ignored = allow(".gitleaksignore", "# known\nsrc/a.py:github-pat:1\n0123abc:src/b.py:github-pat:1\n");
    let baseline = allow(
        ".secrets.baseline",
        r#"{"results": {"src/a.py": [{"type": "GitHub Token", "hashed_secret": "0", "line_number": 1}]}}"#,
    );
    for allow in [ignored, baseline] {
        assert_eq!(count(&allow, Some(&old), &format!("# moved\n{old}")), 0);
        assert_eq!(count(&allow, Some(&old), &new), 1, "another value on the same line");
        assert_eq!(count(&allow, None, &old), 1, "a file that was not there");
    }
    let audited = r#"{"results": {"src/a.py": [{"line_number": 1, "is_secret": true}]}}"#;
    assert_eq!(count(&allow(".secrets.baseline", audited), Some(&old), &old), 1, "a person said it is one");
}

#[test]
fn marks_count_where_they_stood() {
    let marked = format!("t = \"{}\"  # gitleaks:allow\n", key(4));
    let above = format!("# pragma: allowlist nextline secret\nt = \"{}\"\n", key(4));
    let pragma = format!("t = \"{}\"  # pragma: allowlist secret\n", key(4));
    let bare = format!("t = \"{}\"\n", key(4));
    let none = Allow::default();
    for text in [&marked, &above, &pragma] {
        assert_eq!(count(&none, Some(text), &format!("# moved\n\n{text}")), 0, "{text}");
        assert_eq!(count(&none, None, text), 1, "written today: {text}");
        assert_eq!(count(&none, Some(&bare), text), 1, "marked today: {text}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let files =
        [(".gitleaks.toml", "[allowlist"), (".gitleaksignore", "nonsense"), (".secrets.baseline", "{")];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(Allow::parse(&files).problems.len(), 3);
    let broken = [(".gitleaks.toml".to_owned(), "[allowlist]\nregexes = ['''(''']".to_owned())];
    assert_eq!(Allow::parse(&broken).problems.len(), 1);
}
