# SPDX-License-Identifier: Apache-2.0
"""The programs speak TLS with each other, and cores and the store are killed at random while clients publish.
nng 1.5.2 can then lock up: a program in which it does must end by itself, and what supervises it starts it
again; nothing acknowledged is lost. CLUSTER_TLS_SECONDS (30) is how long, CLUSTER_TLS_SEED repeats a schedule."""

import asyncio
import os
import random
import sys
import time
import unittest

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "cluster")]
from certs import Authority  # noqa: E402
from cluster import Cluster  # noqa: E402
from oracle import Oracle  # noqa: E402

SECONDS = float(os.environ.get("CLUSTER_TLS_SECONDS", "30"))
SEED = int(os.environ.get("CLUSTER_TLS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
LOCKED_UP = 3  # exit status


class ClusterTls(unittest.TestCase):
    def supervise(self, cluster):
        """Starts again what ended by itself."""
        for program in cluster.programs.values():
            status = program.process.poll()
            if status is not None and status >= 0:
                self.assertEqual(status, LOCKED_UP, program.log()[-2000:])
                self.ended.append(program.name)
                program.restart()

    async def arrivals(self, cluster, oracle, more, timeout=90):
        goal, deadline = oracle.arrived + more, time.monotonic() + timeout
        while oracle.arrived < goal:
            self.assertLess(time.monotonic(), deadline, f"traffic stands still ({oracle.arrived} of {goal})")
            self.supervise(cluster)
            await asyncio.sleep(0.05)

    def test_nothing_is_lost_when_programs_that_speak_tls_are_killed(self):
        ca = Authority()
        cert, key = ca.issue("sluice", usage="serverAuth,clientAuth")
        rng, kills, self.ended = random.Random(SEED), 0, []
        env = {"SLUICE_CLUSTER_CA": ca.pem, "SLUICE_CLUSTER_CERT": cert, "SLUICE_CLUSTER_KEY": key}
        print(f"seed {SEED}, {SECONDS:.0f} s", flush=True)
        with Cluster(gateways=2, cores=2, env=env) as c:
            async def script(oracle):
                nonlocal kills
                await self.arrivals(c, oracle, 500)
                end = time.monotonic() + SECONDS
                while time.monotonic() < end:
                    name = rng.choice(["core0", "core1", "store"])
                    c[name].kill()
                    kills += 1
                    await asyncio.sleep(rng.uniform(0, 0.5))  # part of the scene: absent for a while
                    c[name].restart()
                    await self.arrivals(c, oracle, rng.randrange(20, 2000))

            oracle = Oracle([c.port(0), c.port(1)], publishers=60, steady=False, clean_subscribers=0, persistent_subscribers=6)
            try:
                asyncio.run(oracle.run(script, settle=120))
            except BaseException:
                for program in c.programs.values():
                    print(f"--- {program.name}\n{program.log()[-3000:]}", file=sys.stderr)
                raise
        print(f"{kills} kills; ended by themselves: {self.ended}")
        self.assertGreater(kills, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
