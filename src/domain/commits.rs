//! What a commit's message tells of who made it. Pure: knows no repository.

/// Lines of the last paragraph of `message`, where trailers stand.
pub(crate) fn trailers(message: &str) -> impl Iterator<Item = &str> {
    message.trim_end().rsplit("\n\n").next().unwrap_or_default().lines()
}

/// Whether `message` carries a trailer that starts with `trailer` as its own, and not as the words of another commit: one
/// that was squashed out of several lists their messages, the trailers of the last of them at its end.
pub(crate) fn bears(message: &str, trailer: &str) -> bool {
    let text = message.trim_end().replace("\r\n", "\n");
    let (before, _) = text.rsplit_once("\n\n").unwrap_or_default();
    // As forges list them: `* subject`, a blank line, the body.
    let lists = before.split("\n\n").any(|paragraph| paragraph.trim_start().starts_with("* "));
    let quotes = before.lines().any(|line| line.trim_start().starts_with(trailer));
    !lists && !quotes && trailers(&text).any(|line| line.starts_with(trailer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_is_a_commits_own_at_its_end_alone() {
        for (message, expected) in [
            ("pace: day 1\n\nPace-Day: 1", true),
            ("pace: day 1\n\nWhat was built:\n* this\n\nPace-Day: 1\nPace-Sprint: s\n", true),
            ("pace: day 1\r\n\r\nPace-Day: 1\r\n", true),
            ("docs: say it\n\nPace-Day: 1\nis what pace writes.\n\nSigned-off-by: ann\n", false),
            ("docs: Pace-Day: 1", false),
            // Squashed by a forge, with and without a paragraph of its own at the end.
            ("Sprint (#7)\n\n* pace: day 1\n\nPace-Day: 1\n\n* docs: mine\n", false),
            ("Sprint (#7)\n\n* docs: mine\n\n* pace: day 1\n\nPace-Day: 1\nPace-Sprint: s\n", false),
            ("Sprint (#7)\n\npace: day 1\n\nPace-Day: 1\n\npace: day 2\n\nPace-Day: 2\n", false),
            ("Sprint (#7)\n\n* pace: day 1\n\nPace-Day: 1\n\n---------\n\nCo-authored-by: ann\n", false),
            // Squashed by git.
            ("Squashed commit of the following:\n\ncommit 1\n\n    pace: day 1\n\n    Pace-Day: 1\n", false),
        ] {
            assert_eq!(bears(message, "Pace-Day:"), expected, "{message}");
        }
    }
}
