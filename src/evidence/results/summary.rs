//! How many tests a run says have passed, for runners that give no names.

use std::sync::LazyLock;

use regex::Regex;

use super::text::strip_ansi;
use crate::evidence::pattern;

/// Closing lines of the known runners; one group holds the number.
static PASSED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?xm)
          ^=*\s*(?:\d+\ \w+,\ )*(\d+)\ passed\b.*\ in\ [\d.]+s        # pytest
        | ^test\ result:\ ok\.\ (\d+)\ passed                          # cargo test
        | ^\s*Summary\ \[.*?\b(\d+)\ passed                            # nextest
        | ^Tests:\s+(?:\d+\ \w+,\ )*(\d+)\ passed                      # jest
        | ^\s*Tests\s+(?:\d+\ \w+\ \|\ )*(\d+)\ passed                 # vitest
        | ^\s+(\d+)\ passing\b                                         # mocha
        | ^(?:\#|ℹ)\ pass\ (\d+)\s*$                                   # TAP, node --test
        | ^Passed!\s+-\ Failed:\s+0,\ Passed:\s+(\d+)                  # dotnet test
        | ^\s+Passed:\s+(\d+)\s*$                                      # dotnet test, normal verbosity
        | ^OK\ \((\d+)\ tests?\b                                       # PHPUnit, JUnit 4
        | ^(\d+)\ passed,\ \d+\ failed                                 # plain
        ",
    )
});
/// Lines that give all, with those that did not pass to be taken off.
static UNITTEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^Ran (\d+) tests? in [\d.]+s\s*\n\s*\nOK(?: \(.*?skipped=(\d+).*?\))?"));
static MAVEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^(?:\[\w+\] )?Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)\s*$")
});

/// The number of passed tests by the run's closing lines, all runners of the run added up; 0 where none says so.
pub(crate) fn passed_by_summary(output: &str) -> u64 {
    let plain = strip_ansi(output).replace("\r\n", "\n");
    let number = |m: Option<regex::Match<'_>>| m.and_then(|m| m.as_str().parse::<u64>().ok()).unwrap_or(0);
    let stated = PASSED.captures_iter(&plain).map(|c| number(c.iter().skip(1).flatten().next()));
    let unittest = UNITTEST.captures_iter(&plain).map(|c| number(c.get(1)).saturating_sub(number(c.get(2))));
    let maven = MAVEN
        .captures_iter(&plain)
        .map(|c| (2..=4).fold(number(c.get(1)), |run, group| run.saturating_sub(number(c.get(group)))));
    stated.chain(unittest).chain(maven).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines() {
        for (output, passed) in [
            ("", 0),
            ("hello 4 passed", 0),
            ("..  [100%]\n2 passed in 0.03s", 2),
            ("=== 1 failed, 4 passed, 1 skipped in 0.03s ===", 4),
            ("no tests ran in 0.01s", 0),
            ("test result: ok. 3 passed; 0 failed\ntest result: ok. 2 passed; 0 failed", 5),
            ("     Summary [   0.183s] 10 tests run: 9 passed, 1 failed", 9),
            ("Tests:       1 failed, 1 skipped, 5 passed, 7 total", 5),
            ("      Tests  1 failed | 5 passed (6)", 5),
            ("  4 passing (96ms)", 4),
            ("# tests 3\n# pass 3", 3),
            ("Passed!  - Failed:     0, Passed:     4, Skipped:     0, Total:     4", 4),
            ("Ran 4 tests in 0.001s\n\nOK", 4),
            ("Ran 4 tests in 0.001s\r\n\r\nOK (skipped=1)", 3),
            ("Ran 4 tests in 0.001s\n\nFAILED (failures=1)", 0),
            ("[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 1", 4),
        ] {
            assert_eq!(passed_by_summary(output), passed, "{output}");
        }
    }
}
