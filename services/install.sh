#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh run|test|web|interop|deploy: installs the Debian packages that are missing. Asks for
# root only when something is missing. One clear line when it cannot.
set -euo pipefail
cd "$(dirname "$0")"
case ${1:-run} in
run) kinds='run' ;;
test) kinds='run|test|web' ;;
web) kinds='web' ;;
*) kinds="run|test|web|$1" ;;
esac
wanted=()
while read -r kind names; do
	[[ $kind =~ ^($kinds)(:|$) ]] || continue
	[[ $kind != *:* ]] || ! command -v "${kind#*:}" >/dev/null || continue
	read -ra names <<<"$names"
	wanted+=("${names[@]}")
done <packages
missing=()
for p in "${wanted[@]}"; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || { echo "make: these packages are missing and there is no apt-get: ${missing[*]}" >&2; exit 1; }
root=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "make: as root, install: apt-get install ${missing[*]}" >&2; exit 1; }
	root=(sudo)
fi
echo "installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -5 "$log" >&2
	echo "make: installing packages failed (see above): ${missing[*]}" >&2
	exit 1
fi
