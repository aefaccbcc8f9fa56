//! Templates as a whole: overriding, errors, and the property that hostile values stay inert.

use std::fs;

use proptest::prelude::*;
use serde::Serialize;

use super::*;

#[derive(Serialize)]
struct Values<'a> {
    text: &'a str,
    absent: Option<u32>,
}

/// Renders `source` as the template `name` of a user's folder.
fn rendered(name: &str, source: &str, text: &str) -> anyhow::Result<String> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join(name);
    fs::create_dir_all(file.parent().unwrap())?;
    fs::write(file, source)?;
    Templates::new(Some(dir.path()))?.render(name, &Values { text, absent: None })
}

#[test]
fn every_embedded_template_parses() {
    let templates = Templates::new(None).unwrap();
    assert!(!templates.sources.is_empty());
}

#[test]
fn a_users_file_wins_by_name_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("summary.md.j2"), "mine: {{ text }}").unwrap();
    fs::write(dir.path().join(".hidden.j2"), "{{ broken").unwrap();
    fs::write(dir.path().join("notes.txt"), "{{ broken").unwrap();
    let templates = Templates::new(Some(dir.path())).unwrap();
    let values = Values { text: "a*b", absent: None };
    assert_eq!(templates.render("summary.md.j2", &values).unwrap(), "mine: a\\*b");
    assert!(templates.sources.iter().any(|s| s.place == "templates/review-pr.md.j2"));
    assert!(!templates.sources.iter().any(|s| s.place == "templates/summary.md.j2"));
}

#[test]
fn later_changes_of_a_users_file_have_no_effect() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("own.md.j2");
    fs::write(&file, "first").unwrap();
    let templates = Templates::new(Some(dir.path())).unwrap();
    fs::write(&file, "second").unwrap();
    assert_eq!(templates.render("own.md.j2", &()).unwrap(), "first");
}

#[test]
fn every_unusable_file_is_told_at_once_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.md.j2"), "one\n{{ open\n").unwrap();
    fs::write(dir.path().join("b.md.j2"), "{% nope %}").unwrap();
    let error = Templates::new(Some(dir.path())).unwrap_err().to_string();
    assert!(error.contains(&format!("{}:", dir.path().join("a.md.j2").display())), "{error}");
    assert!(error.contains(&format!("{}:1: syntax error", dir.path().join("b.md.j2").display())), "{error}");

    fs::write(dir.path().join("a.md.j2"), b"one\n\xff\n").unwrap();
    let error = Templates::new(Some(dir.path())).unwrap_err().to_string();
    assert!(error.ends_with("a.md.j2:2: is not UTF-8"), "{error}");

    let missing = dir.path().join("missing");
    let error = Templates::new(Some(&missing)).unwrap_err().to_string();
    assert!(error.starts_with(&format!("templates folder {}: cannot be read", missing.display())), "{error}");
}

#[test]
fn an_error_names_file_line_and_expression() {
    for (source, tail) in [
        ("one\n{{ txet }}", "own.md.j2:2: undefined value: `txet` is undefined"),
        ("one\n\n{{ txet | md }}", "own.md.j2:3: undefined value"),
        ("{{ absent }}", "own.md.j2:1: invalid operation: the value is none here"),
        ("{{ text | md | cut(3) }}", "own.md.j2:1: invalid operation: `cut` has to come before"),
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "own.md.j2:1: engine ran out of fuel",
        ),
        ("{% include 'gone.j2' %}", "own.md.j2:1: template not found"),
    ] {
        let error = rendered("own.md.j2", source, "t").unwrap_err().to_string();
        assert!(error.contains(tail), "{source}: {error}");
    }
}

#[test]
fn an_error_in_an_included_file_is_told_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("own.md.j2"), "{% include 'part.md.j2' %}").unwrap();
    fs::write(dir.path().join("part.md.j2"), "\n\n{{ nothing }}").unwrap();
    let error = Templates::new(Some(dir.path())).unwrap().render("own.md.j2", &()).unwrap_err().to_string();
    assert!(error.contains("part.md.j2:3: undefined value"), "{error}");
}

#[test]
fn a_value_is_never_rendered_again() {
    let text = "{{ absent }}{% for x in y %}{# c #}";
    assert_eq!(rendered("prompts/own.md.j2", "{{ text }}", text).unwrap(), text);
    assert_eq!(rendered("own.md.j2", "{{ text | md }}", text).unwrap(), text);
}

#[test]
fn a_forgotten_filter_is_made_up_for_and_nothing_is_escaped_twice() {
    for source in [
        "{{ text }}",
        "{{ text | md }}",
        "{{ text | md | md }}",
        "{% set x = text | md %}{{ x }}",
        "{% macro m(t) %}{{ t }}{% endmacro %}{{ m(text) }}",
        "{% set x %}{{ text }}{% endset %}{{ x }}",
    ] {
        assert_eq!(rendered("own.md.j2", source, "<b>").unwrap(), "&lt;b&gt;", "{source}");
    }
    assert_eq!(rendered("prompts/own.md.j2", "{{ text }}", "<b>").unwrap(), "<b>");
    assert_eq!(rendered("own.txt.j2", "{{ text }}", "fixes #1\n").unwrap(), "fixes \"# 1\"");
}

