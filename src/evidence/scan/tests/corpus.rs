//! Made-up secrets and innocent look-alikes, grown from the templates in `tests/data/secrets` by a seeded generator:
//! nothing that looks like a key stands in the repository. Recall and precision are held against a floor.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::evidence::scan::place::decoded;
use crate::evidence::scan::{Hit, Kind, redact, redact_all, scan};

const KINDS: &str = include_str!("../../../../tests/data/secrets/kinds.yaml");
const INNOCENT: &str = include_str!("../../../../tests/data/secrets/innocent.yaml");
const SAMPLES: u32 = 3;

pub(super) struct Sample {
    /// What it is: the kind of secret, or the template of a look-alike.
    pub label: String,
    pub path: String,
    pub text: String,
    /// The longest made-up parts: none of them may be shown where the sample is a secret.
    pub values: Vec<String>,
}

pub(super) fn secrets() -> Vec<Sample> {
    samples(KINDS)
}

pub(super) fn innocents() -> Vec<Sample> {
    samples(INNOCENT)
}

#[derive(Deserialize)]
struct Template {
    #[serde(default)]
    kind: String,
    path: String,
    text: String,
}

fn samples(templates: &str) -> Vec<Sample> {
    let templates: Vec<Template> = serde_saphyr::from_str(templates).unwrap();
    let mut samples = Vec::new();
    for (number, template) in templates.iter().enumerate() {
        for seed in 0..SAMPLES {
            let mut random = fastrand::Rng::with_seed(number as u64 * 1000 + u64::from(seed));
            let (text, values) = fill(&template.text, &mut random);
            let label = if template.kind.is_empty() { template.text.clone() } else { template.kind.clone() };
            samples.push(Sample { label, path: template.path.clone(), text: text + "\n", values });
        }
    }
    samples
}

fn fill(template: &str, random: &mut fastrand::Rng) -> (String, Vec<String>) {
    let slot = regex::Regex::new(r"\{(?:(uuid|name|NAME)|([A-Za-z]\w*):(\d+))\}").unwrap();
    let mut values = Vec::new();
    let text = slot.replace_all(template, |found: &regex::Captures<'_>| {
        let value = match (found.get(1).map(|m| m.as_str()), found.get(2)) {
            (Some("uuid"), _) => uuid(random),
            (Some("name"), _) => name(random),
            (Some(_), _) => name(random).to_uppercase(),
            (None, Some(alphabet)) => characters(alphabet.as_str(), found[3].parse().unwrap(), random),
            (None, None) => unreachable!("the slot's expression has two branches"),
        };
        values.push(value.clone());
        value
    });
    (text.into_owned(), values)
}

fn characters(alphabet: &str, length: usize, random: &mut fastrand::Rng) -> String {
    const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
    const DIGITS: &str = "0123456789";
    let letters = match alphabet {
        "an" => format!("{UPPER}{LOWER}{DIGITS}"),
        "al" => format!("{LOWER}{DIGITS}"),
        "au" => format!("{UPPER}{DIGITS}"),
        "hex" => format!("{DIGITS}abcdef"),
        "HEX" => format!("{DIGITS}ABCDEF"),
        "d" => DIGITS.into(),
        "b32" => format!("{UPPER}234567"),
        "b64" | "b64lines" => format!("{UPPER}{LOWER}{DIGITS}+/"),
        "b64u" | "w" => format!("{UPPER}{LOWER}{DIGITS}_-"),
        "lc" => LOWER.into(),
        "alpha" => format!("{UPPER}{LOWER}"),
        "bech" => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".into(),
        "pass" => return password(length, random),
        other => panic!("no alphabet {other}"),
    };
    let letters: Vec<char> = letters.chars().collect();
    let mut value = String::new();
    for at in 0..length {
        if alphabet == "b64lines" && at > 0 && at % 64 == 0 {
            value.push('\n');
        }
        // A value that ends in a mark is cut short by every rule and every reader.
        let last = at + 1 == length;
        let choice = random.choice(&letters).copied().unwrap();
        value.push(if last && !choice.is_ascii_alphanumeric() { 'k' } else { choice });
    }
    value
}

