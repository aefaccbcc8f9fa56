//! The one type that holds a secret, and the redactor that keeps secrets out of every sink. Knows no variable
//! and no sink.

mod streaming;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use aho_corasick::{AhoCorasick, Match};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::streaming::Masking;

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";

/// Shorter secrets are not masked: a log in which every `main` or `true` is a mask helps nobody.
const SHORTEST: usize = 6;

/// Lines of a secret with several lines (a private key) are masked one by one from this length on.
const SHORTEST_LINE: usize = 16;

/// A credential. `Debug` and `Display` print `***`.
#[derive(Clone)]
pub(crate) struct Secret(SecretString);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value, for the one call that needs it (a request header).
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// Masks secrets in text: as they are, base64 (standard and URL-safe, at each of the three byte offsets),
/// percent-encoded, hexadecimal (both cases) and JSON-escaped. Secrets shorter than 6 characters stay
/// visible. A secret that the text splits, cuts or reverses is not found, so hand over whole lines at least.
#[derive(Clone)]
pub(crate) struct Redactor {
    known: Matcher,
    patterns: Patterns,
}

/// Masks what has the form of a secret, whoever's it is.
type Patterns = for<'a> fn(&'a str) -> Cow<'a, str>;

#[derive(Clone)]
enum Matcher {
    Nothing,
    Forms(AhoCorasick),
    /// The automaton could not be built: better no text than a leak.
    Everything,
}

impl Default for Redactor {
    /// Masks nothing.
    fn default() -> Self {
        Self { known: Matcher::Nothing, patterns: |text| Cow::Borrowed(text) }
    }
}

impl Redactor {
    /// A redactor of these secrets and all their forms.
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        let forms: BTreeSet<String> = secrets.iter().flat_map(|secret| forms(secret.expose())).collect();
        if forms.is_empty() {
            return Self::default();
        }
        let known = AhoCorasick::new(&forms).map_or(Matcher::Everything, Matcher::Forms);
        Self { known, ..Self::default() }
    }

    /// This redactor, which also masks what `patterns` masks. Masking twice must change nothing more.
    pub(crate) fn with_patterns(self, patterns: Patterns) -> Self {
        Self { patterns, ..self }
    }

    /// `text` with every secret replaced by `***`; borrowed where there was none.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.without_known(text) {
            Cow::Borrowed(text) => (self.patterns)(text),
            Cow::Owned(text) => Cow::Owned((self.patterns)(&text).into_owned()),
        }
    }

    fn without_known<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let automaton = match &self.known {
            Matcher::Nothing => return Cow::Borrowed(text),
            Matcher::Everything => return Cow::Borrowed(MASK),
            Matcher::Forms(automaton) => automaton,
        };
        let spans = spans(automaton.find_overlapping_iter(text));
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut shown = 0;
        for (start, end) in spans {
            masked.push_str(&text[shown..start]);
            masked.push_str(MASK);
            shown = end;
        }
        masked.push_str(&text[shown..]);
        Cow::Owned(masked)
    }
}

impl fmt::Debug for Redactor {
    /// Without the automaton, which spells the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

/// Where secrets stand, overlapping finds merged, so that no tail of the second one stays.
fn spans(found: impl Iterator<Item = Match>) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = found.map(|find| (find.start(), find.end())).collect();
    found.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (start, end) in found {
        match merged.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// Every spelling of `secret` that is looked for.
fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    if secret.chars().count() < SHORTEST {
        return forms;
    }
    encodings(secret, &mut forms);
    if secret.contains('\n') {
        for line in secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE) {
            encodings(line, &mut forms);
        }
    }
    forms
}

fn encodings(secret: &str, forms: &mut BTreeSet<String>) {
    forms.insert(secret.to_owned());
    for offset in 0..3 {
        forms.insert(base64_core(&STANDARD_NO_PAD, secret, offset));
        forms.insert(base64_core(&URL_SAFE_NO_PAD, secret, offset));
    }
    // The whole encoding too, so that its last character and padding do not stay behind.
    for whole in [STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)] {
        forms.insert(format!("{whole}{}", "=".repeat((4 - whole.len() % 4) % 4)));
        forms.insert(whole);
    }

    let hex: String = secret.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    forms.insert(hex.to_uppercase());
    forms.insert(hex);

    // RFC 3986, encodeURIComponent and application/x-www-form-urlencoded keep different marks.
    for kept in ["-._~", "-._~!*'()", "-._*"] {
        forms.insert(percent_encoded(secret, kept, true));
        forms.insert(percent_encoded(secret, kept, false));
    }

    let escaped = json_escaped(secret);
    forms.insert(json_escaped(&escaped));
    forms.insert(escaped.replace('/', "\\/"));
    forms.insert(escaped);
}

