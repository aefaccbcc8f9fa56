//! What models cost: an embedded, dated list and the user's own on top. Knows no money spent.
//!
//! `scripts/prices` makes `prices.json` from LiteLLM's price list (MIT); it names version and date. It has the chat
//! models of Anthropic, OpenAI, Google, Mistral, Groq and DeepSeek that are on offer, with the rates of calls with very
//! long prompts (above 100,000 to 272,000 tokens) where a model has them; batch and priority rates are not in it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::domain::money::{LongPrice, Price};

/// Prefixes under which gateways offer a provider's model at the provider's price.
const PROVIDERS: [&str; 11] = [
    "anthropic",
    "openai",
    "gemini",
    "google",
    "vertex_ai",
    "mistral",
    "mistralai",
    "groq",
    "deepseek",
    "models",
    "openrouter",
];

/// Above this, dollars per million tokens are a slip of the pen.
const ABSURD: f64 = 100_000.0;
/// Below this, a price was given per token.
const PER_TOKEN: f64 = 0.000_1;

/// Prices by model.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Prices {
    dated: String,
    models: BTreeMap<String, Price>,
}

impl Prices {
    /// The list that pace ships with. Tests hold it readable; were it not, every model would be unknown, none free.
    pub(crate) fn embedded() -> Self {
        serde_json::from_str(include_str!("prices.json")).unwrap_or_default()
    }

    /// The embedded list, with what `text` says on top: YAML or JSON, model → `input`, `output` and optionally
    /// `cache_read` (default: `input`) and `cache_write` (default: 1.25 × `input`, the dearest in use), in US dollars
    /// per million tokens; `long` holds `above` (tokens of the prompt) and the same four for calls with a longer prompt.
    /// `path` is for messages.
    ///
    /// # Errors
    /// All problems, each with file and line.
    pub(crate) fn with_override(path: &Path, text: &str) -> Result<Self, Vec<String>> {
        let path = path.display();
        let rows: BTreeMap<String, Spanned<Value>> =
            serde_saphyr::from_str(text).map_err(|error| vec![format!("{path}: {}", error.render())])?;
        let mut prices = Self::embedded();
        let mut problems = Vec::new();
        for (model, row) in rows {
            match read_row(&row.value) {
                Ok(price) => {
                    prices.models.insert(model, price);
                }
                Err(found) => {
                    let line = row.referenced.line();
                    problems.extend(found.into_iter().map(|p| format!("{path}:{line}: {model}: {p}")));
                }
            }
        }
        if problems.is_empty() { Ok(prices) } else { Err(problems) }
    }

    /// The price of a model: under its own name, else without a provider's prefix, else with another release date of
    /// the same model, where all of these cost the same. Never a guess from a similar name.
    pub(crate) fn price(&self, model: &str) -> Option<Price> {
        let mut name = model;
        loop {
            if let Some(price) = self.models.get(name).copied().or_else(|| self.undated(name)) {
                return Some(price);
            }
            let (prefix, rest) = name.split_once('/')?;
            if !PROVIDERS.contains(&prefix) {
                return None;
            }
            name = rest;
        }
    }

    /// The date of the embedded list, `YYYY-MM-DD`.
    pub(crate) fn dated(&self) -> &str {
        &self.dated
    }

    fn undated(&self, name: &str) -> Option<Price> {
        let family = without_date(name);
        if let Some(price) = self.models.get(family) {
            return Some(*price);
        }
        let mut releases = self
            .models
            .iter()
            .filter(|(known, _)| known.len() > family.len() && without_date(known) == family)
            .map(|(_, price)| *price);
        let first = releases.next()?;
        releases.all(|other| other == first).then_some(first)
    }
}

/// The name without `-YYYYMMDD`, `@YYYYMMDD`, `-YYYY-MM-DD` or `-latest`.
fn without_date(name: &str) -> &str {
    if let Some(family) = name.strip_suffix("-latest") {
        return family;
    }
    let digits = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((family, date)) = name.rsplit_once(['-', '@'])
        && digits(date, 8)
    {
        return family;
    }
    let mut parts = name.rsplitn(4, '-');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(day), Some(month), Some(year), Some(family))
            if digits(day, 2) && digits(month, 2) && digits(year, 4) =>
        {
            family
        }
        _ => name,
    }
}

