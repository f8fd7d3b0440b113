# SPDX-License-Identifier: Apache-2.0
"""A database that is away: at the start, while the store runs, and in the hands of another store."""

import os
import subprocess
import unittest

import base  # noqa: F401 (paths)
import mqtt
from cluster import Cluster, FLAVOUR, TOP, await_true
from mariadb import MariaDB


class DatabaseAway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = MariaDB("--innodb-flush-log-at-trx-commit=2")
        cls.db.start()

    @classmethod
    def tearDownClass(cls):
        cls.db.__exit__()

    def setUp(self):
        if self.db.process.poll() is not None:  # another test left it so
            self.db.start()

    def settings(self):
        return {"store": {**self.db.settings(), "SLUICE_MYSQL_CONNECT_TIMEOUT": "1s", "SLUICE_MYSQL_TIMEOUT": "2s"}}

    def test_connected_clean_sessions_go_on_and_nothing_acknowledged_is_lost(self):
        with Cluster(per=self.settings()) as c, mqtt.Client(c.port()) as kept, mqtt.Client(c.port()) as other, \
                mqtt.Client(c.port()) as clean:
            kept.connect("kept", clean=False, props={"session_expiry": 3600})
            kept.subscribe(("kept/#", 1))
            other.connect("other")
            clean.connect("clean")
            clean.subscribe(("clean/#", 1))
            other.publish("kept/0", b"before", qos=1)
            self.assertEqual(kept.receive().payload, b"before")
            self.db.kill()
            other.send(mqtt.publish("kept/1", b"meanwhile", qos=1, pid=77))
            await_true("not ready", lambda: c["store"].probe("/readyz")[0] == 503)
            health = c["store"].health()
            self.assertEqual(health["status"], "degraded")
            self.assertTrue(health["reason"], health)
            clean.send(mqtt.publish("clean/1", b"to myself", qos=1, pid=5))
            got = {clean.recv().kind for _ in range(2)}
            self.assertEqual(got, {mqtt.PUBLISH, mqtt.PUBACK})
            with mqtt.Client(c.port()) as new:
                new.connect("new and clean")
            other.nothing()  # no acknowledgement before it is kept
            self.db.start()
            self.assertEqual(other.expect(mqtt.PUBACK).pid, 77)
            self.assertEqual(kept.receive().payload, b"meanwhile")
            await_true("ready again", lambda: c["store"].probe("/readyz")[0] == 200)

    def test_a_store_answers_probes_while_it_waits_for_its_database(self):
        self.db.kill()
        cluster = Cluster(per=self.settings())
        self.addCleanup(cluster.abandon)
        store = cluster["store"].start()
        await_true("alive", lambda: store.probe("/livez")[0] == 200)
        self.assertEqual(store.probe("/readyz")[0], 503)
        self.assertTrue(store.health()["starting"])
        self.db.start()
        await_true("it has started", lambda: "event=started" in store.log() or " started " in store.log())
        store.end()

    def test_a_store_whose_data_was_taken_over_ends_and_says_why(self):
        with Cluster(per=self.settings()) as c:
            out = subprocess.run([os.path.join(TOP, "build", FLAVOUR, "sluice-store"), "--export", "-"],
                                 env={**os.environ, **c["store"].env}, capture_output=True, timeout=60)
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertEqual(c["store"].process.wait(60), 1)
            self.assertIn("data_taken_over", c["store"].log())
            c["store"].restart().await_ready()


if __name__ == "__main__":
    unittest.main(verbosity=2)
