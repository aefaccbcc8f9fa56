//! The GitLab component.
