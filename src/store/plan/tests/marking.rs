//! Marking a day as shipped in plans whose layout makes that hard.

use super::super::{mark_shipped, parse};

const AT: &str = "2026-03-13T05:47:11Z";

/// Marks `day` and shows the change as the lines that went (`-`) and came (`+`).
fn change(text: &str, day: u32) -> String {
    let edited = mark_shipped(text, day, AT).unwrap().unwrap();
    let before = parse("p", text).unwrap().plan;
    let mut after = parse("p", &edited).unwrap().plan;
    assert!(after.days[&day].shipped);
    after.days.get_mut(&day).unwrap().shipped = before.days[&day].shipped;
    assert_eq!(before, after);
    let again = mark_shipped(&edited, day, AT).unwrap().unwrap();
    assert_eq!(again, edited, "marking twice changes nothing");

    let (old, new): (Vec<&str>, Vec<&str>) = (lines(text), lines(&edited));
    let gone = old.iter().filter(|l| !new.contains(l)).map(|l| format!("-{l}"));
    let come = new.iter().filter(|l| !old.contains(l)).map(|l| format!("+{l}"));
    gone.chain(come).collect::<Vec<_>>().join("|").replace('\r', "␍").replace(AT, "T")
}

fn lines(text: &str) -> Vec<&str> {
    text.split('\n').collect()
}

/// Layout, plan, and the lines that go and come when day 1 is marked.
const LAYOUTS: &[(&str, &str, &str)] = &[
    (
        "a status in place",
        "stories:\n  - id: story-1\n    title: A\n    status: pending # soon\n",
        "-    status: pending # soon|+    status: shipped # soon|+    shipped_at: \"T\"",
    ),
    (
        "nothing yet, comments everywhere",
        "# top\nstories:   # list\n  # before\n  - id: story-1  # the id\n    # between\n    title: A #1: not a comment\n    # after\n",
        "+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "a date in place, no final line end",
        "stories:\n- id: story-1\n  title: A\n  status: pending\n  shipped_at: \"old\"",
        "-  status: pending|-  shipped_at: \"old\"|+  status: shipped|+  shipped_at: \"T\"",
    ),
    ("no final line end", "stories:\n- title: A\n  id: story-1", "+  status: shipped|+  shipped_at: \"T\""),
    (
        "CRLF",
        "stories:\r\n- id: story-1\r\n  title: A\r\n- id: story-2\r\n  title: B\r\n",
        "+  status: shipped␍|+  shipped_at: \"T\"␍",
    ),
    (
        "CRLF, a title of two lines",
        "stories:\r\n- id: story-1\r\n  title: A\r\n    more\r\n  status: pending\r\n",
        "-  status: pending␍|+  status: shipped␍|+  shipped_at: \"T\"␍",
    ),
    (
        "flow style in one line",
        "stories: [{id: story-1, title: A}, {id: story-2, title: B}]\n",
        "-stories: [{id: story-1, title: A}, {id: story-2, title: B}]|+stories: [{id: story-1, title: A, status: shipped, shipped_at: \"T\"}, {id: story-2, title: B}]",
    ),
    (
        "a flow story below a dash",
        "stories:\n  - {id: story-1, title: A, status: pending} # c\n",
        "-  - {id: story-1, title: A, status: pending} # c|+  - {id: story-1, title: A, status: shipped, shipped_at: \"T\"} # c",
    ),
    (
        "flow style over lines, with comments and a trailing comma",
        "stories:\n  - {\n      id: story-1, # c\n      title: A, # d\n    }\n",
        "-      title: A, # d|+      title: A, status: shipped, shipped_at: \"T\", # d",
    ),
    (
        "JSON stays JSON",
        "{\"stories\": [{\"id\": \"story-1\", \"title\": \"A\"}]}\n",
        "-{\"stories\": [{\"id\": \"story-1\", \"title\": \"A\"}]}|+{\"stories\": [{\"id\": \"story-1\", \"title\": \"A\", \"status\": \"shipped\", \"shipped_at\": \"T\"}]}",
    ),
    (
        "a block title that looks like keys",
        "stories:\n  - title: |\n      status: pending\n      id: story-1\n    id: story-1\n",
        "+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "a folded title with a blank line",
        "stories:\n  - id: story-1\n    title: >-\n      A\n\n      status: pending\n    notes: x\n",
        "+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "a status without value",
        "stories:\n  - id: story-1\n    title: A\n    status:   # todo\n    notes: x\n",
        "-    status:   # todo|+    status: shipped   # todo|+    shipped_at: \"T\"",
    ),
    (
        "a status without value at the very end",
        "stories:\n  - id: story-1\n    title: A\n    status:",
        "-    status:|+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "single quotes",
        "stories:\n  - id: 'story-1'\n    title: \"A\"\n    status: 'pending'\n    shipped_at: ''\n",
        "-    status: 'pending'|-    shipped_at: ''|+    status: 'shipped'|+    shipped_at: 'T'",
    ),
    (
        "double-quoted keys",
        "stories:\n  - \"id\": \"story-1\"\n    \"title\": \"A\"\n    \"status\": \"pending\"\n",
        "-    \"status\": \"pending\"|+    \"status\": \"shipped\"|+    shipped_at: \"T\"",
    ),
    (
        "an alias as status",
        "x: &s pending\nstories:\n  - id: story-1\n    title: A\n    status: *s\n",
        "-    status: *s|+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "a merged status is overridden",
        "base: &b {status: pending}\nstories:\n  - <<: *b\n    id: story-1\n    title: A\n",
        "+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "wide indentation",
        "stories:\n      -   id: story-1\n          title: A\n",
        "+          status: shipped|+          shipped_at: \"T\"",
    ),
    (
        "keys below the dash",
        "stories:\n  -\n    id: story-1\n    title: A\n",
        "+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "tabs around comments",
        "stories:\n  - id: story-1\t# tab\there\n    title: A\t\n",
        "+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "directive and document marks",
        "%YAML 1.2\n---\nstories:\n  - id: story-1\n    title: A\n...\n",
        "+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "BOM",
        "\u{feff}stories:\n  - id: story-1\n    title: Ä\n    status: pending\n",
        "-    status: pending|+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "wide characters before the place",
        "# ünï 😀\nstories:\n  - id: story-1\n    title: 😀 ß\n    status: pending # 😀\n",
        "-    status: pending # 😀|+    status: shipped # 😀|+    shipped_at: \"T\"",
    ),
    (
        "a quoted title over two lines",
        "stories:\n  - id: story-1\n    title: \"A\n      B\"\n",
        "+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "criteria that look like keys",
        "stories:\n  - id: story-1\n    title: A\n    acceptance_criteria:\n      - \"status: pending\"\n      - |\n        status: pending soon\n    status: pending\n",
        "-    status: pending|+    status: shipped|+    shipped_at: \"T\"",
    ),
    (
        "tags",
        "stories:\n  - id: !!str story-1\n    title: A\n    status: !!str pending\n",
        "-    status: !!str pending|+    status: !!str shipped|+    shipped_at: \"T\"",
    ),
    (
        "values below their keys",
        "stories:\n  - id: story-1\n    title:\n      A\n    status:\n      pending\n",
        "-      pending|+      shipped|+    shipped_at: \"T\"",
    ),
];

