//! Lists and numbers of things in a sentence.

/// The first `most` of `all`, and how many more there are: `a, b and 3 more`.
pub(crate) fn shown<S: AsRef<str>>(all: &[S], most: usize) -> String {
    let first: Vec<&str> = all.iter().take(most).map(AsRef::as_ref).collect();
    let first = first.join(", ");
    match all.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A number of things: `1 finding`, `2 findings`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!((counted(1, "file"), counted(0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
        assert_eq!(shown::<&str>(&[], 2), "");
        assert_eq!(shown(&["a", "b"], 2), "a, b");
        assert_eq!(shown(&["a", "b", "c", "d"], 2), "a, b and 2 more");
    }
}