fn read_row(row: &Value) -> Result<Price, Vec<String>> {
    let mut price = read_rates(row, "long");
    let Some(long) = row.get("long").filter(|long| !long.is_null()) else { return price };
    match (&mut price, read_long(long)) {
        (Ok(price), Ok(long)) => price.long = Some(long),
        (Ok(_), Err(problems)) => price = Err(problems),
        (Err(problems), long) => problems.extend(long.err().into_iter().flatten()),
    }
    price
}

fn read_long(row: &Value) -> Result<LongPrice, Vec<String>> {
    let in_long = |problem: String| format!("`long`: {problem}");
    let rates = read_rates(row, "above");
    let above = row.get("above").and_then(Value::as_u64).filter(|above| *above > 0);
    let missing = || in_long("`above` must be the tokens of the prompt beyond which these rates hold".into());
    match (rates, above) {
        (Ok(Price { input, cache_write, cache_read, output, .. }), Some(above)) => {
            Ok(LongPrice { above, input, cache_write, cache_read, output })
        }
        (rates, above) => {
            let problems = rates.err().into_iter().flatten().map(in_long);
            Err(problems.chain(above.is_none().then(missing)).collect())
        }
    }
}

/// The four rates of a mapping that may also hold `more`.
fn read_rates(row: &Value, more: &str) -> Result<Price, Vec<String>> {
    let Value::Object(fields) = row else {
        return Err(vec!["expected a mapping with `input` and `output`".to_owned()]);
    };
    let mut problems = Vec::new();
    for key in fields.keys() {
        if !["input", "output", "cache_read", "cache_write", more].contains(&key.as_str()) {
            problems.push(format!(
                "unknown field `{key}`; known are input, output, cache_read, cache_write, {more}"
            ));
        }
    }
    let mut field = |key: &str, default: Option<f64>| {
        let price = match fields.get(key) {
            None | Some(Value::Null) => default.ok_or_else(|| format!("`{key}` is missing")),
            Some(value) => check(key, value),
        };
        price.unwrap_or_else(|problem| {
            problems.push(problem);
            0.0
        })
    };
    let input = field("input", None);
    let price = Price {
        input,
        cache_write: field("cache_write", Some(input * 1.25)),
        cache_read: field("cache_read", Some(input)),
        output: field("output", None),
        long: None,
    };
    if problems.is_empty() { Ok(price) } else { Err(problems) }
}

