//! A file name as a model gave it, taken apart and made harmless to handle. Knows no file system.

use std::fmt;

/// A path below the root of a work tree, `/`-separated, without `.` and `..`; no part at all is the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(Vec<String>);

impl Name {
    /// Takes a model's path apart. `.` is the root; a leading `./` and a trailing `/` are fine. The error is
    /// a sentence for the model.
    pub(crate) fn parse(raw: &str) -> Result<Self, String> {
        let refuse = |reason: &str| Err(format!("{} is refused as a path: {reason}", shown(raw)));
        if raw.trim().is_empty() {
            return Err("the path is empty; name it relative to the root of the repository".to_owned());
        }
        if raw.starts_with('/') {
            return refuse("it is absolute; name it relative to the root of the repository");
        }
        if raw.contains('\\') {
            return refuse("it has a backslash; parts are separated by `/`");
        }
        if raw.chars().any(char::is_control) {
            return refuse("it has a control character");
        }
        let parts: Vec<&str> = raw.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return refuse("`..` is not allowed; name it relative to the root of the repository");
        }
        Ok(Self(parts.into_iter().map(str::to_owned).collect()))
    }

    pub(crate) fn parts(&self) -> &[String] {
        &self.0
    }

    /// Whether any part is a `.git`, as any file system might spell it.
    pub(crate) fn is_in_git(&self) -> bool {
        self.0.iter().any(|part| is_git(part))
    }

    /// Whether this is `folder` or lies below it; letter case counts.
    pub(crate) fn is_within(&self, folder: &Self) -> bool {
        self.0.starts_with(&folder.0)
    }

    /// [`Name::is_within`] for file systems that take names for the same that are spelt differently.
    pub(crate) fn may_be_within(&self, folder: &Self) -> bool {
        let folds = |parts: &[String]| parts.iter().map(|part| fold(part)).collect::<Vec<_>>();
        folds(&self.0).starts_with(&folds(&folder.0))
    }

    /// Whether it has characters that people do not see.
    pub(crate) fn has_invisible(&self) -> bool {
        self.0.iter().any(|part| part.chars().any(is_invisible))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { "" })?;
        f.write_str(&self.0.join("/"))
    }
}

/// Whether a file system might take `part` for `.git`: NTFS knows it as `git~1` too.
pub(crate) fn is_git(part: &str) -> bool {
    matches!(fold(part).as_str(), ".git" | "git~1")
}

/// One spelling for all that some file system takes for the same: without letter case (by way of upper case,
/// so that `ſ` and `s` meet), without what HFS+ ignores and NTFS cuts off (trailing dots and blanks, streams).
fn fold(part: &str) -> String {
    let folded: String = part
        .chars()
        .filter(|c| !is_invisible(*c))
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    let stem = folded.split(':').next().unwrap_or_default();
    stem.trim_end_matches(['.', ' ']).to_owned()
}

/// Zero-width, direction-changing and tag characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A model's path for a message: escaped and not longer than a line.
fn shown(raw: &str) -> String {
    format!("`{}`", raw.chars().take(120).collect::<String>().escape_debug())
}
