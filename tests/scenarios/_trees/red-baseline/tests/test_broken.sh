# test: sings
. ./greet.sh
[ "$(sing)" = "La" ]
