//! What the binary observes by itself: test runs, cites that resolve, which command tests the project.
//!
//! Knows neither models nor platforms.
