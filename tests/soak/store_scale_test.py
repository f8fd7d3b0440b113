# SPDX-License-Identifier: Apache-2.0
"""A million retained topics and 100,000 absent sessions in each database: how long filling and a
start take, how much memory the store has then, and what a lookup with 10 hits takes (at most 5 ms
at the driver, in the median, and a few rows looked at for each hit). SCALE_TOPICS and SCALE_SESSIONS change the numbers. Needs
build/release/storefill (make build/release/storefill)."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]
import bounds  # noqa: E402
import mqtt  # noqa: E402
from cluster import Cluster, FLAVOUR, TOP  # noqa: E402
from mariadb import MariaDB  # noqa: E402
from redis_server import Redis  # noqa: E402

TOPICS = int(os.environ.get("SCALE_TOPICS", "1000000"))
SESSIONS = int(os.environ.get("SCALE_SESSIONS", "100000"))


class Scale(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="sluice-scale-")

    def tearDown(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def scale(self, name, settings):
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}, **settings,
               "SLUICE_CLUSTER_SECRET": "test-secret-of-the-cluster"}
        out = subprocess.run([os.path.join(TOP, "build", FLAVOUR, "storefill"), str(TOPICS), str(SESSIONS)],
                             env=env, stdout=subprocess.PIPE, text=True)
        self.assertEqual(out.returncode, 0, out.stdout)
        figures = dict(line.split() for line in out.stdout.splitlines())
        with Cluster(per={"store": settings}) as c:
            c["store"].end()
            begin = time.monotonic()
            c["store"].restart().await_ready(120)
            figures["ready"] = f"{time.monotonic() - begin:.3f}"
            figures["store_rss_kb"] = c["store"].rss_kb()
            self.assertEqual(c["store"].metric("sluice_store_sessions"), SESSIONS)
            self.assertEqual(c["store"].metric("sluice_store_retained_messages"), TOPICS)
            took = []
            with mqtt.Client(c.port()) as client:
                client.connect("scale")
                for i in range(50):
                    begin = time.monotonic()
                    client.subscribe((f"d/+/{i * 7}/v", 0))
                    topics = sorted(client.receive().topic for _ in range(10))
                    took.append(time.monotonic() - begin)
                    self.assertEqual(topics, [f"d/{g}/{i * 7}/v" for g in range(10)])
            figures["subscribe_10_median_us"] = round(sorted(took)[25] * 1e6)
        for key, value in figures.items():
            print(f"    {name} {key} {value}", flush=True)
        self.assertEqual(figures["lookup_10_hits"], "10.0")
        self.assertLess(float(figures["lookup_10_steps"]), 60)  # of a million: not one row a topic
        bounds.within(self, "lookup with ten hits, us", int(figures["lookup_10_median_us"]), 5000)

    def test_embedded(self):
        self.scale("embedded", {"SLUICE_DATA_DIR": os.path.join(self.directory, "data")})

    def test_mysql(self):
        with MariaDB("--innodb-buffer-pool-size=256M") as db:
            self.scale("mysql", db.settings())
            print(f"    mysql server_rss_kb {db.rss_kb()}")

    def test_redis(self):
        with Redis() as db:
            self.scale("redis", db.settings())
            print(f"    redis server_rss_kb {db.rss_kb()}")
            db.kill()
            begin = time.monotonic()
            db.start()
            print(f"    redis server_start {time.monotonic() - begin:.3f}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
