//! A repository that is not there: a replay takes every answer from the record, so whatever asks the repository
//! itself has left the recording.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use anyhow::anyhow;
use futures_util::future::BoxFuture;

use super::bundle::Bundled;
use super::checkpoint::{Point, Spared};
use super::left_locks::Locks;
use super::{Branch, Caught, Outlook, PushOutlook, Pushed, RepoError, Repository, Restoring, Stored, Yields};
use crate::domain::diff::Diff;

/// Answers nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absent;

fn absent<T>() -> anyhow::Result<T> {
    Err(anyhow!("a replay has no repository: the recording lacks this answer"))
}

impl Repository for Absent {
    fn prepare_branch(&self) -> BoxFuture<'_, Result<Branch, RepoError>> {
        Box::pin(async { Ok(absent()?) })
    }

    fn checked_out(&self) -> anyhow::Result<Option<String>> {
        absent()
    }

    fn head(&self) -> anyhow::Result<String> {
        absent()
    }

    fn untracked(&self) -> anyhow::Result<BTreeSet<String>> {
        absent()
    }

    fn ignored(&self) -> anyhow::Result<Vec<String>> {
        absent()
    }

    fn work_diff(&self, _except: &BTreeSet<String>) -> anyhow::Result<Diff> {
        absent()
    }

    fn day_diff(&self, _base: &str, _commit: &str) -> anyhow::Result<Diff> {
        absent()
    }

    fn day_work_diff(&self, _base: &str, _except: &BTreeSet<String>) -> anyhow::Result<Diff> {
        absent()
    }

    fn day_start(
        &self,
        _base: &str,
        _commit: &str,
        _paths: &[String],
    ) -> anyhow::Result<BTreeMap<String, Option<Stored>>> {
        absent()
    }

    fn exchange(&self, _instead: &BTreeMap<String, Option<Stored>>, _kept: &[String]) -> anyhow::Result<()> {
        absent()
    }

    fn put_back(&self) -> anyhow::Result<()> {
        absent()
    }

    fn commit(&self, _paths: &[String], _message: &str) -> anyhow::Result<String> {
        absent()
    }

    fn show(&self, _commit: &str, _path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        absent()
    }

    fn work_file(&self, _path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        absent()
    }

    fn paths(&self, _commit: &str) -> anyhow::Result<Vec<String>> {
        absent()
    }

    fn is_ancestor(&self, _ancestor: &str, _commit: &str) -> anyhow::Result<bool> {
        absent()
    }

    fn base_tips(&self) -> anyhow::Result<Vec<String>> {
        absent()
    }

    fn set_untracked_aside(&self) -> anyhow::Result<BTreeSet<String>> {
        absent()
    }

    fn restore_untracked(&self) -> anyhow::Result<()> {
        absent()
    }

    fn beside_git(&self) -> anyhow::Result<BTreeSet<String>> {
        absent()
    }

    fn note_ignored(&self, _run: &str) -> anyhow::Result<()> {
        absent()
    }

    fn restore_ignored(&self, _when: Restoring) -> anyhow::Result<Vec<String>> {
        absent()
    }

    fn clear_left_locks(&self, _died: Option<i64>) -> BoxFuture<'_, anyhow::Result<Locks>> {
        Box::pin(async { absent() })
    }

    fn forget_ignored(&self) -> anyhow::Result<()> {
        absent()
    }

    fn put_away(&self, _run: &str, _paths: &[String]) -> anyhow::Result<()> {
        absent()
    }

    fn set_left_aside(&self, _run: &str, _until: SystemTime) -> anyhow::Result<Vec<String>> {
        absent()
    }

    fn reset_paths(&self, _paths: &[String]) -> anyhow::Result<()> {
        absent()
    }

    fn before_first(&self, _trailers: &[String]) -> anyhow::Result<Option<String>> {
        absent()
    }

    fn lines_by(&self, _trailer: &str, _path: &str) -> anyhow::Result<BTreeSet<String>> {
        absent()
    }

    fn head_message(&self) -> anyhow::Result<String> {
        absent()
    }

    fn reviewed_message(&self) -> anyhow::Result<String> {
        absent()
    }

    fn catch_up<'a>(
        &'a self,
        _branch: &'a str,
        _yields: &'a Yields,
    ) -> BoxFuture<'a, Result<Caught, RepoError>> {
        Box::pin(async { Ok(absent()?) })
    }

    fn outlook(&self) -> Result<Outlook, RepoError> {
        Ok(absent()?)
    }

    fn may_push(&self) -> BoxFuture<'_, Result<PushOutlook, RepoError>> {
        Box::pin(async { Ok(absent()?) })
    }

    fn take_back(&self, _paths: &[String]) -> anyhow::Result<()> {
        absent()
    }

    fn bundle(&self, _branch: &str, _path: &Path) -> anyhow::Result<Bundled> {
        absent()
    }

    fn take_over<'a>(
        &'a self,
        _branch: &'a str,
        _bundled: &'a Bundled,
        _path: &'a Path,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, RepoError>> {
        Box::pin(async { Ok(absent()?) })
    }

    fn checkpoint(&self, _name: &str, _spared: &Spared<'_>) -> anyhow::Result<String> {
        absent()
    }

    fn forget_checkpoints(&self, _name: &str) -> anyhow::Result<()> {
        absent()
    }

    fn head_of(&self, _point: Point<'_>) -> anyhow::Result<Option<String>> {
        absent()
    }

    fn differences(&self, _point: Point<'_>, _spared: &Spared<'_>) -> anyhow::Result<BTreeSet<String>> {
        absent()
    }

    fn restore(&self, _point: Point<'_>, _spared: &Spared<'_>) -> anyhow::Result<()> {
        absent()
    }

    fn push<'a>(&'a self, _branch: &'a str) -> BoxFuture<'a, Result<Pushed, RepoError>> {
        Box::pin(async { Ok(absent()?) })
    }
}
