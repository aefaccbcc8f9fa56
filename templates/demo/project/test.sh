#!/bin/sh
# Runs every tests/test_*.sh; each prints its results as TAP lines and exits non-zero on a failure.
cd "$(dirname "$0")" || exit 2
status=0
for file in tests/test_*.sh; do
    [ -e "$file" ] || continue
    sh "$file" || status=1
done
exit $status
