#!/bin/sh
# A step of action.yml: turns pace's exit code into a green or red step. The step before it became pace itself
# (exec), so that a cancelled job reaches pace, and could not do this.
set -eu

case "$OUTCOME:$EXIT_CODE" in
    success:) EXIT_CODE=0 ;;
    # Killed, or it never started: nothing is known, so nothing is green.
    *:0 | *:) [ "$OUTCOME" = success ] || EXIT_CODE=4 ;;
    *:*[!0-9]*) EXIT_CODE=4 ;;
esac

green() {
    echo "::warning title=pace::$1"
    [ "$FAIL_ON" = advisory ] || exit 0
}

case "$DECISION:$EXIT_CODE" in
    *:0) exit 0 ;;
    *:1 | *:2 | *:3 | *:4 | *:130 | *:143) ;;
    ADVISORY:* | *:10) green "the day ships with concerns: they are in .pace/advisory-backlog.yaml" ;;
    *:11) green "nothing was judged and nothing was spent; the log says why" ;;
esac
exit "$EXIT_CODE"
