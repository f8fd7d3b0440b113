# SPDX-License-Identifier: Apache-2.0
"""A rolling upgrade: programs of the commit before (PREVIOUS, HEAD~1) and of this one in one cluster,
while the oracle counts; then each is replaced by the other version under load. Where the history does not
go back that far, or what was before speaks other versions of the hello only, this commit stands for it."""

import asyncio
import os
import re
import subprocess
import sys
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", f) for f in ("lib", "cluster")]
from cluster import TOP, Cluster  # noqa: E402
from kills_test import until  # noqa: E402
from oracle import Oracle  # noqa: E402

PREVIOUS = os.environ.get("PREVIOUS", "HEAD~1")


def git(*args):
    return subprocess.run(["git", "-C", TOP, *args], check=True, capture_output=True, text=True).stdout.strip()


def hello_versions(commit):
    return re.findall(r"#define HELLO_VERSION_\w+ \w+", git("show", f"{commit}:common/hello.h"))


def choose():
    try:
        if hello_versions(PREVIOUS) == hello_versions("HEAD"):
            return git("rev-parse", PREVIOUS)
    except subprocess.CalledProcessError:
        pass
    print(f"{PREVIOUS} is not there or speaks another version: HEAD instead", flush=True)
    return git("rev-parse", "HEAD")


def build_previous():
    """The programs of PREVIOUS, in build/previous/<commit>."""
    commit = choose()
    tree = os.path.join(TOP, "build", "previous", commit)
    if not os.path.exists(os.path.join(tree, "Makefile")):
        os.makedirs(tree, exist_ok=True)
        archive = subprocess.run(["git", "-C", TOP, "archive", commit], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "WERROR=", "programs"], cwd=tree, check=True)
    return os.path.join(tree, "build", "release")


class MixedVersions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.previous = build_previous()

    def cluster(self, *old):
        c = Cluster(gateways=2, cores=2)
        for name in old:
            c[name].build = self.previous
        return c

    def scene(self, c, *replaced):
        """Under load each of `replaced` (no gateway: those hold connections) gets the other version."""
        async def script(oracle):
            await until(oracle, 3000)
            for name in replaced:
                program = c[name]
                builds = {self.previous, os.path.join(TOP, "build", "release")}
                program.kill()
                program.build = (builds - {program.build}).pop()
                program.restart()
                await until(oracle, 3000, 60)
        asyncio.run(Oracle([c.port(0), c.port(1)], publishers=100).run(script))

    def test_old_cores_with_new_gateways_and_store(self):
        with self.cluster("core0", "core1") as c:
            self.scene(c, "core0", "core1")

    def test_new_cores_with_old_gateways_and_store(self):
        with self.cluster("gateway0", "gateway1", "store") as c:
            self.scene(c, "store")

    def test_one_of_each_kind_is_old(self):
        with self.cluster("gateway1", "core1", "rest") as c:
            self.scene(c, "core1", "rest", "store")


if __name__ == "__main__":
    unittest.main(verbosity=2)
