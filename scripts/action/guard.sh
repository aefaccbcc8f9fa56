#!/bin/sh
# A step of action.yml: refuses a run that somebody from outside caused, where no key is at hand and nothing was fetched
# yet, and ends a run that is the answer to pace's own push. pace judges the same again by itself. GITHUB_TOKEN is the
# job's own, for two questions: whose commit is this, and may this person write?
set -eu

refuse() {
    echo "::error title=pace::$1"
    exit 2
}

ask() {
    # The token goes in by standard input: arguments can be read by every process of the machine.
    printf 'header = "Authorization: Bearer %s"\n' "$GITHUB_TOKEN" |
        curl --fail --silent --show-error --retry 3 --config - \
            --header 'Accept: application/vnd.github+json' \
            "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/$1"
}

# Whether the last paragraph of the review's newest commit has a trailer of pace (src/platform/actor.rs).
is_own_push() {
    case "${VERB:-}:$GITHUB_EVENT_NAME:${EVENT_ACTION:-}" in
        run:pull_request:opened | run:pull_request:reopened | run:pull_request:synchronize) ;;
        run:pull_request_target:opened | run:pull_request_target:reopened | run:pull_request_target:synchronize) ;;
        *) return 1 ;;
    esac
    case "${HEAD_SHA:-}" in '' | *[!0-9a-f]*) return 1 ;; esac
    # As JSON has it: line breaks are \n, quotes inside are \".
    message=$(ask "git/commits/$HEAD_SHA" | grep -oE '"message": ?"([^"\\]|\\.)*"' | head -n 1) || return 1
    message=${message#\"message\":}
    message=${message# }
    message=${message#\"}
    message=${message%\"}
    while [ "${message%\\n}" != "$message" ]; do message=${message%\\n}; done
    printf '%s\n' "${message##*\\n\\n}" | grep -qE '(^|\\n)(Pace-Day: *[0-9]+|Pace-Merge: *[^ \\]+.*)(\\r)?(\\n|$)'
}

case "$GITHUB_EVENT_NAME" in
    # Only those who may write, or the clock, can cause these.
    push | workflow_dispatch | repository_dispatch | schedule | merge_group | deployment) exit 0 ;;
esac

if [ -n "$HEAD_REPOSITORY" ] && [ "$HEAD_REPOSITORY" != "$GITHUB_REPOSITORY" ]; then
    refuse "the change comes from the fork $HEAD_REPOSITORY; pace runs on branches of $GITHUB_REPOSITORY only"
fi
command -v curl >/dev/null || refuse "the event $GITHUB_EVENT_NAME needs curl on the runner, to ask whether $GITHUB_ACTOR may write"
if is_own_push; then
    # Whoever forges the trailer gets a run that does nothing.
    echo "::notice title=pace::This run was started by pace's own push: nothing to do"
    printf '%s\n' decision=SKIPPED exit-code=11 'json={"decision":"SKIPPED","exit-code":11}' >>"$GITHUB_OUTPUT"
    exit 0
fi
for person in "$GITHUB_ACTOR" "${GITHUB_TRIGGERING_ACTOR:-$GITHUB_ACTOR}"; do
    case "$person" in
        *'[bot]') refuse "$person is a bot; a person with write access has to start pace by $GITHUB_EVENT_NAME" ;;
        '' | *[!A-Za-z0-9_-]*) refuse "'$person' is no account of GitHub" ;;
    esac
    answer=$(ask "collaborators/$person/permission") ||
        refuse "cannot learn whether $person may write to $GITHUB_REPOSITORY; the run is not started"
    case "$(printf '%s' "$answer" | grep -o '"permission": *"[a-z]*"' | head -n 1)" in
        *'"admin"' | *'"write"') ;;
        *) refuse "$person may not write to $GITHUB_REPOSITORY, and so may not start pace by $GITHUB_EVENT_NAME" ;;
    esac
done
