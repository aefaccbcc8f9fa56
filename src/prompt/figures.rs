//! How money, tokens and times are written for people. Knows nothing of where the figures come from.

use std::time::Duration;

/// US dollars with four decimals, as the artifacts carry them; `unknown` where a price is missing.
pub(crate) fn usd(cost: Option<f64>) -> String {
    match cost {
        Some(cost) => format!("${:.4}", positive(cost)),
        None => "unknown".to_owned(),
    }
}

/// US dollars with two decimals; `unknown` where a price is missing.
pub(crate) fn cents(cost: Option<f64>) -> String {
    match cost {
        Some(cost) => format!("${:.2}", positive(cost)),
        None => "unknown".to_owned(),
    }
}

/// The sum of no figures is -0 in floating point; nobody wants to read `$-0.00`.
fn positive(usd: f64) -> f64 {
    usd + 0.0
}

/// A count of tokens: `950`, `12.4k`, `3.1M`.
pub(crate) fn tokens(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let scaled = |unit: u64| count as f64 / unit as f64;
    match count {
        0..1_000 => count.to_string(),
        1_000..999_950 => format!("{:.1}k", scaled(1_000)),
        _ => format!("{:.1}M", scaled(1_000_000)),
    }
}

/// A time span: `3.2 s`, `2 min 05 s`, `1 h 02 min`.
pub(crate) fn span(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    let seconds = time.as_secs();
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if seconds < 3600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_table() {
        for (count, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.0k"),
            (12_449, "12.4k"),
            (999_949, "999.9k"),
            (999_950, "1.0M"),
            (3_140_000, "3.1M"),
        ] {
            assert_eq!(tokens(count), expected);
        }
        for (millis, expected) in [
            (0, "0.0 s"),
            (3_200, "3.2 s"),
            (59_900, "59.9 s"),
            (59_950, "59.9 s"),
            (60_000, "1 min 00 s"),
            (125_000, "2 min 05 s"),
            (3_725_000, "1 h 02 min"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
        assert_eq!(usd(Some(2.843_06)), "$2.8431");
        assert_eq!(usd(None), "unknown");
        assert_eq!((usd(Some(-0.0)), cents(Some(-0.0))), ("$0.0000".to_owned(), "$0.00".to_owned()));
        assert_eq!((cents(Some(6.587)), cents(None)), ("$6.59".to_owned(), "unknown".to_owned()));
    }
}