fn check(key: &str, value: &Value) -> Result<f64, String> {
    match value.as_f64() {
        Some(price) if price > 0.0 && price < PER_TOKEN => {
            Err(format!("`{key}: {value}` looks like a price per token; give US dollars per million tokens"))
        }
        Some(price) if (0.0..=ABSURD).contains(&price) => Ok(price),
        _ => Err(format!("`{key}: {value}` is no price; give US dollars per million tokens, 0 to {ABSURD}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_list_is_small_dated_and_free_of_free_models() {
        let prices = Prices::embedded();
        assert!(include_str!("prices.json").len() < 60_000);
        assert!(prices.dated().parse::<jiff::civil::Date>().is_ok(), "{:?}", prices.dated());
        assert!(include_str!("prices.json").contains("LiteLLM 1."), "names its source");
        assert!(prices.models.len() > 80, "{}", prices.models.len());
        for (model, price) in &prices.models {
            assert!(price.input > 0.0 && price.output > 0.0, "{model}");
            assert!(price.cache_read > 0.0 && price.cache_read <= price.input, "{model}");
            assert!(price.cache_write >= price.input, "{model}");
            if let Some(long) = price.long {
                assert!((100_000..=300_000).contains(&long.above), "{model}");
                assert!(long.input >= price.input && long.output >= price.output, "{model}");
                assert!(long.cache_read <= long.input && long.cache_write >= long.input, "{model}");
            }
        }
    }

    #[test]
    fn the_default_model_is_priced() {
        let price = Prices::embedded().price("claude-sonnet-4-6").unwrap();
        let expected = Price { input: 3.0, cache_write: 3.75, cache_read: 0.3, output: 15.0, long: None };
        assert_eq!(price, expected);
    }

    #[test]
    fn names_are_found_by_prefix_and_date_but_never_by_likeness() {
        let prices = Prices::embedded();
        for (name, known_as) in [
            ("anthropic/claude-sonnet-4-6", Some("claude-sonnet-4-6")),
            ("openrouter/anthropic/claude-sonnet-4-6", Some("claude-sonnet-4-6")),
            ("claude-sonnet-4-6-20260217", Some("claude-sonnet-4-6")),
            ("claude-sonnet-4-6@20260217", Some("claude-sonnet-4-6")),
            ("claude-sonnet-4-6-latest", Some("claude-sonnet-4-6")),
            ("gpt-4.1-2031-01-01", Some("gpt-4.1")),
            ("groq/openai/gpt-oss-120b", Some("openai/gpt-oss-120b")),
            ("models/gemini-2.5-pro", Some("gemini-2.5-pro")),
            ("claude-sonnet-4-60", None),
            ("claude-sonnet-4", None),
            ("claude-sonnet-4-6-mini", None),
            ("my-team/gpt-4.1", None),
            ("ft:gpt-4.1:acme", None),
            ("gpt-4.1-20260101-x", None),
            ("llama3.2", None),
            ("", None),
            ("/", None),
        ] {
            let expected = known_as.map(|known| prices.models[known]);
            assert_eq!(prices.price(name), expected, "{name}");
        }
    }

    #[test]
    fn releases_that_differ_in_price_are_not_mixed_up() {
        let text = "m-20250101: {input: 1, output: 2}\nm-20250202: {input: 2, output: 2}\n";
        let prices = Prices::with_override(Path::new("p"), text).unwrap();
        assert_eq!(prices.price("m"), None);
        assert_eq!(prices.price("m-20250303"), None);
        assert!(prices.price("m-20250101").is_some());
    }

    #[test]
    fn an_override_wins_and_fills_in_what_it_leaves_out() {
        let text = r#"{"claude-sonnet-4-6": {"input": 2, "output": 8, "cache_read": 0.2},
                       "llama3.2": {"input": 0, "output": 0}}"#;
        let prices = Prices::with_override(Path::new("p.json"), text).unwrap();
        let price = prices.price("claude-sonnet-4-6").unwrap();
        assert_eq!((price.input, price.cache_write, price.cache_read, price.output), (2.0, 2.5, 0.2, 8.0));
        assert_eq!(prices.price("llama3.2").unwrap().output, 0.0);
        assert!(prices.price("gpt-4.1").is_some());
    }

    #[test]
    fn long_prompts_have_their_rates_in_the_list_and_in_an_override() {
        let long = Prices::embedded().price("gemini-2.5-pro").unwrap().long.unwrap();
        assert_eq!((long.above, long.input, long.output), (200_000, 2.5, 15.0));
        let text = "m: {input: 1, output: 2, long: {above: 1000, input: 2, output: 3, cache_read: 0.5}}";
        let price = Prices::with_override(Path::new("p"), text).unwrap().price("m").unwrap();
        let expected = LongPrice { above: 1_000, input: 2.0, cache_write: 2.5, cache_read: 0.5, output: 3.0 };
        assert_eq!(price.long, Some(expected));
        let bad = "m: {input: 1, output: 2, long: {input: x, outputs: 3}}";
        assert_eq!(
            Prices::with_override(Path::new("p"), bad).unwrap_err(),
            [
                "p:1: m: `long`: unknown field `outputs`; known are input, output, cache_read, cache_write, above",
                "p:1: m: `long`: `input: \"x\"` is no price; give US dollars per million tokens, 0 to 100000",
                "p:1: m: `long`: `output` is missing",
                "p:1: m: `long`: `above` must be the tokens of the prompt beyond which these rates hold",
            ]
        );
    }

    #[test]
    fn a_bad_override_names_every_problem_with_its_line() {
        let text = "a: {input: -1, output: x}\nb:\n  input: 0.000003\n  output: 1\n  cached: 2\nc: 3\nd: {input: 1}\n";
        let problems = Prices::with_override(Path::new("my.yaml"), text).unwrap_err();
        assert_eq!(
            problems,
            [
                "my.yaml:1: a: `input: -1` is no price; give US dollars per million tokens, 0 to 100000",
                "my.yaml:1: a: `output: \"x\"` is no price; give US dollars per million tokens, 0 to 100000",
                "my.yaml:3: b: unknown field `cached`; known are input, output, cache_read, cache_write, long",
                "my.yaml:3: b: `input: 3e-6` looks like a price per token; give US dollars per million tokens",
                "my.yaml:6: c: expected a mapping with `input` and `output`",
                "my.yaml:7: d: `output` is missing",
            ]
        );
        let broken = Prices::with_override(Path::new("my.yaml"), "a: [").unwrap_err();
        assert!(broken[0].starts_with("my.yaml: "), "{broken:?}");
    }
}
