#!/bin/bash
# Install edgecat as a service on 64-bit Raspberry Pi OS, or bring an installation up to date.
#
#   sudo ./install.sh edgecat-0.1.0-py3-none-any.whl    this wheel
#   sudo ./install.sh edgecat==0.1.0                    from the package index
#
# What it makes, and uninstall.sh removes:
#   /opt/edgecat/venv      Python packages, of the versions and hashes in requirements.txt
#   /opt/edgecat/bundle    a link to the model in use; at first the released cats12
#   /etc/edgecat           settings and the server's token; those that are there already stay
#   /etc/systemd/system/edgecat-*
#
# With --root DIR all of that lands below DIR and systemd is left alone: to try it out.
set -euo pipefail

umask 022 # the services run as users of their own and read what is installed
here=$(cd "$(dirname "$0")" && pwd)
root=
edgecat=
unset PYTHONPATH # nothing but what is installed is to be imported

fail() {
    echo "error: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
        --root) root=${2:?--root needs a folder}; shift 2 ;;
        -h | --help) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0"; exit ;;
        -*) fail "$1: no such option; accepted are --root DIR and --help" ;;
        *) edgecat=$1; shift ;;
    esac
done

check_machine() {
    [ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "not root; run: sudo $0"
    [ -n "$edgecat" ] || fail "what to install? give a wheel or edgecat==VERSION; see $0 --help"
    [ -f "$edgecat" ] || [[ $edgecat == edgecat==* ]] ||
        fail "$edgecat: no such file; give a wheel or edgecat==VERSION"
    command -v python3 >/dev/null || fail "no python3; run: apt-get install python3 python3-venv"
    python3 -c 'import sys; sys.exit(sys.maxsize <= 2**32)' ||
        fail "this system is 32-bit, for which there is no ONNX Runtime;" \
            "install Raspberry Pi OS (64-bit), even if the kernel says $(uname -m)"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$(python3 --version) is too old, edgecat needs 3.11; upgrade to Debian 12 or newer"
    python3 -c 'import ensurepip' 2>/dev/null ||
        fail "Python has no venv; run: apt-get install python3-venv"
}

# A new system may bring a new Python: then an old environment is of no use.
make_venv() {
    local venv=$1 version
    version=$(python3 -c 'import platform; print(platform.python_version())')
    if ! grep -qs "^version = $version$" "$venv/pyvenv.cfg" ||
        ! "$venv/bin/pip" --version >/dev/null; then
        python3 -m venv --clear "$venv"
    fi
}

install_packages() {
    local pip=("$1/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir)
    "${pip[@]}" --require-hashes --only-binary :all: -r "$here/requirements.txt"
    # edgecat itself without its dependencies: those are installed, and proven by their hashes.
    "${pip[@]}" --no-deps --upgrade --force-reinstall "$edgecat"
}

# Settings are the owner's: what is there stays.
make_settings() {
    local etc=$1 file
    install -d -m 755 "$etc"
    for file in watch.env serve.env; do
        [ -e "$etc/$file" ] || install -m 644 "$here/config/$file" "$etc/$file"
    done
    [ -s "$etc/token" ] ||
        (umask 077 && python3 -c 'import secrets; print(secrets.token_hex(32))' >"$etc/token")
}

# A link that leads elsewhere, even nowhere, is the owner's choice.
link_bundle() {
    local opt=$1 released
    released=$("$opt/venv/bin/python" -I -c \
        'from edgecat.bundle.store import find_bundle; print(find_bundle("cats12"))')
    if [ -L "$opt/bundle" ] && [[ $(readlink "$opt/bundle") == "$opt/venv/"* ]]; then
        rm "$opt/bundle" # the released model of an older Python or edgecat
    fi
    [ -e "$opt/bundle" ] || [ -L "$opt/bundle" ] || ln -s "$released" "$opt/bundle"
}

install_units() {
    local units=$1
    install -d "$units/edgecat-.service.d"
    install -m 644 "$here"/systemd/*.service "$units"
    install -m 644 "$here"/systemd/edgecat-.service.d/*.conf "$units/edgecat-.service.d"
    if [ -z "$root" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl try-restart edgecat-watch edgecat-serve
    fi
}

check_machine
mkdir -p "$root/opt/edgecat"
make_venv "$root/opt/edgecat/venv"
install_packages "$root/opt/edgecat/venv"
link_bundle "$root/opt/edgecat"
make_settings "$root/etc/edgecat"
install_units "$root/etc/systemd/system"


command=$root/opt/edgecat/venv/bin/edgecat
echo "installed: $("$command" --version)"
echo "settings:  $root/etc/edgecat/watch.env, serve.env"
echo "start:     sudo systemctl enable --now edgecat-watch    (or edgecat-serve)"
echo
# Last, so that its exit code is the script's: is the machine fit, are its answers right?
ORT_DISABLE_TELEMETRY=1 "$command" doctor "$root/opt/edgecat/bundle"
