#!/bin/sh
# A step of action.yml: puts the binary into the runner's temporary folder. No secret is at hand here.
set -eu

case "$FAIL_ON" in
    hold | advisory) ;;
    *)
        echo "::error title=pace::the input fail-on is '$FAIL_ON'; use hold or advisory"
        exit 2
        ;;
esac

# shellcheck source=scripts/install.sh
. "$GITHUB_ACTION_PATH/scripts/install.sh"
table=$(cat "$GITHUB_ACTION_PATH/scripts/checksums.txt")
into=$RUNNER_TEMP/pace
fail() {
    # Read by the runner on this stream too, and not swallowed by $( ).
    echo "::error title=pace::$1" >&2
    exit 2
}
if [ "$(uname -s)" = Darwin ] && [ "$VERB" = run ] && [ "$SANDBOX" != off ] && [ "$STAGE" != publish ]; then
    fail "macOS has nothing that could confine what FORGE runs; use a Linux runner, or say sandbox: off"
fi
install_pace
# The run may have another working directory.
case "$pace" in /*) ;; *) pace=$PWD/$pace ;; esac
printf 'pace=%s\n' "$pace" >>"$GITHUB_OUTPUT"
