#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target for a number of seconds each, on its kept corpus; what is new lands in
# build/fuzz/corpus. A finding stops with the input's path.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
for source in tests/fuzz/*_fuzz.c; do
	name=$(basename "$source" _fuzz.c)
	mkdir -p "build/fuzz/corpus/$name" "build/fuzz/findings"
	echo "fuzzing $name for $seconds s"
	"build/fuzz/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/findings/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" 2>&1 |
		grep -E '^stat::(number_of_executed_units|new_units_added)|ERROR|SUMMARY|Test unit written|runtime error' || true
	[ "${PIPESTATUS[0]}" = 0 ] || { echo "finding in $name: build/fuzz/findings"; exit 1; }
done
