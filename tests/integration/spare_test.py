# SPDX-License-Identifier: Apache-2.0
"""Stores, and spares for them, on one Redis: who takes whose shard when, and what the others say meanwhile.
What clients see of it is in tests/soak/takeover_test.py."""

import os
import signal
import tempfile
import unittest

from base import store_that_ends  # first: it finds tests/lib
from cluster import HOST, Program, await_true, free_ports
from redis_server import Redis

LEASE = "4s"  # long: a store that is only slow must not lose its shard


class Store(Program):
    """A store without cores."""

    def __init__(self, place, name, shard, db):
        call, feed, http = free_ports(3)
        super().__init__(place, name, "store", {
            "SLUICE_CLUSTER_SECRET": "test-secret-of-the-cluster", "SLUICE_LOG_FORMAT": "kv",
            "SLUICE_CALL_LISTEN": f"{HOST}:{call}", "SLUICE_FEED_LISTEN": f"{HOST}:{feed}",
            "SLUICE_HTTP_PORT": str(http), "SLUICE_CORES": f"{HOST}:{free_ports(1)[0]}", "SLUICE_SHARD": str(shard),
            "SLUICE_SHARDS": "2", "SLUICE_STORES": f"{HOST}:1", "SLUICE_SHARD_LEASE": LEASE, **db.settings()})

    def waits(self):
        """Ready to take a shard, because all it could have is taken; says so."""
        assert self.process.poll() is None, self.log()[-3000:]
        if self.probe("/livez")[0] != 200 or self.probe("/readyz")[0] != 200:
            return False
        health = self.health()
        return health.get("waiting_for_shard") and health

    def shard(self):
        """The one it has, or None."""
        assert self.process.poll() is None, self.log()[-3000:]
        return None if self.probe("/livez")[0] != 200 else self.health().get("shard")


class Spare(unittest.TestCase):
    def test_a_spare_needs_shared_data_and_moves_none(self):
        code, text = store_that_ends("--check", "--shard=spare")
        self.assertEqual(code, 2, text)
        self.assertIn("shared database", text)
        code, text = store_that_ends("--check", "--shard=spare", "--driver=redis", "--driver-retained=embedded")
        self.assertEqual(code, 2, text)
        code, text = store_that_ends("--check", "--shard=spare", "--driver=redis", "--export=-")
        self.assertEqual(code, 2, text)
        self.assertIn("must be a number for export", text)
        self.assertEqual(store_that_ends("--check", "--shard=spare", "--driver=redis")[0], 0)

    def test_the_shard_may_be_the_number_at_the_end_of_the_name(self):
        for instance, driver, word in (("store-1", "embedded", None), ("a-b-0", "embedded", None), ("store-2", "redis", None),
                                       ("store-2", "embedded", "shared database"), ("store", "redis", "ends with -"),
                                       ("", "redis", "ends with -"), ("store-01", "redis", "ends with -"),
                                       ("store-x", "redis", "ends with -"), ("s-spare", "redis", "ends with -")):
            code, text = store_that_ends("--check", "--shard=ordinal", "--shards=2", "--stores=a:1", f"--instance={instance}", f"--driver={driver}")
            self.assertEqual(code, 2 if word else 0, (instance, driver, text))
            self.assertIn(word or "", text)

    def test_spares_take_the_shards_of_stores_that_are_gone_or_stopped(self):
        with Redis() as db, tempfile.TemporaryDirectory(prefix="sluice-spare-") as self.directory:
            first, second, *spares = stores = [Store(self, name, shard, db) for name, shard in
                                               (("a", 0), ("b", 1), ("c", "spare"), ("d", "spare"))]
            try:
                self.scene(first, second, spares)
            finally:
                for store in stores:
                    if store.process and store.process.poll() is None:
                        store.process.kill()
                        store.process.wait()

    def scene(self, first, second, spares):
        for number, store in enumerate((first, second)):
            store.start()
            await_true(f"{store.name} has its shard", lambda: store.shard() == number)
        for spare in spares:
            spare.start()
            health = await_true(f"{spare.name} waits", spare.waits)
            self.assertIn("spare", health["reason"])
        second.kill()
        second.start()  # at once: it is its own successor, nobody has taken anything
        await_true("it has its shard again", lambda: second.shard() == 1)
        self.assertTrue(all(spare.waits() for spare in spares))
        first.kill(signal.SIGSTOP)
        second.kill()
        await_true("each spare has one", lambda: {spare.shard() for spare in spares} == {0, 1}, 60)
        first.kill(signal.SIGCONT)
        self.assertEqual(first.process.wait(30), 1)
        self.assertEqual(first.log().count("data_taken_over"), 1, first.log())
        first.start()  # by its supervisor: the shard is somebody else's, who is not disturbed
        health = await_true("it waits", first.waits)
        holder = next(spare for spare in spares if spare.shard() == 0)
        self.assertIn(f"shard 0 is held by {holder.name}@", health["reason"])
        holder.kill()
        holder.start()
        await_true("a spare is its own successor too", lambda: holder.shard() == 0)
        self.assertTrue(first.waits())
        for store in (first, *spares):
            store.end()


if __name__ == "__main__":
    unittest.main(verbosity=2)
