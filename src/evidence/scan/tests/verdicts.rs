//! What a find means, as a table.

use crate::domain::artifact::FindingResult::{self, Advisory, Fail};
use crate::evidence::scan::judge::HIDDEN_CHECK;
use crate::evidence::scan::{Allow, ChangedFile, SECRET_CHECK, judge};

/// A made-up key of GitHub's form, another for every seed.
pub(super) fn key(seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    format!("ghp_{}", std::iter::repeat_with(|| random.alphanumeric()).take(36).collect::<String>())
}

/// A value without a provider's form.
fn value(seed: u64) -> String {
    key(seed)[4..].to_owned()
}

pub(super) fn file(path: &str, base: Option<&str>, now: &str) -> ChangedFile {
    let known: Vec<&str> = base.map(|text| text.lines().collect()).unwrap_or_default();
    let added = (1_u32..).zip(now.lines()).filter(|(_, line)| !known.contains(line)).map(|(n, _)| (n, n + 1));
    ChangedFile {
        is_new: base.is_none(),
        path: path.into(),
        base: base.map(Into::into),
        now: now.into(),
        added: Some(added.collect()),
    }
}

fn verdict(files: &[ChangedFile]) -> Vec<(String, FindingResult, u32)> {
    let findings = judge(files, &Allow::default());
    findings.into_iter().map(|f| (f.check, f.result, f.line.unwrap())).collect()
}

#[test]
fn what_a_find_means() {
    let provider = format!("a = 1\nt = \"{}\"\n", key(1));
    let generic = format!("api_key = \"{}\"\n", value(2));
    let colon = generic.replace(" =", ":");
    let moved = format!("# new\n\n{generic}");
    let bidi = "if level != \"user\u{202e} \u{2066}// admin\u{2069}\":\n";
    let tags = "Hello\u{e0068}\u{e0069}\n";
    let secret = |result, line| vec![(SECRET_CHECK, result, line)];
    let hidden = |result| vec![(HIDDEN_CHECK, result, 1)];
    type Row<'a> = (&'a str, Option<&'a str>, &'a str, Vec<(&'a str, FindingResult, u32)>);
    let table: Vec<Row<'_>> = vec![
        ("src/a.py", None, &provider, secret(Fail, 2)),
        ("src/a.py", Some("a = 1\n"), &provider, secret(Fail, 2)),
        ("tests/test_a.py", None, &provider, secret(Fail, 2)),
        ("docs/a.md", None, &provider, secret(Fail, 2)),
        ("package-lock.json", None, &provider, secret(Fail, 2)),
        ("src/a.py", Some(&provider), &provider, secret(Advisory, 2)),
        ("src/a.py", None, &generic, secret(Fail, 1)),
        ("config/app.yaml", None, &colon, secret(Fail, 1)),
        ("tests/test_a.py", None, &generic, secret(Advisory, 1)),
        ("docs/a.md", None, &generic, secret(Advisory, 1)),
        (".env.example", None, &generic, secret(Advisory, 1)),
        ("package-lock.json", None, &generic, vec![]),
        ("src/a.py", Some(&generic), &moved, secret(Advisory, 3)),
        ("src/a.py", None, bidi, hidden(Fail)),
        ("src/a.py", Some(bidi), bidi, hidden(Advisory)),
        ("README.md", None, bidi, hidden(Advisory)),
        ("tests/data/bidi.json", None, bidi, hidden(Advisory)),
        ("README.md", None, tags, hidden(Fail)),
        ("src/a.py", None, "print('plain')\n", vec![]),
    ];
    for (path, base, now, expected) in table {
        let found = verdict(&[file(path, base, now)]);
        let expected: Vec<_> = expected.into_iter().map(|(c, r, l)| (c.to_owned(), r, l)).collect();
        assert_eq!(found, expected, "{path}: {base:?}");
    }
}

#[test]
fn a_value_that_only_moves_is_no_new_one() {
    let line = format!("t = \"{}\"\n", key(3));
    let files = [file("src/old.py", Some(&line), "\n"), file("src/new.py", None, &line)];
    assert_eq!(verdict(&files), [(SECRET_CHECK.into(), Advisory, 1)]);
}

#[test]
fn fingerprints_survive_moved_lines_and_name_no_value() {
    let (one, two) = (format!("t = \"{}\"\n", key(4)), format!("t = \"{}\"\n", key(5)));
    let prints = |text: &str| -> Vec<String> {
        judge(&[file("a.py", None, text)], &Allow::default())
            .into_iter()
            .map(|f| f.fingerprint.unwrap())
            .collect()
    };
    let before = prints(&format!("{one}{two}"));
    let after = prints(&format!("\n# moved\n  {one}\n{two}"));
    assert_eq!(before.len(), 2);
    assert_ne!(before[0], before[1]);
    assert_eq!(before, after);
    for finding in judge(&[file("a.py", None, &one)], &Allow::default()) {
        assert!(!format!("{finding:?}").contains(&key(4)), "{finding:?}");
    }
}

#[test]
fn a_merged_line_is_not_the_days() {
    let text = format!("t = \"{}\"\n", key(6));
    let merged = ChangedFile { added: Some(vec![(5, 6)]), ..file("src/a.py", Some("\n"), &text) };
    assert_eq!(verdict(&[merged])[0].1, Advisory);
    let binary = ChangedFile { added: None, ..file("src/a.py", Some("\n"), &text) };
    assert_eq!(verdict(&[binary])[0].1, Fail);
}

#[test]
fn a_new_files_name_counts_as_its_content_does() {
    let path = format!("src/{}.py", key(5));
    let findings = judge(&[file(&path, None, "a = 1\n")], &Allow::default());
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.result, finding.line), (Fail, None));
    assert!(!format!("{finding:?}").contains(&key(5)), "{finding:?}");
    assert!(judge(&[file(&path, Some(""), "a = 1\n")], &Allow::default()).is_empty());
    assert!(judge(&[file("src/ghp_short.py", None, "a = 1\n")], &Allow::default()).is_empty());
}
