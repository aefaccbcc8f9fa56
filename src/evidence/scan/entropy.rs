//! Shannon entropy of a value.

/// Bits a byte, 0 to 8.
pub(super) fn shannon(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let length = value.len() as f64;
    let share = |count: u32| f64::from(count) / length;
    -counts.into_iter().filter(|c| *c > 0).map(|c| share(c) * share(c).log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::shannon;

    #[test]
    fn from_nothing_to_all_bytes() {
        let all: Vec<u8> = (0..=255).collect();
        for (value, bits) in [(&b"aaaa"[..], 0.0), (b"abab", 1.0), (b"abcd", 2.0), (&all, 8.0)] {
            assert!((shannon(value) - bits).abs() < 1e-9, "{value:?}");
        }
        assert!(shannon(b"").abs() < 1e-9);
    }
}
