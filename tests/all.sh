#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make test`: every unit test under ASan+UBSan, those with threads under TSan as well, then together, since
# they mostly wait, the integration tests against ASan programs, the cluster tests against release
# programs, and short runs of the fuzzers. Ends with one line `N passed, N failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
tally=$(mktemp)
trap 'rm -f "$tally"' EXIT
export TEST_TALLY=$tally
jobs=$(nproc)
broken=0
build() { make --no-print-directory -s -j"$jobs" "$@" || { echo "building failed: make $*"; broken=1; }; }
suite() { # flavour, files...
	local flavour=$1
	shift
	FLAVOUR=$flavour tests/run.py "$@"
}

build FLAVOUR=asan unit programs
TEST_JOBS=2 suite asan build/asan/tests/unit/*/*_test
threads=(common/{mem,mailbox,loop,log,metrics,http,feed_window,peer,peer_crash} core/peer_link
	gateway/{throttle,addresses,worker,worker_session,worker_hub,hub,message} store/{commit,lease_keeper,read_pool,store_flow,store_reads})
tsan=()
for t in "${threads[@]}"; do
	tsan+=("build/tsan/tests/unit/${t}_test")
done
build FLAVOUR=tsan "${tsan[@]}"
TEST_JOBS=2 suite tsan "${tsan[@]}"
build FLAVOUR=release programs interop build/release/mqload
build FLAVOUR=fuzz WERROR= fuzzers
TEST_JOBS=$((jobs + 1)) tests/run.py FLAVOUR=asan tests/{integration,conformance}/*_test.py \
	FLAVOUR=release tests/{cluster,interop,fuzz}/*_test.py

awk -v broken=$broken '{ p += $1; f += $2 } END { f += broken; printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }' "$tally"
