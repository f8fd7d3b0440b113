# SPDX-License-Identifier: Apache-2.0
"""Two stores on one database: what they share lies in the same tables."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402
from cluster import Cluster, await_true  # noqa: E402
from mariadb import MariaDB  # noqa: E402
from redis_server import Redis  # noqa: E402
from shards import names_on  # noqa: E402

STORES = ("store", "store1")


class Shared(unittest.TestCase):
    """Each store finds the topics of both in the database, and tells its own."""

    def test_retained_messages_are_found_and_counted_once(self):
        for database in (Redis, MariaDB):
            with self.subTest(database=database.__name__), database() as db, \
                    Cluster(gateways=1, stores=2, per={"store": db.settings()}) as c:
                self.scene(c)

    def scene(self, c):
        topics = [f"shared/{i}" for i in range(10)]
        with mqtt.Client(c.port()) as pub, mqtt.Client(c.port()) as clean, mqtt.Client(c.port()) as lasting:
            pub.connect("")
            for topic in topics:
                pub.publish(topic, b"kept", qos=1, retain=True)
            clean.connect("")
            lasting.connect(names_on(1, 2, "lasting")[0], clean=False, props={"session_expiry": 60})
            for sub in (clean, lasting):
                sub.subscribe(("shared/#", 1))
                self.assertEqual(sorted(sub.receive().topic for _ in topics), topics)
                sub.nothing(0.1)
            await_true("the stores count them", lambda: self.counted(c) == 10)
            for topic in topics:
                pub.publish(topic, b"", qos=1, retain=True)
            await_true("the stores count none", lambda: self.counted(c) == 0)

    def counted(self, cluster):
        return sum(cluster[name].metric("sluice_store_retained_messages") for name in STORES)


if __name__ == "__main__":
    unittest.main(verbosity=2)
