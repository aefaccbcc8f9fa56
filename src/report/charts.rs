//! The numbers behind the charts of the sprint's page: where each bar and cell stands. Knows no markup.

use serde::Serialize;

use super::sprint::view::SprintDay;
use crate::domain::decision::Decision;
use crate::prompt::figures::cents;

/// Width of every drawing, in its own units: that of a narrow phone, so that its text is readable there.
const WIDTH: f64 = 340.0;
/// Room for the labels on the left.
const LEFT: f64 = 76.0;
/// Height of a row.
const ROW: f64 = 26.0;

/// All charts of the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Charts {
    pub width: f64,
    pub left: f64,
    pub verdicts: Verdicts,
    pub costs: Bars,
    pub attempts: Bars,
    pub advisories: Bars,
}

/// A grid: a row an agent, a column a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verdicts {
    pub height: f64,
    pub rows: Vec<GridRow>,
    pub columns: Vec<Label>,
    /// The grid in words.
    pub text: String,
}

/// A row of the grid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct GridRow {
    pub name: &'static str,
    pub y: f64,
    pub cells: Vec<Cell>,
}

/// A cell of the grid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Cell {
    pub x: f64,
    pub width: f64,
    /// `SHIP`, `ADVISORY`, `HOLD` or `none`: never told by its colour alone.
    pub state: &'static str,
    pub sign: &'static str,
}

/// A label below a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Label {
    pub x: f64,
    pub text: String,
}

/// Bars that lie, a row a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bars {
    pub height: f64,
    pub rows: Vec<Bar>,
    /// The bars in words.
    pub text: String,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bar {
    pub y: f64,
    pub label: String,
    /// What stands behind it.
    pub value: String,
    /// Length of the first part, and of the second that is set off from it.
    pub first: f64,
    pub second: f64,
    /// Where the text behind the bar begins.
    pub text_x: f64,
    /// Where a mark stands across the bar.
    pub mark: Option<f64>,
}

impl Charts {
    /// The charts of `days`.
    pub(crate) fn of(days: &[SprintDay]) -> Self {
        Self {
            width: WIDTH,
            left: LEFT,
            verdicts: verdicts(days),
            costs: bars(days, |day| {
                let p = &day.progress;
                let wasted = p.wasted.unwrap_or(0.0);
                let value = match p.estimate {
                    Some(estimate) => format!("{}, estimated {}", day.actual_text, cents(Some(estimate))),
                    None => day.actual_text.clone(),
                };
                Figure { first: p.actual.unwrap_or(0.0) - wasted, second: wasted, mark: p.estimate, value }
            }),
            attempts: bars(days, |day| {
                let runs = f64::from(day.progress.attempts);
                let value = match day.progress.attempts {
                    0 => "not run".to_owned(),
                    1 => "1 run".to_owned(),
                    2 => "2 runs, 1 retry".to_owned(),
                    n => format!("{n} runs, {} retries", n - 1),
                };
                Figure { first: runs.min(1.0), second: (runs - 1.0).max(0.0), mark: None, value }
            }),
            advisories: bars(days, |day| Figure {
                first: f64::from(day.progress.open_advisories.unwrap_or(0)),
                second: 0.0,
                mark: None,
                value: day
                    .progress
                    .open_advisories
                    .map_or_else(|| "not run".to_owned(), |n| format!("{n} open")),
            }),
        }
    }
}

struct Figure {
    first: f64,
    second: f64,
    mark: Option<f64>,
    value: String,
}

fn bars(days: &[SprintDay], figure: impl Fn(&SprintDay) -> Figure) -> Bars {
    let figures: Vec<_> = days.iter().map(|day| (day.progress.day, figure(day))).collect();
    let longest = figures
        .iter()
        .map(|(_, f)| (f.first + f.second).max(f.mark.unwrap_or(0.0)))
        .fold(f64::MIN_POSITIVE, f64::max);
    // The text stands above its bar, so that a bar may have the whole width.
    let room = WIDTH - LEFT - 4.0;
    // Adding zero takes the sign off a negative one.
    let length = |value: f64| round(value.max(0.0) / longest * room) + 0.0;
    let rows = figures.iter().zip(0_u32..).map(|((day, figure), row)| Bar {
        y: f64::from(row) * ROW * 1.6 + 4.0,
        label: format!("Day {day}"),
        value: figure.value.clone(),
        first: length(figure.first),
        second: length(figure.second),
        text_x: LEFT,
        mark: figure.mark.map(|mark| round(LEFT + length(mark))),
    });
    let rows: Vec<Bar> = rows.collect();
    let text = rows.iter().map(|row| format!("{}: {}", row.label, row.value)).collect::<Vec<_>>().join("; ");
    Bars { height: round(count(rows.len()) * ROW * 1.6 + 8.0), rows, text }
}

/// What a row of the grid shows of a day.
type Decided = fn(&SprintDay) -> Option<Decision>;

fn verdicts(days: &[SprintDay]) -> Verdicts {
    let width = (WIDTH - LEFT) / count(days.len().max(1));
    let column = |index: usize| round(LEFT + count(index) * width);
    let rows: [(&str, Decided); 4] = [
        ("GATE", |d| d.gate),
        ("SENTINEL", |d| d.sentinel),
        ("CONDUIT", |d| d.conduit),
        ("Day", |d| d.progress.decision),
    ];
    let mut words = Vec::new();
    let rows = rows.into_iter().zip(0_u32..).map(|((name, decision), row)| {
        let cells = days.iter().enumerate().map(|(index, day)| {
            let (state, sign) = signs(decision(day));
            Cell { x: column(index), width: round((width - 3.0).max(1.0)), state, sign }
        });
        GridRow { name, y: f64::from(row) * ROW + 4.0, cells: cells.collect() }
    });
    let rows: Vec<GridRow> = rows.collect();
    for (index, day) in days.iter().enumerate() {
        let states: Vec<_> =
            rows.iter().map(|row| format!("{} {}", row.name, row.cells[index].state)).collect();
        words.push(format!("Day {}: {}", day.progress.day, states.join(", ")));
    }
    Verdicts {
        height: ROW * 5.0 + 4.0,
        rows,
        columns: days
            .iter()
            .enumerate()
            .map(|(index, day)| Label {
                x: round(column(index) + (width - 3.0) / 2.0),
                text: day.progress.day.to_string(),
            })
            .collect(),
        text: words.join("; "),
    }
}

fn signs(decision: Option<Decision>) -> (&'static str, &'static str) {
    match decision {
        Some(Decision::Ship) => ("SHIP", "✓"),
        Some(Decision::Advisory) => ("ADVISORY", "!"),
        Some(Decision::Hold) => ("HOLD", "✕"),
        None => ("none", "–"),
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
