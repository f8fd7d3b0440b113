# SPDX-License-Identifier: Apache-2.0
"""Two stores and two spares on one database: a store is killed and never comes back, another is stopped,
replaced, and goes on. The oracle of tests/cluster counts: nothing acknowledged is lost, no QoS 2 message comes
twice, no client's connection closes. Half a minute over each database."""

import asyncio
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from oracle import Oracle  # noqa: E402  finds tests/lib
from cluster import Cluster, await_true  # noqa: E402
from kills_test import until  # noqa: E402
from mariadb import MariaDB  # noqa: E402
from redis_server import Redis  # noqa: E402


def shard(store):
    """The one it has; None: it waits for one."""
    return store.health().get("shard")


def waits(store):
    return store.probe("/livez")[0] == 200 and store.health().get("waiting_for_shard")


async def taken(spares, number):
    """Waits until one of the spares has that shard and is ready; returns it."""
    def who():
        return next((s for s in spares if shard(s) == number and s.probe("/readyz")[0] == 200), None)
    return await asyncio.to_thread(await_true, f"a spare has shard {number}", who, 120)


class Takeover(unittest.TestCase):
    def scene(self, db):
        settings = {**db.settings(), "SLUICE_SHARD_LEASE": "4s"}
        with db, Cluster(gateways=2, cores=2, stores=2, spares=2, per={"store": settings}) as c:
            spares = [c["spare0"], c["spare1"]]
            self.assertEqual([shard(s) for s in spares], [None, None])

            async def script(oracle):
                await until(oracle, 2000)
                c["store1"].kill()
                first = await taken(spares, 1)
                await until(oracle, 2000)
                self.assertIn("shard_claimed", first.log())
                c["store"].kill(signal.SIGSTOP)
                await taken([s for s in spares if s is not first], 0)
                await until(oracle, 2000)
                c["store"].kill(signal.SIGCONT)
                self.assertEqual(await asyncio.to_thread(c["store"].process.wait, 60), 1)
                self.assertIn("data_taken_over", c["store"].log())
                c["store"].restart()  # it is a spare of its former shard now
                await asyncio.to_thread(await_true, "it waits", lambda: waits(c["store"]))
                await until(oracle, 2000)

            oracle = Oracle([c.port(i) for i in range(2)], publishers=100)
            try:
                asyncio.run(oracle.run(script, settle=120))
            except BaseException:
                for program in c.programs.values():
                    print(f"--- {program.name}\n{program.log()[-4000:]}", file=sys.stderr)
                raise

    def test_on_redis(self):
        self.scene(Redis())

    def test_on_mysql(self):
        self.scene(MariaDB("--innodb-flush-log-at-trx-commit=2"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
