//! Values that belong to one environment and stand in a CI definition: addresses of hosts, account numbers,
//! somebody's home folder.
//!
//! Prefers silence: only values that name one machine, one account or one person are reported.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use regex::Regex;

use super::flaw::{Family, Flaw, Found};
use super::kinds::Kind;
use super::source::{Source, entries, items, line};
use crate::evidence::pattern;
use crate::schema::yaml::{Node, Tree};

/// Checks the values of a CI definition, and the lines of a Makefile or justfile.
pub(super) fn check(source: &Source<'_>, found: &mut Found) {
    match (&source.yaml, source.kind) {
        (Some(root), Kind::Workflow | Kind::Action | Kind::GitLab | Kind::Component | Kind::OtherCi) => {
            found.look(Family::Environments, source.path);
            walk(source, root, "", found);
        }
        (None, Kind::Makefile | Kind::Justfile) => {
            found.look(Family::Environments, source.path);
            for (number, text) in (1..).zip(source.text.lines()) {
                if !text.trim_start().starts_with('#') {
                    report(source, number, text, "", found);
                }
            }
        }
        _ => {}
    }
}

fn walk(source: &Source<'_>, node: &Node, key: &str, found: &mut Found) {
    match &node.tree {
        Tree::Map(_) => {
            for entry in entries(node).iter().filter(|e| !SPOKEN.contains(&e.key.as_str())) {
                // `environment: {url: …}` declares where a deployment can be seen.
                if !(key == "environment" && entry.key == "url") {
                    walk(source, &entry.node, &entry.key, found);
                }
            }
        }
        Tree::List(_) => items(node).iter().for_each(|item| walk(source, item, key, found)),
        Tree::Text(value) => {
            let mut from = line(node.line);
            for part in
                value.lines().filter(|part| !part.trim().is_empty() && !part.trim_start().starts_with('#'))
            {
                from = source.line_of(part, from);
                report(source, from, part, key, found);
            }
        }
        _ => {}
    }
}

/// Keys whose values are words for people, or lists of what may be reached.
const SPOKEN: &[&str] = &["name", "description", "allowed-endpoints", "if", "branches", "paths", "include"];

fn report(source: &Source<'_>, at: u32, text: &str, key: &str, found: &mut Found) {
    if let Some((value, kind)) = hard_coded(text, key) {
        let what =
            format!("{kind} `{value}` is written into the pipeline. Take it from a variable or a secret");
        found.add(Flaw::new(Family::Environments, source.path, at, what));
    }
}

/// The first value in `text` that belongs to one environment, and what it is. `key` is the key that holds the text.
fn hard_coded(text: &str, key: &str) -> Option<(String, &'static str)> {
    if let Some(c) =
        ADDRESS.captures(text).or_else(|| KEYED.is_match(key).then(|| BARE.captures(text)).flatten())
    {
        let address: Option<Ipv4Addr> = c[1].parse().ok();
        if address.is_some_and(names_a_host) {
            return Some((c[1].to_owned(), "the address"));
        }
    }
    let account = ACCOUNT.captures_iter(text).filter_map(|c| c.get(1).or(c.get(2))).map(|m| m.as_str());
    if let Some(account) =
        account.into_iter().find(|a| !matches!(*a, "000000000000" | "123456789012" | "111111111111"))
    {
        return Some((account.to_owned(), "the account number"));
    }
    // Where containers are at work, a home folder is theirs.
    if let Some(c) = HOME
        .captures_iter(text)
        .filter(|_| !text.contains("docker"))
        .find(|c| !SHARED.contains(&c[2].to_ascii_lowercase().as_str()))
    {
        return Some((c[1].to_owned(), "the home folder"));
    }
    let host = HOST.captures(text).filter(|_| !text.contains("${{ matrix"))?;
    (!PUBLIC.iter().any(|end| host[1].ends_with(end))).then(|| (host[1].to_owned(), "the host"))
}

