//! The sprint's page with charts in a real browser: Debian's Chromium, headless and without a network. A machine
//! without Chromium passes it over, unless `PACE_NEEDS_CHROMIUM` is set. The pictures stay in `target/sprint-page`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::binary::own_variable;
use crate::browser::{Heard, Look, Tab};

/// Contrast of text that WCAG 2 asks for at level AA.
const READABLE: f64 = 4.5;

/// The page that the scenario of five days leaves behind.
fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/five-day-sprint/expected/pace/report.html")
}

#[test]
fn the_page_is_drawn_named_and_readable_on_a_phone_and_in_the_dark() {
    let Some(browser) =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|p| Path::new(p).exists())
    else {
        assert!(own_variable("PACE_NEEDS_CHROMIUM").is_none(), "Chromium is not installed");
        eprintln!("passed over: Chromium is not installed");
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sprint-page");
    std::fs::create_dir_all(&folder).unwrap();
    let mut backs = vec![];
    for (name, width, phone, dark) in [
        ("phone", 375, true, false),
        ("phone-dark", 375, true, true),
        ("desktop", 1280, false, false),
        ("desktop-dark", 1280, false, true),
    ] {
        let mut tab = Tab::open(browser, &page(), Look { width, phone, dark });
        assert_eq!(tab.value("innerWidth"), width, "{name}");
        assert_eq!(tab.value("document.documentElement.scrollWidth"), width, "{name} scrolls sideways");
        charts_are_drawn(&mut tab, name);
        texts_are_readable(&mut tab, name);
        everything_has_a_name(&tab.read_aloud());
        backs.push(tab.value("getComputedStyle(document.body).backgroundColor"));
        let picture = tab.picture();
        assert!(picture.len() > 10_000, "{name}: {} bytes", picture.len());
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
        assert_eq!(tab.complaints(), Vec::<String>::new(), "{name}");
    }
    assert_eq!((&backs[0], &backs[1]), (&backs[2], &backs[3]));
    assert_ne!(backs[0], backs[1], "dark mode looks like the other one");
}

/// Four charts, each as wide as its column, with bars of an area inside it.
fn charts_are_drawn(tab: &mut Tab, look: &str) {
    let charts = tab.value(
        "[...document.querySelectorAll('svg[role=img]')].map(svg => {
            const place = svg.getBoundingClientRect();
            const bars = [...svg.querySelectorAll('rect')].map(bar => bar.getBoundingClientRect());
            return {
                width: place.width,
                column: svg.parentElement.clientWidth,
                drawn: bars.filter(bar => bar.width * bar.height > 0).length,
                outside: bars.filter(bar => bar.left < place.left - 1 || bar.right > place.right + 1).length,
            };
        })",
    );
    let charts = charts.as_array().unwrap();
    assert_eq!(charts.len(), 4, "{look}");
    for chart in charts {
        assert!(chart["drawn"].as_u64().unwrap() >= 2, "{look}: nothing is drawn: {chart}");
        assert_eq!(chart["outside"], 0, "{look}: {chart}");
        assert_eq!(chart["width"], chart["column"], "{look}: {chart}");
    }
}

/// Every colour of text stands out from what lies behind it.
fn texts_are_readable(tab: &mut Tab, look: &str) {
    let colours = tab.value(
        "(() => {
            const back = getComputedStyle(document.body).backgroundColor;
            const plain = [...document.querySelectorAll('h1, h2, p, li, dt, dd, th, td, figcaption, .soft')]
                .map(node => [node.tagName, getComputedStyle(node).color, back]);
            const drawn = [...document.querySelectorAll('svg text:not(.sign)')]
                .map(node => ['svg text', getComputedStyle(node).fill, back]);
            const signs = [...document.querySelectorAll('svg .sign')]
                .map(node => ['sign', getComputedStyle(node).fill, getComputedStyle(node.previousElementSibling).fill]);
            return [...plain, ...drawn, ...signs];
        })()",
    );
    for row in colours.as_array().unwrap() {
        let colour = |at: usize| luminance(row[at].as_str().unwrap());
        let (text, back) = (colour(1), colour(2));
        let contrast = (text.max(back) + 0.05) / (text.min(back) + 0.05);
        let least = if row[0] == "sign" { 3.0 } else { READABLE };
        assert!(contrast >= least, "{look}: {row} has a contrast of {contrast:.2}");
    }
}

/// Relative luminance of `rgb(…)` as WCAG 2 defines it.
fn luminance(colour: &str) -> f64 {
    let inside = colour.trim_start_matches("rgba(").trim_start_matches("rgb(").trim_end_matches(')');
    let parts: Vec<f64> = inside.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    assert!(parts.len() >= 3, "{colour}");
    let linear = |part: f64| {
        let part = part / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(parts[0]) + 0.7152 * linear(parts[1]) + 0.0722 * linear(parts[2])
}

/// What a screen reader meets: each chart as one image whose name holds its figures, one main part, headings, a table
/// with headers, and nothing that can be reached or seen but has no name.
fn everything_has_a_name(heard: &[Heard]) {
    let of = |role: &str| -> Vec<&str> {
        heard.iter().filter(|h| h.role == role).map(|h| h.name.as_str()).collect()
    };
    let images = of("image");
    let titles = ["Verdicts by day and agent", "Cost by day", "Runs by day", "Open advisories by day"];
    assert_eq!(images.len(), titles.len(), "{heard:#?}");
    for (image, title) in images.iter().zip(titles) {
        assert!(image.starts_with(title), "{image}");
        for day in 1..=5 {
            assert!(image.contains(&format!("Day {day}: ")), "day {day} is not told: {image}");
        }
    }
    assert_eq!(of("main").len(), 1, "{heard:#?}");
    assert_eq!(of("heading")[1..], ["Verdicts", "Costs", "Retries", "Open advisories", "Days"]);
    assert_eq!(of("region"), ["Days of the sprint"]);
    assert_eq!(of("columnheader"), ["Day", "Story", "Status", "Runs", "Estimated", "Actual"]);
    assert_eq!(of("rowheader"), ["1", "2", "3", "4", "5"]);
    let wants = ["image", "link", "button", "heading", "region", "columnheader", "rowheader", "RootWebArea"];
    for thing in heard {
        let nameless = thing.name.trim().is_empty();
        assert!(!(nameless && (thing.focusable || wants.contains(&thing.role.as_str()))), "{thing:?}");
    }
}

#[test]
fn luminances_are_those_of_the_definition() {
    assert!(luminance("rgb(0, 0, 0)") < 1e-9 && (luminance("rgba(255, 255, 255, 1)") - 1.0).abs() < 1e-9);
    assert_eq!(Value::from(0.2159), Value::from((luminance("rgb(128, 128, 128)") * 1e4).round() / 1e4));
}
