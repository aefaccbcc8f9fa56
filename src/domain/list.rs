//! A list in a sentence.

/// The first `most` of `all`, and how many more there are: `a, b and 3 more`.
pub(crate) fn shown<S: AsRef<str>>(all: &[S], most: usize) -> String {
    let first: Vec<&str> = all.iter().take(most).map(AsRef::as_ref).collect();
    let first = first.join(", ");
    match all.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(shown::<&str>(&[], 2), "");
        assert_eq!(shown(&["a", "b"], 2), "a, b");
        assert_eq!(shown(&["a", "b", "c", "d"], 2), "a, b and 2 more");
    }
}
