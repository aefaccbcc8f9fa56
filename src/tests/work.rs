//! Whether work grows as its input does. What is counted is the thread's own processor time, and only how it grows is
//! asserted: neither a slow machine nor a busy one makes a test fail.

use std::time::Instant;

/// How often the larger input is as large as the smaller one.
const FACTOR: usize = 8;
/// A quadratic reader works [`FACTOR`]² times as much on it, a linear one [`FACTOR`] times.
const STEEPEST: f64 = 28.0;
/// Nanoseconds that the larger input must cost before growth tells anything.
const NOTICED: u64 = 40_000_000;
/// Bytes of the smaller input.
const SMALL: usize = 1_500;

/// A reader of what comes from outside, by name.
pub(crate) struct Reader<'a> {
    pub name: String,
    pub read: Box<dyn Fn(&str) + 'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(name: impl Into<String>, read: impl Fn(&str) + 'a) -> Self {
        Self { name: name.into(), read: Box::new(read) }
    }
}

/// Asserts that each reader's work grows as its input does, for inputs that repeat one of `pieces`: on one endless line and on
/// many lines, behind each of `heads`.
pub(crate) fn grows_with_its_input(readers: &[Reader<'_>], heads: &[&str], pieces: &[&str]) {
    let mut steep = Vec::new();
    for reader in readers {
        for head in heads {
            for piece in pieces {
                for (shape, text) in SHAPES {
                    let growth = least_growth(reader, &|bytes| format!("{head}{}", text(piece, bytes)));
                    if growth > STEEPEST {
                        steep.push(format!(
                            "{}: {growth:.0} times the work for {shape} of {piece:?} after {head:?}",
                            reader.name
                        ));
                    }
                }
            }
        }
    }
    assert!(steep.is_empty(), "{FACTOR} times the input is\n{}", steep.join("\n"));
}

type Shape = (&'static str, fn(&str, usize) -> String);

const SHAPES: [Shape; 2] = [
    ("one line", |piece, bytes| piece.repeat(bytes / piece.len().max(1))),
    ("numbered lines", |piece, bytes| {
        (0..bytes / (piece.len() + 6)).map(|n| format!("{piece}{n:05}\n")).collect()
    }),
];

/// The least of three measurements; one is enough where it is small.
fn least_growth(reader: &Reader<'_>, text: &dyn Fn(usize) -> String) -> f64 {
    let (small, large) = (text(SMALL), text(SMALL * FACTOR));
    let mut least = f64::MAX;
    for _ in 0..3 {
        let (few, many) = (spent(|| (reader.read)(&small)), spent(|| (reader.read)(&large)));
        if many < NOTICED {
            return 0.0;
        }
        least = least.min(many as f64 / few.max(1) as f64);
        if least <= STEEPEST {
            break;
        }
    }
    least
}

/// Nanoseconds of processor time that the thread spends on `work`.
pub(crate) fn spent(work: impl FnOnce()) -> u64 {
    let began = Instant::now();
    let before = on_processor();
    work();
    match (before, on_processor()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
    }
}

/// Nanoseconds that the thread has been on a processor.
fn on_processor() -> Option<u64> {
    // The kernel brings the count up to date when the thread offers its place.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

#[test]
fn a_quadratic_reader_is_told_from_a_linear_one() {
    let linear = Reader::new("linear", |text| {
        std::hint::black_box((0..text.len() * 300).fold(0_usize, |sum, n| sum ^ n));
    });
    let quadratic = Reader::new("quadratic", |text| {
        std::hint::black_box((0..text.len() * text.len() / 10).fold(0_usize, |sum, n| sum ^ n));
    });
    assert!(least_growth(&linear, &|bytes| "x".repeat(bytes)) < STEEPEST);
    assert!(least_growth(&quadratic, &|bytes| "x".repeat(bytes)) > STEEPEST);
}
