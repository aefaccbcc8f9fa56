//! TRX, the report format of the .NET test platform.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::Found;
use super::junit::attribute;
use crate::domain::observation::TestStatus;

/// The tests of a report; `None` where the XML cannot be read to its end.
pub(super) fn read(xml: &str) -> Option<Found> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    let mut found = Found::default();
    let mut depth = 0_usize;
    loop {
        let event = reader.read_event().ok()?;
        let start = match &event {
            Event::Start(start) => {
                depth += 1;
                start
            }
            Event::Empty(start) => start,
            Event::End(_) => {
                depth = depth.checked_sub(1)?;
                continue;
            }
            Event::Eof => return (depth == 0).then_some(found),
            _ => continue,
        };
        if start.local_name().as_ref() == b"UnitTestResult" {
            let name = attribute(start, "testName").unwrap_or_default();
            let status = match attribute(start, "outcome").unwrap_or_default().as_str() {
                "Passed" | "PassedButRunAborted" | "Warning" | "Completed" => TestStatus::Passed,
                "NotExecuted" | "NotRunnable" | "Inconclusive" | "Pending" => TestStatus::Skipped,
                _ => TestStatus::Failed,
            };
            found.add(&name, status);
        }
    }
}
