#!/bin/sh
# A step of action.yml: refuses a run that somebody from outside caused, where no key is at hand and nothing was fetched
# yet. pace judges the same again by itself. GITHUB_TOKEN is the job's own, for one question: may this person write?
set -eu

refuse() {
    echo "::error title=pace::$1"
    exit 2
}

case "$GITHUB_EVENT_NAME" in
    # Only those who may write, or the clock, can cause these.
    push | workflow_dispatch | repository_dispatch | schedule | merge_group | deployment) exit 0 ;;
esac

if [ -n "$HEAD_REPOSITORY" ] && [ "$HEAD_REPOSITORY" != "$GITHUB_REPOSITORY" ]; then
    refuse "the change comes from the fork $HEAD_REPOSITORY; pace runs on branches of $GITHUB_REPOSITORY only"
fi
command -v curl >/dev/null || refuse "the event $GITHUB_EVENT_NAME needs curl on the runner, to ask whether $GITHUB_ACTOR may write"
for person in "$GITHUB_ACTOR" "${GITHUB_TRIGGERING_ACTOR:-$GITHUB_ACTOR}"; do
    case "$person" in
        *'[bot]') refuse "$person is a bot; a person with write access has to start pace by $GITHUB_EVENT_NAME" ;;
        '' | *[!A-Za-z0-9_-]*) refuse "«$person» is no account of GitHub" ;;
    esac
    # The token goes in by standard input: arguments can be read by every process of the machine.
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "$GITHUB_TOKEN" |
        curl --fail --silent --show-error --retry 3 --config - \
            --header 'Accept: application/vnd.github+json' \
            "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/collaborators/$person/permission") ||
        refuse "cannot learn whether $person may write to $GITHUB_REPOSITORY; the run is not started"
    case "$(printf '%s' "$answer" | grep -o '"permission": *"[a-z]*"' | head -n 1)" in
        *'"admin"' | *'"write"') ;;
        *) refuse "$person may not write to $GITHUB_REPOSITORY, and so may not start pace by $GITHUB_EVENT_NAME" ;;
    esac
done