#[test]
fn a_secret_is_taken_out_before_it_can_be_cut() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("own.md.j2"),
        "{{ all[0].text | cut(8) }}, {{ all[1].text }}, {{ all[0].absent is none }}",
    )
    .unwrap();
    let templates = Templates::new(Some(dir.path()))
        .unwrap()
        .redacting(Box::new(|text| text.replace("sk-very-secret", "***")));
    let values = serde_json::json!({ "all": [
        Values { text: "a sk-very-secret b", absent: None },
        Values { text: "sk-\u{200b}very-secret", absent: None },
    ] });
    assert_eq!(templates.render("own.md.j2", &values).unwrap(), "a \\*\\*\\* b, \\*\\*\\*, True");
}

/// Pieces of which attacks are made, so that random texts are near misses and hits, not noise.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<",
        ">",
        "<!--",
        "-->",
        "<img src=x>",
        "</details>",
        "@",
        "octocat",
        "fixes",
        "Closes",
        "resolve:",
        "#",
        "1",
        "23",
        "GH-",
        "!",
        "&",
        "&lt;",
        "&#64;",
        "[",
        "](",
        ")",
        "x",
        "`",
        "```",
        "````",
        "~~~",
        "|",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        " ",
        "    ",
        "\t",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "> ",
        "# ",
        "===",
        "---",
        "/close",
        "/merge",
        "http",
        "https://",
        "://",
        "www.",
        "a.b",
        "\\",
        "*",
        "_",
        "$",
        "\x1b",
        "[31m",
        "\x1b]0;",
        "\x07",
        "\u{200b}",
        "\u{202e}",
        "\u{2066}",
        "\u{feff}",
        "\u{e0041}",
        "\u{2028}",
        "\0",
        "{{",
        "}}",
        "{%",
        "é",
        "日",
        "\"",
        ";",
        "end",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// What must never be read in inert Markdown, whatever came in.
fn assert_inert(out: &str) {
    assert!(!out.contains('\n') && !out.contains('\r'), "line end: {out:?}");
    assert!(out.chars().all(|c| !c.is_control() && c != '\u{200b}' && c != '\u{202e}'), "hidden: {out:?}");
    let tagless = out.replace("<br>", "");
    assert!(!tagless.contains(['<', '>', '|']), "tag or cell: {out:?}");
    let mut chars = tagless.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let rest = &tagless[at + c.len_utf8()..];
        match c {
            '\\' => {
                let escaped = chars.next().map(|(_, c)| c);
                assert!(escaped.is_some_and(|c| c.is_ascii_punctuation()), "backslash: {out:?}");
            }
            '`' | '*' | '[' | ']' | '~' | '$' => panic!("unescaped {c}: {out:?}"),
            '@' => assert!(rest.starts_with("&#8203;"), "mention: {out:?}"),
            '#' if tagless[..at].ends_with('&') => {}
            '#' | '!' => assert!(!rest.starts_with(|c: char| c.is_ascii_digit()), "reference: {out:?}"),
            ':' => assert!(!rest.starts_with("//"), "address: {out:?}"),
            '&' => assert!(
                ["amp;", "lt;", "gt;", "#124;", "#8203;"].iter().any(|e| rest.starts_with(e)),
                "entity: {out:?}"
            ),
            _ => {}
        }
    }
    let first = out.chars().next();
    assert!(!first.is_some_and(|c| "#+-=:/ \t".contains(c)), "block: {out:?}");
    let digits = out.trim_start_matches(|c: char| c.is_ascii_digit());
    assert!(digits.len() == out.len() || !digits.starts_with(['.', ')']), "ordinal: {out:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_values_stay_inert_in_a_line(text in hostile()) {
        let out = markdown::inline(&text);
        assert_inert(&out);
    }

    #[test]
    fn hostile_values_stay_inert_in_a_cell(text in hostile()) {
        let out = markdown::cell(&text);
        assert_inert(&out);
        prop_assert!(!out.contains("<br>"));
    }

    #[test]
    fn hostile_values_cannot_leave_a_block(text in hostile()) {
        let out = markdown::code(&text, "text");
        let lines: Vec<_> = out.lines().collect();
        let fence = lines[0].trim_end_matches("text");
        prop_assert!(fence.len() >= 3 && fence.bytes().all(|b| b == b'`'));
        let (last, inner) = lines[1..].split_last().unwrap();
        prop_assert_eq!(*last, fence);
        for line in inner {
            prop_assert!(!line.contains(fence) && !line.starts_with('/') && !line.contains('\x1b'), "{:?}", out);
        }
    }

    #[test]
    fn hostile_values_cannot_leave_a_label(text in hostile()) {
        let label = markdown::mermaid(&text);
        prop_assert!(!label.contains(['"', '\n', '<', '>', '`', '[', ']', '{', '}', '&', '%', '|', '\\']), "{:?}", label);
    }

    #[test]
    fn hostile_values_cannot_end_a_marker(text in hostile()) {
        let marker = markdown::marker(&text);
        prop_assert!(!marker.contains(['<', '>', '\n', ' ', ':']) && !marker.contains("--"));
    }

    #[test]
    fn hostile_values_have_no_effect_in_a_commit_message(text in hostile()) {
        let subject = plain::cut(&plain::message_line(&text), 72);
        prop_assert!(subject.chars().count() <= 72 && !subject.contains('\n'));
        let body = plain::message_body(&text);
        for line in body.lines() {
            prop_assert!(!line.starts_with('#') && !line.starts_with("---"), "{:?}", body);
            prop_assert!(!line.split_once(':').is_some_and(|(token, _)| {
                !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            }), "{:?}", body);
        }
        for text in [&subject, &body] {
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            let reference = text.match_indices('#').any(|(at, _)| {
                text[at + 1..].starts_with(|c: char| c.is_ascii_digit())
            });
            prop_assert!(!reference, "{:?}", text);
        }
    }
}
