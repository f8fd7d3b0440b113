# SPDX-License-Identifier: Apache-2.0
"""A Node script at the other end of a pipe, for tests that drive a browser."""

import json
import os
import select
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cluster import TOP  # noqa: E402

MODULES = os.path.join(TOP, "build", "browser", "node_modules")
SCREENSHOTS = os.path.join(TOP, "build", "screenshots")


class Runner:
    """A script that takes a line of JSON and answers with a line, one at a time; it says "ready" first."""

    def __init__(self, script, *args, **env):
        self.process = subprocess.Popen(["node", os.path.join(HERE, script), *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "NODE_PATH": MODULES, **env})
        assert self.answer(60) == "ready"

    def begin(self, **options):
        self.process.stdin.write(json.dumps(options) + "\n")
        self.process.stdin.flush()

    def answer(self, timeout=60):
        assert select.select([self.process.stdout], [], [], timeout)[0], "no answer"
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