/// Whether an address names one host out there, and not this machine, a public resolver or a whole network.
fn names_a_host(address: Ipv4Addr) -> bool {
    let resolvers = [[8, 8, 8, 8], [8, 8, 4, 4], [1, 1, 1, 1], [1, 0, 0, 1], [9, 9, 9, 9]];
    let octets = address.octets();
    !(address.is_loopback()
        || address.is_unspecified()
        || address.is_link_local()
        || address.is_broadcast()
        || octets[0] == 172 && octets[1] == 17
        || resolvers.contains(&octets))
}

/// An address after `@` or `://`.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:@|://)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?:[^\d.]|$)"));
static BARE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?::\d+)?\s*$"));
static KEYED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:^|[_-])(?:host|hosts|hostname|server|addr|address|endpoint|ip)$"));
static ACCOUNT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"arn:aws[\w-]*:[\w-]+:[\w-]*:(\d{12})[:/]|\b(\d{12})\.dkr\.ecr\."));
static HOME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[\s=:'\x22(])((?:/home/|/Users/|[A-Z]:\\Users\\)([A-Za-z][\w.-]*))"));
/// A host of a named environment.
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:@|://)((?:[a-z0-9-]+\.)*(?:prod|production|staging|prd|stg)(?:[.-][a-z0-9-]+)*\.[a-z]{2,})(?:[:/\s'\x22]|$)",
    )
});

/// Names of home folders that images and runners share.
const SHARED: &[&str] = &[
    "runner",
    "runneradmin",
    "circleci",
    "gitlab-runner",
    "vsts",
    "vssadministrator",
    "containeradministrator",
    "linuxbrew",
    "node",
    "gradle",
    "rust",
    "ubuntu",
    "jenkins",
    "vscode",
    "user",
    "app",
    "appuser",
    "build",
    "builder",
    "docker",
    "root",
    "git",
    "conan",
    "opam",
    "jovyan",
    "rstudio",
    "android",
    "travis",
    "vagrant",
    "nonroot",
    "dev",
    "developer",
    "ci",
    "test",
    "tester",
    "deploy",
    "www",
    "shared",
    "public",
    "default",
    "podman",
    "coder",
    "nix",
    "go",
    "python",
    "ruby",
    "elixir",
    "steam",
    "abuild",
    "buildkite",
    "agent",
    "cimg",
    "mambauser",
    "appveyor",
    "work",
    "packer",
];

/// Public hosts whose names only sound like an environment.
const PUBLIC: &[&str] = &[
    "cloudflare.docker.com",
    "letsencrypt.org",
    "example.com",
    "example.org",
    "pypa.io",
    "sonatype.org",
    "herokuapp.com.example",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_one_place() {
        for (text, key, found) in [
            ("ssh deploy@203.0.113.7 ./restart.sh", "run", true),
            ("curl http://10.2.3.4:8080/health", "run", true),
            ("10.2.3.4", "DB_HOST", true),
            ("aws ecs --role arn:aws:iam::481516234299:role/ci", "run", true),
            ("481516234299.dkr.ecr.eu-west-1.amazonaws.com/app", "image", true),
            ("cp x /home/alice/out", "run", true),
            ("export P=/Users/alice/sdk", "run", true),
            ("curl https://api.prod.acme.io/health", "run", true),
            ("scp x deploy@staging.acme.io:/srv", "run", true),
            ("curl http://127.0.0.1:8080", "run", false),
            ("curl http://0.0.0.0:8080", "run", false),
            ("dig @8.8.8.8 acme.io", "run", false),
            ("1.2.3.4", "VERSION", false),
            ("pip install x==1.2.3.4", "run", false),
            ("tool@1.2.3.4.5", "run", false),
            ("arn:aws:iam::123456789012:role/x", "run", false),
            ("arn:aws:iam::${{ secrets.ACCOUNT }}:role/x", "run", false),
            ("/home/runner/work", "run", false),
            ("/home/${USER}/x", "run", false),
            ("https://production.cloudflare.docker.com", "run", false),
            ("https://acme.io/product", "run", false),
            ("npm run build:prod", "run", false),
        ] {
            assert_eq!(hard_coded(text, key).is_some(), found, "{text}");
        }
    }
}
