#!/bin/sh
# A step of action.yml: refuses a run that was started from outside, before a key is at hand. GITHUB_TOKEN is the
# job's own; it is used for one question, whether the person may write here.
set -eu

refuse() {
    echo "::error title=pace::$1"
    exit 2
}

may_write() {
    command -v curl >/dev/null || refuse "the event $GITHUB_EVENT_NAME needs curl on the runner, to ask whether $1 may write"
    # The token goes in by standard input: arguments can be read by every process of the machine.
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "$GITHUB_TOKEN" |
        curl --fail --silent --show-error --retry 3 --config - \
            --header 'Accept: application/vnd.github+json' \
            "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/collaborators/$1/permission") ||
        refuse "cannot learn whether $1 may write to $GITHUB_REPOSITORY; the run is not started"
    case "$(printf '%s' "$answer" | grep -o '"permission": *"[a-z]*"' | head -n 1)" in
        *'"admin"' | *'"write"') ;;
        *) refuse "$1 may not write to $GITHUB_REPOSITORY, and so may not start pace by $GITHUB_EVENT_NAME" ;;
    esac
}

if [ -n "$HEAD_REPOSITORY" ] && [ "$HEAD_REPOSITORY" != "$GITHUB_REPOSITORY" ]; then
    refuse "the change comes from the fork $HEAD_REPOSITORY; pace runs on branches of $GITHUB_REPOSITORY only"
fi
for person in "$GITHUB_ACTOR" "${GITHUB_TRIGGERING_ACTOR:-$GITHUB_ACTOR}"; do
    case "$GITHUB_EVENT_NAME" in
        # GitHub itself starts these only for those who may write.
        schedule | push) continue ;;
    esac
    case "$person" in
        *'[bot]')
            case ",$(printf '%s' "$ALLOW_BOTS" | tr -d ' ')," in
                *",$person,"*) continue ;;
                *) refuse "$person is a bot; name it in the input allow-bots if it may start pace" ;;
            esac
            ;;
        '' | *[!A-Za-z0-9_-]*) refuse "«$person» is no account of GitHub" ;;
    esac
    case "$GITHUB_EVENT_NAME" in
        workflow_dispatch | repository_dispatch | merge_group) ;;
        *) may_write "$person" ;;
    esac
done
