# test: the shell works
[ 1 -eq 1 ]
