//! Which model endpoint is meant, and its key. Knows providers and hosts; sends nothing.

use url::Url;

use super::given::{Given, Inputs, Read, is_loopback, quoted};
use super::{Findings, Llm, Provider};
use crate::secret::Secret;

/// Model of a run that names none; Anthropic's alone has a default.
const DEFAULT_MODEL: &str = "claude-sonnet-4-6";

/// A model host that is known by name.
struct Vendor {
    /// What stands before the `/` in a `provider/model` name.
    name: &'static str,
    provider: Provider,
    base_url: &'static str,
    /// Where its key is; `None` where the host needs none.
    key: Option<&'static str>,
}

/// Base URLs as the vendors document them.
const VENDORS: [Vendor; 6] = [
    Vendor {
        name: "anthropic",
        provider: Provider::Anthropic,
        base_url: "https://api.anthropic.com",
        key: Some("ANTHROPIC_API_KEY"),
    },
    Vendor {
        name: "openai",
        provider: Provider::OpenAi,
        base_url: "https://api.openai.com/v1",
        key: Some("OPENAI_API_KEY"),
    },
    Vendor {
        name: "groq",
        provider: Provider::OpenAi,
        base_url: "https://api.groq.com/openai/v1",
        key: Some("GROQ_API_KEY"),
    },
    Vendor {
        name: "mistral",
        provider: Provider::OpenAi,
        base_url: "https://api.mistral.ai/v1",
        key: Some("MISTRAL_API_KEY"),
    },
    Vendor {
        name: "openrouter",
        provider: Provider::OpenAi,
        base_url: "https://openrouter.ai/api/v1",
        key: Some("OPENROUTER_API_KEY"),
    },
    Vendor { name: "ollama", provider: Provider::OpenAi, base_url: "http://localhost:11434/v1", key: None },
];

const ANTHROPIC: &Vendor = &VENDORS[0];
const OPENAI: &Vendor = &VENDORS[1];

/// `PACE_LLM_PROVIDER` as it may be written.
#[derive(Clone, Copy)]
enum Word {
    Vendor(&'static Vendor),
    LiteLlm,
    Replay,
    Reserved,
}

const WORDS: [(&str, Word); 7] = [
    ("anthropic", Word::Vendor(ANTHROPIC)),
    ("openai", Word::Vendor(OPENAI)),
    ("replay", Word::Replay),
    ("litellm", Word::LiteLlm),
    ("gemini", Word::Reserved),
    ("azure", Word::Reserved),
    ("bedrock", Word::Reserved),
];

/// The endpoint, and what is missing before it may be used (problems for the commands that spend).
pub(super) fn llm(inputs: &Inputs, findings: &mut Findings) -> (Llm, Vec<String>) {
    let model = findings.keep(inputs.pace_model().word());
    let analysis_model = findings.keep(inputs.pace_analysis_model().word());
    let word = findings.keep(provider(inputs)).unwrap_or(Word::Vendor(ANTHROPIC));
    let (vendor, model, analysis_model) = match word {
        Word::Replay => return (replay(inputs, model, analysis_model, findings), Vec::new()),
        Word::LiteLlm => litellm(inputs, model, analysis_model, findings),
        Word::Vendor(vendor) => (vendor, model, analysis_model),
        // Told already; the rest is read on for its own problems.
        Word::Reserved => (ANTHROPIC, model, analysis_model),
    };
    let base_url = findings.keep(base_url(&inputs.pace_llm_base_url(), vendor.provider));
    let host = base_url.as_ref().map_or(Some(vendor), vendor_at);
    let (api_key, key_problem) = api_key(inputs, vendor, host, findings);
    if let (Some(url), Some(_)) = (&base_url, &api_key)
        && url.scheme() == "http"
        && !is_loopback(url)
    {
        findings.warning("PACE_LLM_BASE_URL is plain http: key and prompts travel unencrypted".to_owned());
    }
    let mut missing: Vec<String> = key_problem.into_iter().collect();
    if model.is_none() && vendor.provider == Provider::OpenAi {
        missing.push(
            "PACE_MODEL is not set; an openai endpoint has no default model, name one of its models"
                .to_owned(),
        );
    }
    // Of no use without a name, and told above; nobody looks its price up.
    let unnamed = if vendor.provider == Provider::Anthropic { DEFAULT_MODEL } else { "" };
    let model = model.unwrap_or_else(|| unnamed.to_owned());
    let llm = Llm {
        provider: vendor.provider,
        analysis_model: analysis_model.unwrap_or_else(|| model.clone()),
        model,
        base_url: base_url.map_or_else(|| vendor.base_url.to_owned(), |url| without_slash(&url)),
        api_key,
    };
    (llm, missing)
}

fn provider(inputs: &Inputs) -> Read<Word> {
    let given = inputs.pace_llm_provider();
    let offered: Vec<(&str, Word)> =
        WORDS.into_iter().filter(|(_, word)| !matches!(word, Word::Reserved)).collect();
    let reserved = WORDS.iter().any(|(name, word)| {
        matches!(word, Word::Reserved) && given.text.is_some_and(|text| name.eq_ignore_ascii_case(text))
    });
    if reserved {
        return Err(given.problem(
            "which is reserved and not built yet",
            "use openai with PACE_LLM_BASE_URL set to a compatible endpoint of it, such as a LiteLLM proxy, until then",
        ));
    }
    given.choice(&offered)
}

/// A recording: any model name will do, and its folder stands in the base URL.
fn replay(
    inputs: &Inputs,
    model: Option<String>,
    analysis_model: Option<String>,
    findings: &mut Findings,
) -> Llm {
    let base_url = inputs.pace_llm_base_url().text().unwrap_or_else(|| {
        findings.problem(
            "PACE_LLM_BASE_URL is not set; with PACE_LLM_PROVIDER=replay it names the file of the recording (a .yaml script or a .jsonl journal)"
                .to_owned(),
        );
        String::new()
    });
    let model = model.unwrap_or_else(|| DEFAULT_MODEL.to_owned());
    Llm {
        provider: Provider::Replay,
        analysis_model: analysis_model.unwrap_or_else(|| model.clone()),
        model,
        base_url,
        api_key: None,
    }
}

/// Legacy `provider/model` names: the part before the first `/` chooses vendor and protocol.
fn litellm(
    inputs: &Inputs,
    model: Option<String>,
    analysis_model: Option<String>,
    findings: &mut Findings,
) -> (&'static Vendor, Option<String>, Option<String>) {
    let mut chosen: Option<&'static Vendor> = None;
    let mut split = |given: Given<'_>, model: Option<String>, findings: &mut Findings| {
        let model = model?;
        let Some((vendor, name)) = vendor_of(&model) else {
            findings.problem(unknown_vendor(&given, &model));
            return Some(model);
        };
        let first = chosen.get_or_insert(vendor);
        if first.name != vendor.name {
            findings.problem(format!(
                "{} is at {} and PACE_MODEL at {}; one run uses one endpoint, take both models from one provider",
                given.label(),
                vendor.name,
                first.name
            ));
        }
        Some(name.to_owned())
    };
    let model = split(inputs.pace_model(), model, findings);
    let analysis_model = split(inputs.pace_analysis_model(), analysis_model, findings);
    if model.is_none() {
        findings.problem(
            "PACE_MODEL is not set; with PACE_LLM_PROVIDER=litellm it is provider/model, e.g. openai/gpt-4o"
                .to_owned(),
        );
    }
    (chosen.unwrap_or(OPENAI), model, analysis_model)
}

