//! What `pace check` found: a line a check, and how many problems there are. Checks nothing itself.

use std::io::{self, Write};

use crate::prompt::plain::visible;

use super::log;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Good,
    /// Worth a look; does not fail the command.
    Warning,
    Bad,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub mark: Mark,
    /// What was checked, e.g. `plan`.
    pub what: String,
    /// What was found, or what is wrong and how to mend it; one line a problem.
    pub found: String,
}

/// Writes a line for each check and a last one that counts. Errors are those of `out`.
pub(crate) fn write(out: &mut dyn Write, checks: &[Checked]) -> io::Result<()> {
    for check in checks {
        let sign = match check.mark {
            Mark::Good => '✓',
            Mark::Warning => '!',
            Mark::Bad => '✗',
        };
        let what = visible(&check.what).replace('\n', " ");
        let found = visible(&check.found);
        let lines: Vec<_> = found.lines().filter(|l| !l.trim().is_empty()).collect();
        match lines.as_slice() {
            [] => writeln!(out, "{sign} {}", log::tame(&what))?,
            [one] => writeln!(out, "{sign} {}", log::tame(&format!("{what}: {one}")))?,
            many => {
                writeln!(out, "{sign} {}:", log::tame(&what))?;
                for line in many {
                    writeln!(out, "  {}", log::tame(line))?;
                }
            }
        }
    }
    let bad = checks.iter().filter(|c| c.mark == Mark::Bad).count();
    let warned = match checks.iter().filter(|c| c.mark == Mark::Warning).count() {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        many => format!(", {many} warnings"),
    };
    match bad {
        0 => writeln!(out, "\nAll is well ({} checks{warned}).", checks.len()),
        _ => writeln!(out, "\n{bad} of {} checks failed{warned}.", checks.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_as_lines() {
        let check = |mark, what: &str, found: &str| Checked { mark, what: what.into(), found: found.into() };
        let mut out = Vec::new();
        let good = check(Mark::Good, "plan", "5 days, .pace/plan.yaml");
        write(&mut out, std::slice::from_ref(&good)).unwrap();
        write(
            &mut out,
            &[
                good,
                check(Mark::Good, "sandbox", ""),
                check(Mark::Warning, "price", "gpt-x has no known price"),
                check(Mark::Bad, "settings", "DAY: is missing\n::error::x\x1b[31m"),
            ],
        )
        .unwrap();
        insta::assert_snapshot!("checks", String::from_utf8(out).unwrap());
    }
}
