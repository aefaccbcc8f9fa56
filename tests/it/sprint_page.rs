//! The sprint's page with charts in a real browser: Debian's Chromium, headless and without a network. A machine
//! without Chromium passes it over, unless `PACE_NEEDS_CHROMIUM` is set.

use std::path::{Path, PathBuf};

use regex::Regex;

use crate::binary::own_variable;

/// The page that the scenario of five days leaves behind.
fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/five-day-sprint/expected/pace/report.html")
}

#[test]
fn charts_are_drawn_named_and_quiet_in_a_browser() {
    let Some(browser) =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|p| Path::new(p).exists())
    else {
        assert!(own_variable("PACE_NEEDS_CHROMIUM").is_none(), "Chromium is not installed");
        eprintln!("passed over: Chromium is not installed");
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sprint-page");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, width, dark) in [("phone", 390, false), ("desktop-dark", 1280, true)] {
        let shot = folder.join(format!("{name}.png"));
        drop(std::fs::remove_file(&shot));
        let (dom, log) = open(browser, &shot, width, dark);
        let console: Vec<_> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
        assert!(console.is_empty(), "{console:?}");
        assert!(shot.metadata().is_ok_and(|file| file.len() > 10_000), "{} is empty:\n{log}", shot.display());
        charts_have_names(&dom);
    }
}

/// The page as the browser built it, and what the browser logged; a screenshot is left at `shot`.
#[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
fn open(browser: &str, shot: &Path, width: u32, dark: bool) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(browser);
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--disable-background-networking", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={width},2400"))
        .arg(format!("--screenshot={}", shot.display()));
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    let output = command.arg(format!("file://{}", page().display())).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

/// Every chart is one image to a screen reader, with a name and a description that hold its figures.
fn charts_have_names(dom: &str) {
    let chart = Regex::new(r#"(?s)<svg role="img" aria-labelledby="([^"]+)".*?</svg>"#).unwrap();
    let charts: Vec<_> = chart.captures_iter(dom).collect();
    assert_eq!(charts.len(), 4, "{dom}");
    for chart in &charts {
        assert!(chart[0].contains("<rect "), "nothing is drawn: {}", &chart[0]);
        let words: Vec<String> = chart[1]
            .split_whitespace()
            .map(|id| {
                let named = Regex::new(&format!(r#"(?s)<(?:title|desc) id="{id}">(.*?)</"#)).unwrap();
                named.captures(&chart[0]).unwrap_or_else(|| panic!("{id} names nothing"))[1].to_owned()
            })
            .collect();
        assert_eq!(words.len(), 2);
        assert!(!words[0].trim().is_empty());
        for day in 1..=5 {
            assert!(words[1].contains(&format!("Day {day}: ")), "day {day} is not told: {words:?}");
        }
    }
    assert_eq!(Regex::new(r"<main>").unwrap().find_iter(dom).count(), 1);
    assert!(dom.contains(r#"<html lang="en">"#) && dom.contains("<th scope=\"row\">5</th>"));
}
