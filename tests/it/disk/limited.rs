//! The same under a real limit of file sizes, as `ulimit -f` and batch systems set it: the kernel answers a write beyond it
//! with SIGXFSZ and EFBIG.

use super::{Ill, bore, left, mended, model, project, variables, whole};
use crate::binary::{PACE, Pace};

/// Blocks of 512 bytes that no file may exceed: from nothing to more than what the journal of a day takes.
const LIMITS: [u32; 8] = [0, 1, 4, 16, 48, 96, 144, 200];

#[test]
fn a_limit_of_file_sizes_costs_nothing_twice() {
    let whole = whole();
    let mut stopped = 0;
    for limit in LIMITS {
        let (project, server) = (project(), model());
        let script = format!("ulimit -f {limit}; exec \"$0\"");
        let limited = Pace::new(&project.dir, &project.home)
            .by("sh", ["-c", script.as_str(), PACE])
            .env(variables(&server, &project.home))
            .run();
        let mut problems = bore(&limited, Ill::Limited);
        stopped += usize::from(limited.code == 4);
        let again = super::pace(&project, &server).run();
        assert_eq!(again.code, 0, "{limit}: {}{}", limited.transcript(), again.transcript());
        problems.extend(mended(&whole, &project.dir, server.calls().values().sum()));
        assert!(problems.is_empty(), "{limit}: {problems:#?}{}", limited.transcript());
        assert!(!left(&project.dir).is_empty());
    }
    assert!(stopped > 2, "{stopped} of {LIMITS:?} blocks stopped the day");
}
