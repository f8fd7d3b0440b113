#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All style checks; says each that fails, ends non-zero if any did.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
check() { # name, command...
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "ok   $name"
	else
		echo "FAIL $name"
		echo "$out" | head -60
		bad=1
	fi
}
sources() { git ls-files --cached --others --exclude-standard '*.c' '*.h'; }
unwanted() { ! git grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -- '*.c' '*.h' '*.sh' '*.py' ':!tests/lint/lint.sh'; }
long_files() {
	local out
	out=$(git ls-files '*.c' '*.h' | grep -v '^tests/' | xargs wc -l | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }')
	[ -z "$out" ] || { echo "$out"; return 1; }
}
tidy_some() {
	clang-tidy --quiet --warnings-as-errors='*' --checks="$TIDY_CHECKS" "$@" -- \
		-std=c11 -D_GNU_SOURCE -I. -isystem build/gen -DSLUICE_VERSION='"0"' 2>&1 |
		grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header'
	return 0
}
export -f tidy_some
export TIDY_CHECKS='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-assignment-in-if-condition,-bugprone-narrowing-conversions,-bugprone-reserved-identifier,-bugprone-branch-clone,-bugprone-macro-parentheses,-bugprone-implicit-widening-of-multiplication-result,-bugprone-sizeof-expression,clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-clang-analyzer-optin.performance.Padding,-clang-analyzer-valist.Uninitialized,-clang-analyzer-core.NonNullParamChecker'
tidy() {
	local out
	out=$(git ls-files 'common/*.c' 'proto/*.c' 'services/**/*.c' | xargs -P "$(nproc)" -n 8 bash -c 'tidy_some "$@"' _)
	[ -z "$out" ] || { echo "$out"; return 1; }
}

make --no-print-directory -s generated
check "layers: arrows go one way" tests/lint/layers.sh
check "doors: one door per outside thing" tests/lint/doors.sh
check "no unfinished marks" unwanted
check "files are short" long_files
check "shell scripts" bash -c "git ls-files '*.sh' .ci/run | xargs shellcheck -S warning"
check "python compiles" python3 -m compileall -q tests
check "test files load" tests/lint/imports.py
check "conformance: each statement has a row, each row a test" tests/lint/conformance.py
check "format" bash -c "git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror"
[ "${LINT_FAST:-}" = 1 ] || check "clang-tidy" tidy
exit $bad
