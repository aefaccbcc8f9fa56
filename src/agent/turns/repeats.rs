//! Notices a model that goes round in circles: the same calls, or the same few turns, over and over. Knows no tool.

use std::collections::VecDeque;

use crate::llm::ToolCall;

/// Turns of the longest circle that is noticed.
const LONGEST: usize = 4;

/// Rounds after which the model is told.
const TOLD: usize = 3;

/// Rounds after which the loop ends.
const ENDED: usize = 4;

/// The newest turns of a loop.
#[derive(Default)]
pub(super) struct Repeats {
    turns: VecDeque<String>,
}

/// What the newest turn shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Circle {
    None,
    /// To be told to the model.
    Told(String),
    /// The stop reason.
    Ended(String),
}

impl Repeats {
    /// Takes note of a turn's calls.
    pub(super) fn saw(&mut self, calls: &[ToolCall]) -> Circle {
        let words: Vec<_> = calls.iter().map(|call| format!("{} {}", call.name, call.input)).collect();
        self.turns.push_front(words.join("\n"));
        self.turns.truncate(LONGEST * ENDED);
        let names: Vec<_> = calls.iter().map(|call| format!("`{}`", call.name)).collect();
        for length in 1..=LONGEST {
            let rounds = self.rounds(length);
            let what = match length {
                1 => format!("the same call of {}", names.join(", ")),
                _ => format!("the same {length} turns, ending with {}", names.join(", ")),
            };
            if rounds >= ENDED {
                return Circle::Ended(format!("{what} came {ENDED} times in a row"));
            }
            if rounds == TOLD {
                return Circle::Told(format!(
                    "{what} came {TOLD} times in a row and will bring nothing new; do something else, or finish \
                     with the final tool"
                ));
            }
        }
        Circle::None
    }

    /// How often the newest `length` turns came in a row.
    fn rounds(&self, length: usize) -> usize {
        let same = self.turns.iter().zip(self.turns.iter().skip(length)).take_while(|(new, old)| new == old);
        if self.turns.len() < length { 0 } else { 1 + same.count() / length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str) -> ToolCall {
        ToolCall { id: "any".into(), name: name.into(), input: serde_json::json!({"path": "a"}) }
    }

    /// The answer to the last of these turns.
    fn last(turns: &str) -> Circle {
        let mut repeats = Repeats::default();
        turns.chars().map(|c| repeats.saw(&[call(&c.to_string())])).last().unwrap()
    }

    #[test]
    fn circles_are_told_at_the_third_round_and_end_at_the_fourth() {
        let table = [
            ("a", ""),
            ("aa", ""),
            ("aaa", "told"),
            ("aaaa", "ended"),
            ("aabaa", ""),
            ("aaab", ""),
            ("ababa", ""),
            ("ababab", "told"),
            ("abababa", "told"),
            ("abababab", "ended"),
            ("abcdabcdabcd", "told"),
            ("abcdabcdabcdabcd", "ended"),
            ("abcdeabcdeabcdeabcde", ""),
            ("abacabad", ""),
        ];
        for (turns, expected) in table {
            let found = match last(turns) {
                Circle::None => "",
                Circle::Told(_) => "told",
                Circle::Ended(_) => "ended",
            };
            assert_eq!(found, expected, "{turns}");
        }
    }

    #[test]
    fn the_reason_names_the_calls() {
        assert_eq!(last("aaaa"), Circle::Ended("the same call of `a` came 4 times in a row".into()));
        let Circle::Ended(reason) = last("abababab") else { panic!("a circle of two") };
        assert_eq!(reason, "the same 2 turns, ending with `b` came 4 times in a row");
    }
}