fn vendor_of(model: &str) -> Option<(&'static Vendor, &str)> {
    if let Some((prefix, name)) = model.split_once('/') {
        let vendor = VENDORS.iter().find(|vendor| vendor.name.eq_ignore_ascii_case(prefix))?;
        return (!name.is_empty()).then_some((vendor, name));
    }
    // Without a prefix only the two families that cannot be mistaken.
    if model.starts_with("claude-") {
        Some((ANTHROPIC, model))
    } else if model.starts_with("gpt-") {
        Some((OPENAI, model))
    } else {
        None
    }
}

fn unknown_vendor(given: &Given<'_>, model: &str) -> String {
    let known: Vec<&str> = VENDORS.iter().map(|vendor| vendor.name).collect();
    format!(
        "{} is {}, which names no known provider; use provider/model with one of {}, or PACE_LLM_PROVIDER=openai with PACE_LLM_BASE_URL",
        given.label(),
        quoted(model),
        known.join(", ")
    )
}

/// `PACE_LLM_BASE_URL`, without what pace appends by itself.
fn base_url(given: &Given<'_>, provider: Provider) -> Read<Url> {
    let Some(url) = given.address()? else {
        return Ok(None);
    };
    let path = url.path().trim_end_matches('/');
    let endings: &[&str] = match provider {
        Provider::Anthropic => &["/v1/messages", "/messages", "/v1"],
        Provider::OpenAi | Provider::Replay => &["/chat/completions", "/completions"],
    };
    match endings.iter().find(|ending| path.ends_with(*ending)) {
        Some(ending) => Err(given.problem(
            &format!("which ends in {ending}"),
            &format!("leave that off, pace appends {}", appended(provider)),
        )),
        None => Ok(Some(url)),
    }
}

fn appended(provider: Provider) -> &'static str {
    match provider {
        Provider::Anthropic => "/v1/messages",
        Provider::OpenAi | Provider::Replay => "/chat/completions",
    }
}

/// The vendor whose host `url` is.
fn vendor_at(url: &Url) -> Option<&'static Vendor> {
    let host = |base: &str| Url::parse(base).ok().and_then(|base| base.host_str().map(str::to_owned));
    VENDORS.iter().find(|vendor| vendor.key.is_some() && host(vendor.base_url).as_deref() == url.host_str())
}

/// The key for the endpoint and, where one is needed, the problem that there is none. A vendor's key goes to
/// that vendor's host, or to an endpoint of the user's own that speaks its protocol; never to another vendor.
fn api_key(
    inputs: &Inputs,
    vendor: &Vendor,
    host: Option<&Vendor>,
    findings: &mut Findings,
) -> (Option<Secret>, Option<String>) {
    let named = |name: &str| match name {
        "ANTHROPIC_API_KEY" => inputs.anthropic_api_key(),
        "GROQ_API_KEY" => inputs.groq_api_key(),
        "MISTRAL_API_KEY" => inputs.mistral_api_key(),
        "OPENROUTER_API_KEY" => inputs.openrouter_api_key(),
        _ => inputs.openai_api_key(),
    };
    let any = inputs.llm_api_key();
    let candidates = match (host.and_then(|host| host.key), vendor.key) {
        (Some(name), _) => vec![named(name), any],
        (None, Some(name)) => vec![any, named(name)],
        (None, None) => vec![any],
    };
    let Some(given) = candidates.iter().find(|given| given.text.is_some()) else {
        let problem = host.and_then(|host| host.key).map(|name| {
            format!("{name} is not set; set it, or LLM_API_KEY, as a secret of the CI, never in a file")
        });
        return (None, problem);
    };
    (findings.keep(given.secret()), None)
}

fn without_slash(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
