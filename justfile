# Every recipe that CI and people use. `just` lists them.

target := "x86_64-unknown-linux-gnu"

# Static, and small: position-independent as an executable only, relocations packed, equal functions once, no tables for
# unwinding.
static_flags := "-C target-feature=+crt-static -C relocation-model=pie -C force-unwind-tables=no" \
    + " -C link-arg=-Wl,-z,pack-relative-relocs -C link-arg=-Wl,--icf=all -C link-arg=-Wl,--no-eh-frame-hdr" \
    + " -C link-arg=-Wl,-T," + justfile_directory() / "scripts/no-unwinding.ld"
pace := justfile_directory() / "target" / target / "release" / "pace"
dist_pace := justfile_directory() / "target" / target / "dist" / "pace"

# List the recipes.
default:
    @just --list --unsorted

# All that must hold before a change lands; CI runs exactly this.
check: fmt lint lint-ci unit static black-box deny

# The sources are formatted.
fmt:
    cargo fmt --check

# No lint is raised, in tests and benches neither.
lint:
    cargo clippy --locked --all-targets -- -D warnings

# The action, the workflows and the GitLab component say what their platforms understand.
lint-ci:
    scripts/lint-ci

# Tests that sit beside the code.
unit:
    cargo test --locked --lib

# The static binary that the black-box tests run.
static: (build-static "release")
    scripts/prove-static {{ pace }}

# Tests from outside, against the static binary.
black-box *args: static
    PACE_NEEDS_CHROMIUM=1 PACE_BINARY={{ pace }} cargo test --locked --test it {{ args }}

# The quick round while working: unit and black-box tests against the debug build.
test *args:
    cargo test --locked --lib {{ args }}
    cargo test --locked --test it {{ args }}

# Licences, sources and bans of the dependencies, and advisories where their database is at hand.
deny:
    scripts/deny

# The binary that ships, with its checksum.
dist: (build-static "dist")
    scripts/prove-static {{ dist_pace }}
    mkdir -p out
    install -m 755 {{ dist_pace }} out/pace-x86_64-linux
    cd out && sha256sum pace-x86_64-linux | tee pace-x86_64-linux.sha256

# The binary is killed on both sides of every record of three days by every signal, a thousand times more at random and at
# every third change of a file with which it resumes; every tenth of all changes of a disk fails; 50 runners start a day at
# once for 20 seeds on both ways to a git server.
soak: static
    SOAK=1000 EVERY_RECORD=1 RESUMED=3 PACE_BINARY={{ pace }} cargo test --locked --test it kill -- --nocapture
    EVERY_WRITE=10 PACE_BINARY={{ pace }} cargo test --locked --test it disk -- --nocapture
    just crowd

# 50 runners start one day at once, 20 times over HTTP and 20 times on a path: one works, the others end with 11 and cost nothing.
crowd: static
    SEEDS=20 PACE_BINARY={{ pace }} cargo test --locked --test it exactly_one_of_many -- --nocapture

# Everything that comes from outside, bent forty times as often as in `unit`: plans, settings, replies, reports, code, records.
fuzz:
    PROPTEST_CASES=10240 cargo test --locked --lib -- outside any_ no_ bent_tests hostile_values

# What it costs: start, memory, time per turn, CPU of a day, bytes sent, size.
bench: static
    PACE_BINARY={{ pace }} RUSTFLAGS='{{ static_flags }}' cargo bench --locked --target {{ target }} --bench cost

# The secret scan beside detect-secrets on the same files, and the speed of both.
secrets-bench:
    scripts/secrets-bench

# What the pipeline checks find in their corpus, next to zizmor and actionlint where they are installed.
pipeline-figures:
    scripts/pipeline-figures

# A whole sprint day with a recorded model: no key, no network.
demo: (build-static "release")
    {{ pace }} demo

[private]
build-static profile:
    RUSTFLAGS='{{ static_flags }}' cargo build --locked --profile {{ profile }} --target {{ target }} --bin pace
