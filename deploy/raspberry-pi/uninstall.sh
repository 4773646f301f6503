#!/bin/bash
# Remove what install.sh made. Results, kept photos and your own bundles stay.
#
#   sudo ./uninstall.sh
#
# With --root DIR it looks below DIR and leaves systemd alone.
set -euo pipefail

root=
if [ "${1:-}" = --root ]; then
    root=${2:?--root needs a folder}
elif [ $# -gt 0 ]; then
    echo "error: $1: no such option; accepted is --root DIR" >&2
    exit 1
elif [ "$(id -u)" != 0 ]; then
    echo "error: not root; run: sudo $0" >&2
    exit 1
fi

units=$root/etc/systemd/system
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    for unit in edgecat-watch edgecat-serve; do
        [ ! -e "$units/$unit.service" ] || systemctl disable --now "$unit"
    done
fi
rm -rf "$units"/edgecat-{watch,serve}.service "$units/edgecat-.service.d"
[ -n "$root" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload

rm -rf "$root/opt/edgecat/venv" "$root/opt/edgecat/bundle"
rm -rf "$root"/etc/edgecat/{watch.env,serve.env,token}
# Only if nothing of yours is in them.
for folder in "$root/opt/edgecat" "$root/etc/edgecat"; do
    [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
done

for unit in edgecat-watch edgecat-serve; do
    state=$root/var/lib/private/$unit
    [ ! -e "$state" ] || echo "results and kept photos of $unit stay in $state"
done
