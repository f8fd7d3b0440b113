#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks docs/conformance.md: every statement of the standards (conformance_ids.txt) has
one row under a heading of its version, each row says what we do and names a test that
exists and runs, or is marked `client only`. Whether the test shows it, only a reader can say."""

import ast
import functools
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "docs/conformance.md"
VERSION = re.compile(r"^#+ .*\bMQTT (5\.0|3\.1\.1|3\.1)(?![.\d])")
ROW = re.compile(r"^\|\s*\[(MQTT-[\d.]+-\d+)\]\s*\|(.*)\|(.*)\|\s*$")
NAMED = re.compile(r"(tests/[\w./-]+\.(?:py|c))::(\w+)")


def text(path):
    with open(os.path.join(TOP, path)) as file:
        return file.read()


@functools.cache
def python_tests(path):
    """(methods that unittest runs, complaints): those of TestCase classes and of the mixins they name."""
    complaints, classes = [], {}
    for node in ast.parse(text(path)).body:
        if isinstance(node, ast.ClassDef):
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test")]
            names = [m.name for m in methods]
            complaints += [f"{path}: {n} is defined twice in {node.name}" for n in set(names) if names.count(n) > 1]
            complaints += [f"{path}: {m.name} is not run as it is" for m in methods for d in m.decorator_list
                           if "skip" in ast.dump(d) or "expectedFailure" in ast.dump(d)]
            bases = [b.id if isinstance(b, ast.Name) else b.attr for b in node.bases if isinstance(b, (ast.Name, ast.Attribute))]
            classes[node.name] = (names, bases)
    run, stack = set(), [n for n, (_, bases) in classes.items() if bases]
    while stack:
        names, bases = classes[stack.pop()]
        run.update(names)
        stack += [b for b in bases if b in classes]
    return run, complaints


@functools.cache
def c_tests(path):
    source = text(path)
    return {n for n in re.findall(r"CUNIT_CASE\((\w+)\)", source) if re.search(rf"^{n}\(void\)", source, re.M)}, []


def test_complaints(path, name):
    if not os.path.exists(os.path.join(TOP, path)):
        return [f"{path}::{name}: no such file"]
    found, complaints = (python_tests if path.endswith(".py") else c_tests)(path)
    return complaints + ([] if name in found else [f"{path}::{name}: no such test"])


def main():
    wanted = text("tests/lint/conformance_ids.txt").split("\n")
    wanted = [line for line in wanted if line]
    complaints, rows, version = [], {}, None
    for number, line in enumerate(text(PAGE).split("\n"), 1):
        heading = VERSION.match(line)
        if heading:
            version = heading.group(1)
        complaints += [c for path, name in NAMED.findall(line) for c in test_complaints(path, name)]
        row = ROW.match(line)
        if not row:
            if line.startswith("| [MQTT-"):
                complaints.append(f"{PAGE}:{number}: a row with other columns than three")
            continue
        key, what, shown = f"{version} {row.group(1)}", row.group(2).strip(), row.group(3).strip()
        if key in rows:
            complaints.append(f"{PAGE}:{number}: {key} has a row already, in line {rows[key]}")
        rows[key] = number
        if shown == "client only":
            continue
        if not what:
            complaints.append(f"{PAGE}:{number}: {key} does not say what we do")
        if not shown or NAMED.sub("", shown).strip(" ,`"):
            complaints.append(f"{PAGE}:{number}: {key} names no test, or something else: {shown!r}")
    complaints += [f"{PAGE}: no row for {key}" for key in wanted if key not in rows]
    complaints += [f"{PAGE}:{rows[key]}: {key} is no statement of the list" for key in rows if key not in wanted]
    for complaint in dict.fromkeys(complaints):
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