/// The base64 characters that depend on `secret` alone where it starts `offset` bytes into a group of three.
fn base64_core(engine: &impl base64::Engine, secret: &str, offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(secret.as_bytes());
    let encoded = engine.encode(&bytes);
    let first = (offset * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    encoded[first..last].to_owned()
}

fn percent_encoded(secret: &str, kept: &str, upper: bool) -> String {
    let mut encoded = String::new();
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else if upper {
            let _ = write!(encoded, "%{byte:02X}");
        } else {
            let _ = write!(encoded, "%{byte:02x}");
        }
    }
    encoded
}

/// As it stands between the quotes of a JSON string.
fn json_escaped(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    const KEY: &str = "sk-ant/q+7?\"Zx>>9";

    fn redactor() -> Redactor {
        Redactor::new(&[Secret::new(KEY), Secret::new("hunter2hunter2"), Secret::new("short")])
    }

    #[test]
    fn masks_every_form() {
        let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
        let forms = [
            KEY.to_owned(),
            STANDARD.encode(KEY),
            URL_SAFE.encode(KEY),
            hex.to_uppercase(),
            hex,
            "sk-ant%2Fq%2B7%3F%22Zx%3E%3E9".to_owned(),
            "sk-ant%2fq%2b7%3f%22Zx%3e%3e9".to_owned(),
            serde_json::to_string(KEY).unwrap().trim_matches('"').to_owned(),
            "sk-ant\\/q+7?\\\"Zx>>9".to_owned(),
        ];
        for form in forms {
            let masked = redactor().redact(&format!("before {form} after")).into_owned();
            assert_eq!(masked, "before *** after", "{form}");
        }
    }

    #[test]
    fn masks_base64_inside_a_longer_value() {
        for prefix in ["", "u", "us", "usr", "x-access-token:"] {
            for engine in [&STANDARD, &URL_SAFE] {
                let encoded = engine.encode(format!("{prefix}{KEY}!tail"));
                let masked = redactor().redact(&encoded).into_owned();
                assert!(masked.contains(MASK), "{prefix}: {encoded}");
                // At most the characters shared with a neighbour stay.
                let kept = masked.replace(MASK, "").len();
                let neighbours = engine.encode(prefix).len() + engine.encode("!tail").len() + 4;
                assert!(kept <= neighbours, "{prefix}: {masked}");
            }
        }
    }

    #[test]
    fn leaves_the_rest_alone() {
        let text = "a short text without any";
        assert!(matches!(redactor().redact(text), Cow::Borrowed(same) if same == text));
        assert_eq!(Redactor::new(&[]).redact(KEY), KEY);
    }

    #[test]
    fn overlapping_secrets_leave_no_tail() {
        let redactor = Redactor::new(&[Secret::new("abcdefgh"), Secret::new("efghijkl")]);
        assert_eq!(redactor.redact("_abcdefghijkl_"), "_***_");
        assert_eq!(redactor.redact("abcdefghabcdefgh"), "******");
    }

    #[test]
    fn masks_single_lines_of_a_private_key() {
        let redactor = Redactor::new(&[Secret::new("-----BEGIN KEY-----\nMIIEvgIBADANBgkqhkiG\n")]);
        assert_eq!(redactor.redact("| MIIEvgIBADANBgkqhkiG"), "| ***");
    }

    #[test]
    fn masks_by_pattern_too() {
        let redactor = redactor().with_patterns(|text| Cow::Owned(text.replace("form-of-a-key", MASK)));
        assert_eq!(redactor.redact(&format!("{KEY} form-of-a-key")), "*** ***");
    }

    proptest::proptest! {
        #![proptest_config(crate::tests::bent::cases(256))]

        /// Whole, line by line, and masked twice: no form of a secret is left in whatever text.
        #[test]
        fn no_form_of_a_secret_is_left_in_any_text(
            secrets in proptest::collection::vec("[ -~é\\n]{6,40}", 1..4),
            pieces in proptest::collection::vec((0..9_usize, 0..9_usize, "[a-zA-Z0-9+/=%\\\\\" \n:.é-]{0,12}"), 0..12),
        ) {
            let secrets: Vec<Secret> = secrets.into_iter().map(Secret::new).collect();
            let redactor = Redactor::new(&secrets);
            let all: Vec<String> = secrets.iter().flat_map(|secret| forms(secret.expose())).collect();
            let mut text = String::new();
            for (secret, form, noise) in pieces {
                let forms: Vec<String> = forms(secrets[secret % secrets.len()].expose()).into_iter().collect();
                text.push_str(&noise);
                text.push_str(forms.get(form * 7 % forms.len().max(1)).map_or("", String::as_str));
            }
            let whole = redactor.redact(&text).into_owned();
            let lines: String = text.split_inclusive('\n').map(|line| redactor.redact(line).into_owned()).collect();
            // What a mask or the cut between two lines itself makes into a form is masked the next time at the latest.
            for form in all.iter().filter(|form| !form.contains("***")) {
                proptest::prop_assert!(!whole.contains(form), "{form:?} in {whole:?}");
                proptest::prop_assert!(form.contains('\n') || !lines.contains(form), "{form:?} in {lines:?}");
            }
        }
    }

    #[test]
    fn prints_no_secret() {
        let secret = Secret::new(KEY);
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }
}
