# Finds or fetches the pace binary; sourced by the GitHub action, and word for word part of the GitLab component.
# In:  want_binary, want_version, want_mirror (each may be empty), table (the text of scripts/checksums.txt), into (a folder).
# Out: pace, the path of a binary that may be run. Whatever is not exactly as the table says ends the job with 2.
# shellcheck disable=SC2154
fail() {
    printf 'pace: %s\n' "$1" >&2
    exit 2
}
field() { printf '%s\n' "$table" | sed -n "s/^$1 //p"; }
asset() {
    case "$(uname -s)" in
        Linux) system=linux ;;
        Darwin) system=macos ;;
        *) fail "there is no binary for $(uname -s); use a Linux runner, which may be a container or WSL" ;;
    esac
    case "$(uname -m)" in
        x86_64 | amd64) machine=x86_64 ;;
        aarch64 | arm64) machine=aarch64 ;;
        *) fail "there is no binary for $(uname -m); build one and name it with the input binary" ;;
    esac
    printf 'pace-%s-%s-%s' "$1" "$machine" "$system"
}
download() {
    case "$1" in
        https://*) secure='=https' ;;
        http://*) secure='=http,https' ;; # a mirror inside one's own network; the checksum decides either way
        *) fail "$1 is no http(s) address" ;;
    esac
    if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --proto "$secure" --retry 5 --connect-timeout 20 --output "$2" "$1"
    elif command -v wget >/dev/null; then
        wget -q -O "$2" "$1"
    elif command -v python3 >/dev/null; then
        python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' "$1" "$2"
    elif command -v node >/dev/null; then
        node -e 'const [url, to] = process.argv.slice(1); fetch(url).then(async (r) => { if (!r.ok) throw new Error(r.status); require("fs").writeFileSync(to, Buffer.from(await r.arrayBuffer())); }).catch((e) => { console.error(String(e)); process.exit(1); });' "$1" "$2"
    else
        fail "there is none of curl, wget, python3 and node to download with; install one, or name a binary with the input binary"
    fi
}
sum() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}
install_pace() {
    if [ -n "$want_binary" ]; then
        [ -x "$want_binary" ] || fail "the input binary names $want_binary, which is no program"
        case "$want_binary" in */*) pace=$want_binary ;; *) pace=./$want_binary ;; esac
        return
    fi
    version=${want_version:-$(field version)}
    version=${version#v}
    [ "$version" != none ] || fail "this commit is no release and names no binary; use a tag such as v1, or the input binary"
    name=$(asset "$version") || exit 2
    wanted=$(printf '%s\n' "$table" | sed -n "s/^\([0-9a-f]\{64\}\)  $name\$/\1/p")
    [ -n "$wanted" ] || fail "no checksum is known here for $name; use the tag that belongs to version $version"
    from=${want_mirror:-$(field from)}
    mkdir -p "$into"
    pace=$into/$name
    if [ ! -f "$pace" ] || [ "$(sum "$pace")" != "$wanted" ]; then
        download "${from%/}/v$version/$name" "$pace.part" || fail "cannot download ${from%/}/v$version/$name"
        found=$(sum "$pace.part")
        if [ "$found" != "$wanted" ]; then
            rm -f "$pace.part"
            fail "${from%/}/v$version/$name has the SHA-256 $found, and $wanted was expected: it is not run"
        fi
        mv "$pace.part" "$pace"
    fi
    chmod +x "$pace"
}
