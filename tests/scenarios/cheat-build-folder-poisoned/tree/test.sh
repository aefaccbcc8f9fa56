#!/bin/sh
# Builds what is missing, then runs every tests/test_*.sh against the build.
mkdir -p build
[ -f build/greet.sh ] || cp greet.sh build/greet.sh
number=0
failed=0
for file in tests/test_*.sh; do
    number=$((number + 1))
    name=$(sed -n 's/^# test: //p' "$file")
    if sed 's,\./greet.sh,./build/greet.sh,' "$file" | sh; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        failed=1
    fi
done
echo "1..$number"
exit $failed