/// Letters, a digit, a mark, as forms demand it.
fn password(length: usize, random: &mut fastrand::Rng) -> String {
    let marks = ['!', '@', '#', '&', '?', '+'];
    let mut value = characters("an", length - 3, random);
    value.insert(length / 2, random.choice(marks).unwrap());
    value.push(random.digit(10));
    value.push(random.choice(marks).unwrap());
    value
}

fn uuid(random: &mut fastrand::Rng) -> String {
    let mut part = |length| characters("hex", length, random);
    format!("{}e-{}-4{}-a{}-{}", part(7), part(4), part(3), part(3), part(11) + "1")
}

fn name(random: &mut fastrand::Rng) -> String {
    let words = [
        "order", "basket", "invoice", "courier", "ledger", "harbour", "meadow", "lantern", "copper", "violet",
    ];
    format!("{}_{}", random.choice(words).unwrap(), random.choice(words).unwrap())
}

/// Finds that speak of secrets.
pub(super) fn found(sample: &Sample) -> Vec<Hit> {
    let hits = scan(&sample.path, sample.text.as_bytes());
    hits.into_iter().filter(|hit| hit.kind != Kind::HiddenUnicode).collect()
}

pub(super) struct Figures {
    pub recall: f64,
    pub precision: f64,
    pub missed: BTreeSet<String>,
    pub wrong: BTreeMap<String, Vec<&'static str>>,
}

pub(super) fn figures() -> Figures {
    let (secrets, innocents) = (secrets(), innocents());
    let missed: Vec<_> = secrets.iter().filter(|sample| found(sample).is_empty()).collect();
    let wrong: Vec<_> =
        innocents.iter().map(|s| (s, found(s))).filter(|(_, hits)| !hits.is_empty()).collect();
    let right = (secrets.len() - missed.len()) as f64;
    Figures {
        recall: right / secrets.len() as f64,
        precision: right / (right + wrong.len() as f64),
        missed: missed.iter().map(|sample| sample.label.clone()).collect(),
        wrong: wrong
            .iter()
            .map(|(sample, hits)| (sample.label.clone(), hits.iter().map(|hit| hit.rule).collect()))
            .collect(),
    }
}

#[test]
fn recall_and_precision_do_not_fall() {
    let (secrets, innocents) = (secrets(), innocents());
    let kinds: BTreeSet<_> = secrets.iter().map(|sample| &sample.label).collect();
    assert!(kinds.len() >= 40 && innocents.len() >= 200, "{} kinds, {}", kinds.len(), innocents.len());
    let figures = figures();
    assert!(figures.recall >= 0.97, "recall {:.3}, missed {:?}", figures.recall, figures.missed);
    assert!(figures.precision >= 0.97, "precision {:.3}, wrong {:?}", figures.precision, figures.wrong);
}

#[test]
fn nothing_of_a_value_is_shown() {
    for sample in secrets() {
        let hits = found(&sample);
        let shown = redact_all(&sample.path, &sample.text);
        let masked = redact(&sample.text);
        let debug = format!("{hits:?}");
        // A key may stand in parts; the longest one is what makes it secret.
        let Some(value) = sample.values.iter().max_by_key(|value| value.len()) else { continue };
        assert!(!debug.contains(value.as_str()), "{}", sample.label);
        if !hits.is_empty() {
            assert!(!shown.contains(value.as_str()), "{}: {shown}", sample.label);
        }
        if hits.iter().any(|hit| hit.kind == Kind::Provider) {
            assert!(!masked.contains(value.as_str()), "{}: {masked}", sample.label);
        }
        assert_eq!(redact(&masked), masked, "{}: masking twice", sample.label);
    }
}

#[test]
fn a_find_names_its_place() {
    let key = "x".to_owned() + &characters("b32", 15, &mut fastrand::Rng::with_seed(7));
    let text = format!("import os\r\n\r\n  KEY = \"AKIA{}\"  # prod\n", key.to_uppercase());
    let hits = scan("src/a.py", text.as_bytes());
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!((hits[0].rule, hits[0].line, hits[0].columns), ("aws-access-token", 3, (10, 30)));
    let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(scan("src/a.py", &decoded(&wide)).len(), 1, "UTF-16");
    let binary = [b"\0\0\0".as_slice(), text.as_bytes()].concat();
    assert_eq!(scan("a.bin", &binary).len(), 1, "binary");
}
