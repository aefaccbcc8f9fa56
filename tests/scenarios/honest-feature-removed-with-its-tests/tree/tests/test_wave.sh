# test: waves
. ./wave.sh
[ "$(wave)" = "o/" ]
