#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test programs and ends with one line `N passed, N failed`.

    tests/run.py FILE...    CUnit executables, and Python files with unittest classes

Each CUnit test and each Python test method counts as one. A program that crashes,
hangs or runs no test counts as a failure of its own. Output of what failed is shown."""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

TIMEOUT = int(os.environ.get("TEST_TIMEOUT", "600"))
ENV = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1",
           ASAN_OPTIONS="detect_leaks=1:exitcode=99", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99",
           LSAN_OPTIONS="suppressions=tests/lint/lsan.supp:print_suppressions=0",
           TSAN_OPTIONS="exitcode=99:suppressions=tests/lint/tsan.supp")


def run(path):
    """(passed, failed, output)"""
    command = [sys.executable, path] if path.endswith(".py") else [path]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=ENV, start_new_session=True)
    try:
        out = process.communicate(timeout=TIMEOUT)[0].decode(errors="replace")
        hung = False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, hung = process.communicate()[0].decode(errors="replace"), True
    passed = failed = 0
    if path.endswith(".py"):
        ran = re.findall(r"^Ran (\d+) tests?", out, re.M)
        total = sum(map(int, ran))
        failed = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", out))
        failed = min(failed, total) if total else failed
        passed = total - failed
    else:
        summary = re.search(r"^\s*tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", out, re.M)
        if summary:
            passed, failed = int(summary.group(3)), int(summary.group(4))
    if hung or (process.returncode != 0 and failed == 0) or passed + failed == 0:
        failed += 1
        out += f"\n{path}: {'hung' if hung else f'exit code {process.returncode}'}, {passed} passed"
    return passed, failed, out


def timed(path):
    begin = time.monotonic()
    return run(path) + (time.monotonic() - begin,)


def main(paths):
    """TEST_JOBS of them at a time: those that mostly wait."""
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("TEST_JOBS", "1"))) as pool:
        for path, (good, bad, out, took) in zip(paths, pool.map(timed, paths)):
            passed, failed = passed + good, failed + bad
            print(f"{'ok  ' if not bad else 'FAIL'} {path}: {good} passed, {bad} failed ({took:.1f} s)", flush=True)
            if bad:
                print(out[-20000:], flush=True)
    return passed, failed


if __name__ == "__main__":
    passed, failed = main(sys.argv[1:])
    state = os.environ.get("TEST_TALLY")
    if state:  # several runs share one closing line
        with open(state, "a") as f:
            f.write(f"{passed} {failed}\n")
    else:
        print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
