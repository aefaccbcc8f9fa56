//! How much of a child's output a model sees. Must not know what the child was.

use crate::domain::observation::Output;

/// The first `head` and the last `tail` bytes at most, cut between lines where that costs little, with a line
/// between them that says how much is left out.
pub(super) fn excerpt(output: &Output, head: usize, tail: usize) -> String {
    let whole = format!("{}{}", output.head, output.tail);
    let complete = whole.len() as u64 >= output.total_bytes;
    if complete && whole.len() <= head + tail {
        return whole;
    }
    let first = ending_with_a_line(&whole[..whole.floor_char_boundary(head)]);
    let start = whole.ceil_char_boundary(whole.len().saturating_sub(tail));
    let last = starting_with_a_line(&whole, start);
    let left_out = output.total_bytes.saturating_sub((first.len() + last.len()) as u64);
    let gap = if first.is_empty() || first.ends_with('\n') { "" } else { "\n" };
    format!("{first}{gap}… {left_out} bytes left out …\n{last}")
}

fn ending_with_a_line(text: &str) -> &str {
    match text.rfind('\n') {
        Some(end) if end >= text.len() / 2 => &text[..=end],
        _ => text,
    }
}

fn starting_with_a_line(text: &str, start: usize) -> &str {
    let rest = &text[start..];
    match rest.find('\n') {
        Some(end) if !text[..start].ends_with('\n') && end < rest.len() / 2 => &rest[end + 1..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(head: &str, tail: &str, total: u64) -> Output {
        Output { head: head.to_owned(), tail: tail.to_owned(), total_bytes: total }
    }

    #[test]
    fn only_long_output_is_cut() {
        for (given, head, tail, expected) in [
            (output("", "", 0), 4, 4, ""),
            (output("abcd", "efgh", 8), 4, 4, "abcdefgh"),
            (output("abcde", "fghi", 9), 4, 4, "abcd\n… 1 bytes left out …\nfghi"),
            (output("a\nbb\nccc\n", "", 9), 0, 6, "… 5 bytes left out …\nccc\n"),
            (output("one\ntwo\nthree", "x\ny\n", 1000), 9, 2, "one\ntwo\n… 990 bytes left out …\ny\n"),
            (output("éé", "éé", 8), 3, 3, "é\n… 4 bytes left out …\né"),
        ] {
            assert_eq!(excerpt(&given, head, tail), expected, "{given:?}");
        }
    }
}
