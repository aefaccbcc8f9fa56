//! Which commands and actions bring something to its users, and which run pace itself.
//!
//! Knows words, no files.

use std::sync::LazyLock;

use regex::Regex;

use super::script::{lines, parts};
use crate::evidence::pattern;

/// Whether `script` publishes or deploys.
pub(super) fn deploys(script: &str) -> bool {
    commands(script).any(|command| DEPLOY.is_match(&command) && !DRY.is_match(&command))
}

/// Whether the action `uses` (with or without its ref) publishes or deploys whatever its inputs say.
pub(super) fn is_deploying_action(uses: &str) -> bool {
    ACTIONS.contains(&uses.split('@').next().unwrap_or_default().to_ascii_lowercase().as_str())
}

/// Whether `script` runs pace.
pub(super) fn runs_pace(script: &str) -> bool {
    commands(script).any(|command| PACE.is_match(&command))
}

/// Whether a job of this name is an experiment that may fail by design.
pub(super) fn is_experiment(name: &str) -> bool {
    EXPERIMENT.is_match(name)
}

fn commands(script: &str) -> impl Iterator<Item = String> {
    lines(script).into_iter().flat_map(|line| parts(&line)).map(|part| part.command)
}

static DEPLOY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^(?:[A-Z_]+=\S*\s+)*(?:sudo\s+|npx\s+|bundle\s+exec\s+|poetry\s+run\s+|uv\s+run\s+|uvx\s+)?(?:
            (?:npm|pnpm|yarn|bun|cargo|poetry|uv|hatch|flit)\s+(?:npm\s+)?publish\b
          | (?:python[\d.]*\s+-m\s+)?twine\s+upload\b | gem\s+push\b | dotnet\s+nuget\s+push\b
          | (?:docker|podman|buildah)\s+push\b | docker\s+buildx\s+build\b.*\s--push\b
          | kubectl\s+(?:\S+\s+)*(?:apply|rollout\s+restart|set\s+image)\b | helm\s+(?:upgrade|install)\b
          | (?:terraform|tofu)\s+(?:\S+\s+)*apply\b | pulumi\s+up\b | (?:cdk|sam|serverless|sls|firebase|fly|flyctl|wrangler|eb)\s+deploy\b
          | vercel\b.*\s--prod\b | netlify\s+deploy\b.*\s--prod\b
          | aws\s+(?:s3\s+sync|ecs\s+update-service|lambda\s+update-function-code|cloudformation\s+deploy|deploy\s+create-deployment)\b
          | gcloud\s+(?:app|run|functions)\s+deploy\b | cap\s+\S+\s+deploy\b | git\s+push\s+(?:heroku|dokku)\b
          | (?:\./)?mvnw?\s(?:.*\s)?deploy\b | (?:\./)?gradlew?\s(?:.*\s)?publish\b
          | (?:(?:ba)?sh\s+|\./)(?:\S*/)?deploy(?:[-_]\w+)?(?:\.sh)?\b | make\s+deploy\b
          | rsync\s.*\S+@\S+: | scp\s.*\S+@\S+:
        )",
    )
});
static DRY: LazyLock<Regex> = LazyLock::new(|| pattern(r"--(?:dry-run|dryrun|check|help)\b"));
static PACE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:[A-Za-z_]\w*=\S*\s+)*(?:exec\s+)?(?:\S*/)?pace(?:\s+(?:run|check))?$"));
static EXPERIMENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:nightly|beta|experimental|canary|edge|next|dev|unstable|allowed?[-_ ]to[-_ ]fail|flaky|benchmarks?)(?:\b|_)",
    )
});

/// Actions that deploy by being used.
const ACTIONS: &[&str] = &[
    "pypa/gh-action-pypi-publish",
    "js-devtools/npm-publish",
    "appleboy/ssh-action",
    "appleboy/scp-action",
    "aws-actions/amazon-ecs-deploy-task-definition",
    "azure/webapps-deploy",
    "azure/k8s-deploy",
    "google-github-actions/deploy-cloudrun",
    "google-github-actions/deploy-appengine",
    "cloudflare/wrangler-action",
    "akhileshns/heroku-deploy",
    "firebaseextended/action-hosting-deploy",
    "katyo/publish-crates",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (script, yes) in [
            ("npm publish --access public", true),
            ("cargo publish", true),
            ("cargo publish --dry-run", false),
            ("docker push acme/x:1", true),
            ("docker buildx build --push -t x .", true),
            ("docker build -t x .", false),
            ("kubectl -n prod apply -f k8s/", true),
            ("./deploy.sh production", true),
            ("rsync -a site/ www@acme.example:/srv/www", true),
            ("echo npm publish", false),
            ("terraform plan", false),
        ] {
            assert_eq!(deploys(script), yes, "{script}");
        }
        for (script, yes) in [
            ("pace", true),
            ("DAY=3 pace", true),
            ("./bin/pace run", true),
            ("pace check", true),
            ("npm run pace", false),
            ("pace-maker", false),
            ("echo pace", false),
        ] {
            assert_eq!(runs_pace(script), yes, "{script}");
        }
        for (name, yes) in [("rust nightly", true), ("test-next", true), ("test", false), ("unit_dev", false)]
        {
            assert_eq!(is_experiment(name), yes, "{name}");
        }
    }
}
