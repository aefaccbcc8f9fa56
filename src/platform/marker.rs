//! The hidden marker by which a body is found again, and the digest that tells whether a person rewrote it.
//! Pure text; knows no platform.
//!
//! A body comes in with `<!-- pace:… -->` as its first line and goes out sealed:
//!
//! ```text
//! <!-- pace:sprint:review sha256:0123456789abcdef -->
//! …
//! <!-- /pace:sprint:review -->
//! ```
//!
//! What people write before and after the seal stays theirs; what they change inside it stays as they left it.

use sha2::{Digest as _, Sha256};

use crate::domain::hex::hex;

/// How a body that is there relates to the one that is to be there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It says the same already.
    Same,
    /// Ours, and untouched: the whole new text, with what people wrote around the seal.
    Update(String),
    /// A person changed it inside the seal, or took the seal off.
    Rewritten,
    /// Somebody else's text altogether.
    Foreign,
}

/// The marker's name in the first line of `body`: `pace:sprint:review`; `None` where there is none.
pub(super) fn name(body: &str) -> Option<&str> {
    let name = body.lines().next()?.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?.trim();
    (name.starts_with("pace:") && !name.contains("--")).then_some(name)
}

/// Whether `text` carries the marker `name`.
pub(super) fn is_in(text: &str, name: &str) -> bool {
    opening(text, name).is_some()
}

/// `body` with its digest, ready to be sent.
pub(super) fn seal(body: &str) -> String {
    let Some(name) = name(body) else { return body.to_owned() };
    let inside = normal(body.split_once('\n').map_or("", |(_, rest)| rest));
    format!("<!-- {name} sha256:{} -->\n{inside}\n<!-- /{name} -->\n", digest(&inside))
}

/// What may be done to `there`, where `body` is to be.
pub(super) fn standing(there: &str, body: &str) -> Standing {
    let Some(name) = name(body) else { return Standing::Foreign };
    let Some(opening) = opening(there, name) else { return Standing::Foreign };
    let closing = format!("<!-- /{name} -->");
    let Some(length) = there[opening.end..].find(&closing) else { return Standing::Rewritten };
    let inside = normal(&there[opening.end..opening.end + length]);
    if opening.digest != Some(digest(&inside).as_str()) {
        return Standing::Rewritten;
    }
    let sealed = seal(body);
    if opening.digest.is_some_and(|digest| sealed.starts_with(&format!("<!-- {name} sha256:{digest} -->"))) {
        return Standing::Same;
    }
    let after = &there[opening.end + length + closing.len()..];
    Standing::Update(format!("{}{}{}", &there[..opening.start], sealed.trim_end_matches('\n'), after))
}

/// The same report as a comment, for a body that people took over.
pub(super) fn as_comment(body: &str) -> String {
    let name = name(body).unwrap_or("pace:comment");
    let inside = body.split_once('\n').map_or("", |(_, rest)| rest);
    format!("<!-- {name}:comment -->\n{inside}")
}

struct Opening<'a> {
    start: usize,
    end: usize,
    digest: Option<&'a str>,
}

fn opening<'a>(text: &'a str, name: &str) -> Option<Opening<'a>> {
    let prefix = format!("<!-- {name}");
    text.match_indices(&prefix).find_map(|(start, _)| {
        let rest = &text[start + prefix.len()..];
        let length = rest.find("-->")?;
        let said = &rest[..length];
        let digest = said.trim().strip_prefix("sha256:");
        // `pace:a:review` must not be found in `pace:a:review-2`.
        (said.starts_with(' ') && (digest.is_some() || said.trim().is_empty())).then(|| Opening {
            start,
            end: start + prefix.len() + length + "-->".len(),
            digest,
        })
    })
}

/// As a web form gives it back: other line ends, blanks at the ends of lines gone.
fn normal(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "<!-- pace:s:review -->\n# Day 1\n\ntext\n";
    const NEW: &str = "<!-- pace:s:review -->\n# Day 2\n";

    #[test]
    fn an_untouched_body_is_replaced_and_what_is_around_it_stays() {
        let there = format!("Mine above\r\n\r\n{}\r\nMine below", seal(OLD).replace('\n', "\r\n"));
        let Standing::Update(text) = standing(&there, NEW) else { panic!("{there}") };
        assert!(text.starts_with("Mine above\r\n\r\n<!-- pace:s:review sha256:"), "{text}");
        assert!(text.ends_with("\r\nMine below") && text.contains("# Day 2") && !text.contains("Day 1"));
        assert_eq!(standing(&text, NEW), Standing::Same);
    }

    #[test]
    fn what_people_rewrote_is_left_alone() {
        let sealed = seal(OLD);
        for there in [
            sealed.replace("text", "better text"),
            sealed.replace("<!-- /pace:s:review -->", ""),
            OLD.to_owned(),
        ] {
            assert_eq!(standing(&there, NEW), Standing::Rewritten, "{there}");
        }
        assert_eq!(standing("A person's own", NEW), Standing::Foreign);
        assert_eq!(standing(&seal("<!-- pace:s:review-2 -->\nx"), NEW), Standing::Foreign);
    }

    #[test]
    fn only_a_whole_first_line_is_a_marker() {
        assert_eq!(name(OLD), Some("pace:s:review"));
        for body in ["text\n<!-- pace:s:review -->", "<!-- other -->", "<!-- pace:a -- b -->", ""] {
            assert_eq!(name(body), None, "{body}");
        }
        assert!(is_in(&seal(OLD), "pace:s:review") && !is_in(&seal(OLD), "pace:s:rev"));
    }
}
