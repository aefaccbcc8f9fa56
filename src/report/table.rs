//! Tables of aligned columns for terminals. Knows nothing of what the cells say.

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// The lines of a table: a head, a rule, one line a row. Every row has a cell for every column; cells are one
/// line each. Columns are two blanks apart and lines end without blanks.
pub(super) fn lines<const N: usize>(head: [(&str, Align); N], rows: &[[String; N]]) -> Vec<String> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
        cells.max(width(head[column].0))
    });
    let line = |cells: [&str; N]| {
        let padded: [String; N] = std::array::from_fn(|column| {
            let fill = " ".repeat(widths[column].saturating_sub(width(cells[column])));
            match head[column].1 {
                Align::Left => format!("{}{fill}", cells[column]),
                Align::Right => format!("{fill}{}", cells[column]),
            }
        });
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines =
        vec![line(head.map(|(title, _)| title)), widths.map(|width| "─".repeat(width)).join("  ")];
    lines.extend(rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str()))));
    lines
}

/// Columns that `text` takes in a terminal: two for East Asian wide characters and emoji, none for combining
/// marks, one for the rest. The ranges are the large ones of Unicode's EastAsianWidth and emoji blocks.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x300..=0x36f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
            0x1100..=0x115f
            | 0x2e80..=0x303e
            | 0x3041..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1f64f
            | 0x1f680..=0x1f6ff
            | 0x1f900..=0x1faff
            | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_characters_are() {
        let rows = [
            ["e\u{301}té".to_owned(), "1".to_owned()],
            ["日本".to_owned(), "22".to_owned()],
            ["🚀".to_owned(), "333".to_owned()],
        ];
        assert_eq!(
            lines([("a", Align::Left), ("b", Align::Right)], &rows),
            ["a       b", "────  ───", "e\u{301}té     1", "日本   22", "🚀    333"]
        );
    }

    #[test]
    fn a_table_without_rows_has_its_head() {
        assert_eq!(lines([("head", Align::Left)], &[]), ["head", "────"]);
    }
}
