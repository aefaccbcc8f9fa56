# test: greets at all
. ./greet.sh
[ -n "$(greet)" ]
