#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stops what services/up.sh started, and only that; data stays in .sluice/data*.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
home=${SLUICE_HOME:-$top/.sluice}
[ -d "$home/run" ] || { echo "Sluice is not running."; exit 0; }
exec 9>"$home/lock"
flock -n 9 || { echo "make down: another make up or make down is running" >&2; exit 1; }
any=0
for name in rest gateway1 gateway0 core1 core0 store{7,6,5,4,3,2,1,}; do
	f=$home/run/$name.pid
	[ -f "$f" ] || continue
	pid=$(cat "$f")
	if tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qx "SLUICE_INSTANCE=$name"; then
		kill "$pid" 2>/dev/null || true
		left=150
		while [ -e "/proc/$pid/exe" ] && [ "$left" -gt 0 ]; do
			left=$((left - 1))
			sleep 0.1
		done
		[ "$left" -gt 0 ] || { echo "make down: $name did not stop in time; killed" >&2; kill -9 "$pid" 2>/dev/null || true; }
		any=1
	fi
	rm -f "$f"
done
rm -f "$home/run/layout" "$home/run/settings"
[ "$any" = 1 ] && echo "Sluice is down; its data stays in $home/data." || echo "Sluice is not running."
