//! A release: version, file names and checksums belong together.
