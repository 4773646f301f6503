"""What runs on the other machine: a shell script, since there may be no Python."""

# Exit codes of the script's own steps. Source: none; beyond those of edgecat.errors, below a
# shell's own from 126.
NO_PYTHON, NO_EDGECAT, NO_VENV, NO_WHEELS, NO_ROOM = range(90, 95)

#: On standard error: which edgecat measures, before it does.
VERSION = "edgecat-version:"
#: A line of standard output, behind which the result begins: a user's shell may greet before it.
RESULT = "edgecat-result:"

#: Given to `sh -c`: $1 bytes of a bundle and $2 bytes of edgecat's own package come in on standard
#: input, both zip files; $3 is what to `pip install`, "" to use the edgecat that is there; the rest
#: is edgecat's command, which finds the bundle in the folder "bundle". What that prints goes to
#: standard output, behind `RESULT`.
#:
#: Everything lies in one folder, which goes when the script ends, for whatever reason. Standard
#: input stays open for as long as somebody waits for the result: its end means that the connection
#: is gone, or that somebody has pressed Ctrl-C.
SCRIPT = f"""
set -uf
umask 077
exec 3<&0
folder=$(mktemp -d "${{TMPDIR:-/tmp}}/edgecat.XXXXXXXX") || exit {NO_ROOM}
export TMPDIR="$folder" XDG_CACHE_HOME="$folder" XDG_STATE_HOME="$folder"
job=
watcher=
leave() {{
    status=$?
    trap '' HUP INT TERM PIPE
    if [ -n "$job" ]; then
        # Not "kill -TERM --", which dash does not know.
        {{ kill -s TERM -- "-$job"; wait "$job"; kill -s KILL -- "-$job"; }} 2>/dev/null
    fi
    rm -rf "$folder"
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    exit "$status"
}}
trap leave EXIT
trap 'exit 143' HUP INT TERM PIPE
num_bundle=$1 num_package=$2 wheels=$3
shift 3
head -c "$num_bundle" <&3 >"$folder/bundle.zip" || exit {NO_ROOM}
head -c "$num_package" <&3 >"$folder/package.zip" || exit {NO_ROOM}
( cat; kill -TERM $$ ) <&3 >/dev/null 2>&1 &
watcher=$!
# In a process group of its own, so that what it has started ends with it.
run() {{
    setsid "$@" </dev/null >"$folder/out" &
    job=$!
    wait "$job"
    status=$?
    job=
    return "$status"
}}
if [ -n "$wheels" ]; then
    command -v python3 >/dev/null || exit {NO_PYTHON}
    run python3 -m venv "$folder/venv" || exit {NO_VENV}
    # The list is ours, and parted by blanks.
    run "$folder/venv/bin/pip" install --quiet --no-input --no-cache-dir \\
        --disable-pip-version-check --only-binary :all: $wheels || exit {NO_WHEELS}
    run python3 -m zipfile -e "$folder/package.zip" "$folder/package" || exit {NO_ROOM}
    export PYTHONPATH="$folder/package"
    edgecat="$folder/edgecat"
    printf '#!/bin/sh\nexec "%s" -m edgecat "$@"\n' "$folder/venv/bin/python" >"$edgecat"
    chmod +x "$edgecat"
else
    for edgecat in edgecat "$HOME/.local/bin/edgecat" /opt/edgecat/venv/bin/edgecat none; do
        command -v "$edgecat" >/dev/null && break
    done
    if [ "$edgecat" = none ]; then
        command -v python3 >/dev/null || exit {NO_PYTHON}
        exit {NO_EDGECAT}
    fi
fi
echo "{VERSION} $("$edgecat" --version </dev/null)" >&2
run "$edgecat" bundle unpack "$folder/bundle.zip" --out "$folder/bundle" || exit
cd "$folder"
run "$edgecat" "$@" || exit
echo "{RESULT}"
cat "$folder/out"
"""
