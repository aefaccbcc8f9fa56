//! Whether the tests of a day look at its functions: a run in which these fail tells. Knows nothing of how it is made.

use std::collections::BTreeSet;

use super::{RedPhase, statuses};
use crate::domain::diff::Change;
use crate::domain::observation::{TestRun, TestStatus};
use crate::evidence::code::hollowed::Way;
use crate::evidence::code::{self, Language};
use crate::evidence::day_change::{DayChange, FileChange};
use crate::evidence::some;

/// Whether it can be told that the day's tests look at its functions: there are some that can be emptied, and no test
/// speaks of anything else that the day brought.
pub(crate) fn is_about_functions(change: &DayChange) -> bool {
    let mut beside: BTreeSet<String> = BTreeSet::new();
    let mut any = false;
    for file in change.production().filter(|file| file.change != Change::Deleted) {
        match file.hollowed(Way::Failing) {
            Some(hollowed) => {
                any = true;
                beside.extend(hollowed.beside);
            }
            None if file.only_wires() => {}
            None => beside.extend(code::definitions(&file.path, &file.production_text())),
        }
    }
    let spoken_of = |file: &FileChange| {
        let text = file.test_text().unwrap_or_default();
        let masked = code::mask::masked(Language::of(&file.path), &text);
        code::words(&masked).iter().any(|word| beside.contains(*word))
    };
    any && !change.tests().any(spoken_of)
}

/// What is lacking where the tests that proved the red phase, `failing`, pass though every function of the day is emptied, as
/// in `hollow`; told only where they do so in every [`Way`].
pub(crate) fn look_at_nothing(hollow: &TestRun, failing: &[String], change: &DayChange) -> Option<RedPhase> {
    let statuses = statuses(Some(hollow));
    let pass = if statuses.is_empty() {
        hollow.run.exit.ok()
    } else {
        failing.iter().all(|name| statuses.get(name.as_str()) == Some(&TestStatus::Passed))
    };
    let files = some(&change.production().map(|file| file.path.clone()).collect::<Vec<_>>());
    pass.then(|| {
        RedPhase::Lacking(format!(
            "The tests pass although every function that the day wrote or changed in {files} was emptied: {}. So \
             none of them looks at what these functions do. Test the functions themselves, neither a stand-in for them \
             nor a loop that never runs.",
            some(failing)
        ))
    })
}
