#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test programs and ends with one line `N passed, N failed`.

    tests/run.py [FLAVOUR=x] FILE...    CUnit executables, and Python files with unittest classes

Each CUnit test and each Python test method counts as one. A program that crashes,
hangs or runs no test counts as a failure of its own. Output of what failed is shown.
FLAVOUR=x holds for the files behind it. TEST_JOBS of them run at a time: they mostly wait."""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time

PRINTING = threading.Lock()
TIMEOUT = int(os.environ.get("TEST_TIMEOUT", "600"))
ENV = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1",
           ASAN_OPTIONS="detect_leaks=1:exitcode=99", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99",
           LSAN_OPTIONS="suppressions=tests/lint/lsan.supp:print_suppressions=0",
           TSAN_OPTIONS="exitcode=99:suppressions=tests/lint/tsan.supp")


# Those that take longest begin first, so that none of them runs alone at the end.
LONG = ("features_sys", "fuzz", "chaos", "links", "steps", "kills", "tls", "clients", "shared_kills", "features_limits",
        "basics", "shared", "up_down")


def rank(item):
    name = re.sub("_test(.py)?$", "", os.path.basename(item[1]))
    return LONG.index(name) if name in LONG else len(LONG)


def run(path, flavour):
    """(passed, failed, output)"""
    command = [sys.executable, path] if path.endswith(".py") else [path]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=dict(ENV, **flavour), start_new_session=True)
    except OSError as error:  # it was not built
        return 0, 1, str(error)
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
        passed = max(0, total - failed)
    else:
        summary = re.search(r"^\s*tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", out, re.M)
        if summary:
            passed, failed = int(summary.group(3)), int(summary.group(4))
    if hung or (process.returncode != 0 and failed == 0) or passed + failed == 0:
        failed += 1
        out += f"\n{path}: {'hung' if hung else f'exit code {process.returncode}'}, {passed} passed"
    return passed, failed, out


def timed(item):
    flavour, path = item
    begin = time.monotonic()
    passed, failed, out = run(path, flavour)
    took = time.monotonic() - begin
    with PRINTING:
        print(f"{'ok  ' if not failed else 'FAIL'} {path}: {passed} passed, {failed} failed ({took:.1f} s)", flush=True)
        shown = out[-20000:] + "\n" if failed else "".join(line + "\n" for line in out.splitlines() if "(bound: " in line)
        print(shown, end="", flush=True)
    return passed, failed


def main(arguments):
    flavour, items = {}, []
    for argument in arguments:
        if argument.startswith("FLAVOUR="):
            flavour = dict([argument.split("=")])
        else:
            items.append((flavour, argument))
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("TEST_JOBS", "1"))) as pool:
        results = list(pool.map(timed, sorted(items, key=rank)))
    return sum(passed for passed, _ in results), sum(failed for _, failed in results)


if __name__ == "__main__":
    passed, failed = main(sys.argv[1:])
    state = os.environ.get("TEST_TALLY")
    if state:  # several runs share one closing line
        with open(state, "a") as f:
            f.write(f"{passed} {failed}\n")
    else:
        print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
