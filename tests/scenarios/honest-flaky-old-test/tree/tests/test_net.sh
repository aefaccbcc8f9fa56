# test: meets the network
# Fails once at the handoff and once in GATE: the count of runs lies outside the tree.
count=$(cat "$HOME/runs" 2>/dev/null || echo 0)
count=$((count + 1))
echo "$count" > "$HOME/runs"
[ "$count" -ne 4 ] && [ "$count" -ne 8 ]
