# test: greets without a name
. ./greet.sh
[ "$(greet)" = "Hello" ]
