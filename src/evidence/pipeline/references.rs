//! What a reference to an action, an image or a component is pinned to.
//!
//! Pure text; a version tag or a SHA pins (so the first guide of the product says), a branch, `latest` or nothing does not.

use std::sync::LazyLock;

use regex::Regex;

use crate::evidence::pattern;

/// Why `uses` (as it stands in a workflow) is not pinned; `None` where it is, is local, or cannot be told.
pub(super) fn loose_action(uses: &str) -> Option<String> {
    let uses = uses.trim();
    if let Some(image) = uses.strip_prefix("docker://") {
        return loose_image(image);
    }
    if uses.starts_with("./") || uses.starts_with("$/") || uses.starts_with("../") || uses.contains("${{") {
        return None;
    }
    let Some((_, reference)) = uses.split_once('@') else {
        return uses.contains('/').then(|| "names no version".to_owned());
    };
    loose_ref(reference)
}

/// Why a git ref is not pinned.
pub(super) fn loose_ref(reference: &str) -> Option<String> {
    let reference = reference.trim();
    if reference.is_empty() {
        return Some("names no version".to_owned());
    }
    if reference.contains('$') || SHA.is_match(reference) || VERSION.is_match(reference) {
        return None;
    }
    Some(match reference {
        "latest" | "~latest" => format!("{reference} moves with every release"),
        _ => format!("`{reference}` is a branch or a moving tag, no version"),
    })
}

/// Why a container image is not pinned; `None` also where a variable hides it.
pub(super) fn loose_image(image: &str) -> Option<String> {
    let image = image.trim();
    if image.is_empty() || image.contains('$') || image.contains("@sha256:") || image == "scratch" {
        return None;
    }
    // The last part only: a registry's port is no tag.
    let (name, tag) = match image.rfind(':') {
        Some(at) if !image[at..].contains('/') => (&image[..at], &image[at + 1..]),
        _ => (image, ""),
    };
    if !IMAGE.is_match(name) {
        return None;
    }
    if tag.is_empty() {
        return Some("names no tag, so `latest` is meant".to_owned());
    }
    let moving = MOVING.contains(&tag) || tag.starts_with("latest-") || tag.ends_with("-latest");
    moving.then(|| format!("the tag `{tag}` moves"))
}

/// Image tags that name no version at all. Names of editions (`slim`, `bookworm`) are left alone.
const MOVING: &[&str] =
    &["latest", "main", "master", "edge", "nightly", "develop", "dev", "canary", "unstable", "HEAD", "trunk"];

static SHA: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[0-9a-fA-F]{7,64}$"));
/// A number that stands for itself, or after a `v`: `v4`, `1.70.0`, `release/v1`, `nightly-2024-05-01`.
static VERSION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[^A-Za-z0-9])[vV]?\d"));
static IMAGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z0-9][A-Za-z0-9._:/-]*$"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions() {
        for (uses, loose) in [
            ("actions/checkout@v4", false),
            ("actions/checkout@v4.2.2", false),
            ("actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683", false),
            ("dtolnay/rust-toolchain@1.85.0", false),
            ("dtolnay/rust-toolchain@nightly-2025-01-01", false),
            ("pypa/gh-action-pypi-publish@release/v1", false),
            ("acme/x@release-2.1", false),
            ("acme/ci/.github/workflows/test.yml@v2", false),
            ("./.github/actions/setup", false),
            ("./.github/workflows/test.yml", false),
            ("docker://alpine:3.20", false),
            ("docker://alpine@sha256:aaaa", false),
            ("actions/checkout@master", true),
            ("actions/checkout@main", true),
            ("actions/checkout@latest", true),
            ("actions/checkout", true),
            ("actions/checkout@", true),
            ("dtolnay/rust-toolchain@stable", true),
            ("taiki-e/install-action@nextest", true),
            ("acme/x@py3", true),
            ("acme/ci/.github/workflows/test.yml@main", true),
            ("docker://alpine", true),
            ("docker://ghcr.io/acme/tool:latest", true),
        ] {
            assert_eq!(loose_action(uses).is_some(), loose, "{uses}");
        }
    }

    #[test]
    fn images() {
        for (image, loose) in [
            ("python:3.12-slim", false),
            ("python:slim", false),
            ("debian:bookworm", false),
            ("localhost:5000/tool:1.2", false),
            ("localhost:5000/tool", true),
            ("python", true),
            ("python:latest", true),
            ("ghcr.io/astral-sh/uv:latest", true),
            ("rustlang/rust:nightly", true),
            ("mcr.microsoft.com/mssql/server:2022-latest", true),
            ("python@sha256:0123", false),
            ("python:latest@sha256:0123", false),
            ("$CI_REGISTRY_IMAGE:latest", false),
            ("${IMAGE}", false),
            ("scratch", false),
            ("", false),
        ] {
            assert_eq!(loose_image(image).is_some(), loose, "{image}");
        }
    }
}
