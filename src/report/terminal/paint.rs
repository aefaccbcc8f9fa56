//! How a line is coloured.

use crate::domain::decision::Decision;

/// A colour or weight of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    None,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Paint {
    /// The text with the codes around it that paint it (SGR, ECMA-48).
    pub(super) fn over(self, text: &str) -> String {
        let code = match self {
            Self::None => return text.to_owned(),
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

impl From<Decision> for Paint {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Ship => Self::Green,
            Decision::Advisory => Self::Yellow,
            Decision::Hold => Self::Red,
        }
    }
}