#[test]
fn only_the_status_lines_change() {
    for (name, text, expected) in LAYOUTS {
        assert_eq!(change(text, 1), *expected, "{name}");
    }
}

#[test]
fn only_the_named_day_is_touched() {
    let text = "stories:\n- id: story-10\n  title: A\n- id: story-1\n  title: B\n- id: story-2\n  title: C\n";
    let edited = mark_shipped(text, 2, AT).unwrap().unwrap();
    assert_eq!(
        edited,
        format!("{text}  status: shipped\n  shipped_at: \"{AT}\"\n"),
        "story-2 is the last one"
    );
}

#[test]
fn days_that_are_not_stories_by_id_are_left_alone() {
    for text in
        ["days:\n- day: 1\n  stories: [{title: A}]\n", "days:\n- day: 1\n  target: A\n  status: pending\n"]
    {
        assert_eq!(mark_shipped(text, 1, AT).unwrap(), None, "{text}");
    }
}

#[test]
fn what_cannot_be_edited_alone_is_refused() {
    for (name, text, expected) in [
        (
            "a block scalar as status",
            "stories:\n- id: story-1\n  title: A\n  status: |\n    pending\n",
            "by hand",
        ),
        ("explicit keys", "stories:\n- ? id\n  : story-1\n  ? title\n  : A\n", "by hand"),
        (
            "a status that another story shares",
            "stories:\n- id: story-1\n  title: A\n  status: &s pending\n- id: story-2\n  title: B\n  status: *s\n",
            "by hand",
        ),
        ("a story that stands elsewhere", "x: &x {id: story-1, title: A}\nstories:\n- *x\n", "by hand"),
        ("no such day", "stories:\n- id: story-2\n  title: A\n", "story-1 is not in the plan"),
        ("not YAML", "stories: [", "1:10: "),
    ] {
        let error = mark_shipped(text, 1, AT).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn a_plan_on_one_line_ends_up_readable() {
    let edited = mark_shipped("{stories: [{id: story-1, title: \"A, B: C\"}]}", 1, AT).unwrap();
    let expected =
        format!("{{stories: [{{id: story-1, title: \"A, B: C\", status: shipped, shipped_at: \"{AT}\"}}]}}");
    assert_eq!(edited, Some(expected));
}
