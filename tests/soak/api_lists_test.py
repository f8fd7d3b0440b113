# SPDX-License-Identifier: Apache-2.0
"""Ten thousand users and CLIENTS (100,000) connected clients over six gateways, listed and searched in
pages: each page within 100 ms (issue 6; the median of three looks at it, because the machine is
shared with the load), and what listing does to the delivery of messages: its p99 with and without is
printed. About two minutes."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "integration")]
import bounds  # noqa: E402
from base import ClusterTest, await_true  # noqa: E402
from cluster import FLAVOUR, TOP  # noqa: E402
from witness import Witness  # noqa: E402

USERS, CLIENTS, GATEWAYS, BOUND_MS = int(os.environ.get("USERS", "10000")), int(os.environ.get("CLIENTS", "100000")), 6, 100


class Lists(ClusterTest):
    GATEWAYS = GATEWAYS
    OPTIONS = {"per": {"rest": {"SLUICE_RATE_KEY": 0, "SLUICE_RATE_ADDRESS": 0}, "gateway": {"SLUICE_WORKERS": 1}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.loads = []
        each = CLIENTS // GATEWAYS
        for g in range(GATEWAYS):
            cls.loads.append(subprocess.Popen(
                [os.path.join(TOP, "build", FLAVOUR, "mqload"), "-p", str(cls.cluster.port(g)), "-P", "1", "-S", str(each - 1),
                 "-G", "1000", "-r", "1", "-n", "1000000", "-t", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        await_true("all clients", lambda: cls.ask("/overview")["clients"] >= each * GATEWAYS, 180, 1)

    @classmethod
    def tearDownClass(cls):
        for load in cls.loads:
            load.kill()
            load.wait()
        super().tearDownClass()

    @classmethod
    def get(cls, path, query=None):
        return cls.cluster.rest("GET", "/api/v1" + path + ("?" + urllib.parse.urlencode(query) if query else ""))

    @classmethod
    def ask(cls, path, query=None):
        status, text, _ = cls.get(path, query)
        assert status == 200, (status, text)
        return json.loads(text)

    def timed(self, path, query):
        """The answer, and the median time of three looks in ms."""
        times = []
        for _ in range(3):
            begun = time.monotonic()
            status, text, _ = self.get(path, query)
            times.append((time.monotonic() - begun) * 1000)
            self.assertEqual(status, 200, text)
        return json.loads(text), statistics.median(times)

    def walk(self, path, query, limit=500):
        """All items page by page; the slowest page in ms."""
        items, cursor, worst, pages = [], None, 0, 0
        while True:
            page, took = self.timed(path, {**query, "limit": limit, **({"cursor": cursor} if cursor else {})})
            items += page["items"]
            cursor, worst, pages = page["next"], max(worst, took), pages + 1
            if cursor is None:
                print(f"{path} {query}: {len(items)} items in {pages} pages, slowest {worst:.0f} ms", flush=True)
                return items, worst

    def test_a_clients_and_sessions(self):
        each = CLIENTS // GATEWAYS
        clients, worst = self.walk("/clients", {})
        self.assertEqual(len({c["client"] for c in clients}), each * GATEWAYS)
        bounds.within(self, "slowest page, ms", worst, BOUND_MS)
        sessions, worst = self.walk("/sessions", {})
        self.assertEqual(len({s["client"] for s in sessions}), each * GATEWAYS)
        bounds.within(self, "slowest page, ms", worst, BOUND_MS)
        some = clients[len(clients) // 2]["client"]
        for path in ("/clients", "/sessions"):
            for search in (some[:-2], some):
                found, worst = self.walk(path, {"search": search})
                self.assertIn(some, {c["client"] for c in found})
                self.assertTrue(all(c["client"].startswith(search) for c in found))
                bounds.within(self, "slowest page, ms", worst, BOUND_MS)
        bounds.within(self, "slowest page, ms", self.timed(f"/clients/{some}", None)[1], BOUND_MS)

    def test_d_users(self):
        def make(part):
            for i in range(part, USERS, 8):
                status, text, _ = self.cluster.rest("PUT", f"/api/v1/users/user{i:05}", json.dumps(
                    {"password_md5": "0" * 32, "roles": ["READER" if i % 100 == 0 else "USER"]}))
                assert status == 201, text
        makers = [threading.Thread(target=make, args=(part,)) for part in range(8)]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join()
        users, worst = self.walk("/users", {})
        self.assertEqual(len(users), USERS)
        bounds.within(self, "slowest page, ms", worst, BOUND_MS)
        for query, count in (({"search": "user00"}, min(USERS, 1000)), ({"role": "READER"}, (USERS + 99) // 100), ({"search": "user0009"}, 10)):
            found, worst = self.walk("/users", query)
            self.assertEqual(len(found), count)
            bounds.within(self, "slowest page, ms", worst, BOUND_MS)

    def test_c_listing_does_not_slow_delivery(self):
        def measure(name):
            with Witness([(self.cluster.port(0), None), (self.cluster.port(1), None)]) as witness:
                time.sleep(6)  # a measurement takes its time; nothing is awaited
            print(f"delivery {name}: {witness.result}", flush=True)
        measure("alone")
        stop = threading.Event()

        def list_on():
            while not stop.is_set():
                self.ask("/clients", {"search": "nobody"})
                self.ask("/sessions", {"search": "nobody"})
        listers = [threading.Thread(target=list_on) for _ in range(2)]
        for lister in listers:
            lister.start()
        measure("while two list everything")
        stop.set()
        for lister in listers:
            lister.join()


if __name__ == "__main__":
    unittest.main(verbosity=2)
