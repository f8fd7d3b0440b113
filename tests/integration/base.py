# SPDX-License-Identifier: Apache-2.0
"""One cluster for all tests of a class, and small helpers over it."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402
from cluster import Cluster, FLAVOUR, HOST, TOP, await_true, free_ports, http  # noqa: E402,F401


def store_that_ends(*args, **env):
    """(exit code, output) of a sluice-store that does not start, or only checks."""
    ports = free_ports(2)
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")},
           "SLUICE_CLUSTER_SECRET": "a-secret-of-some-length", "SLUICE_CALL_LISTEN": f"{HOST}:{ports[0]}",
           "SLUICE_FEED_LISTEN": f"{HOST}:{ports[1]}", **env}
    out = subprocess.run([os.path.join(TOP, "build", FLAVOUR, "sluice-store"), "--http-port=0", *args],
                         capture_output=True, text=True, timeout=60, env=env)
    return out.returncode, out.stdout + out.stderr


class ClusterTest(unittest.TestCase):
    """GATEWAYS and CORES say what runs; OPTIONS go to Cluster()."""

    GATEWAYS, CORES, OPTIONS = 1, 1, {}

    TRANSPORT = "mqtt"  # or tls, ws, wss; wrap() then says how
    wrap = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(gateways=cls.GATEWAYS, cores=cls.CORES, **cls.OPTIONS).start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.cluster.stop()
        finally:
            cls.cluster.abandon()

    def run(self, result=None):
        """What the programs logged is shown with a failure: another run may not fail again."""
        def bad():
            return len(result.failures) + len(result.errors) if result else 0
        before = bad()
        result = super().run(result) or result
        if bad() > before:
            for program in self.cluster.programs.values():
                print(f"--- {self.id()}: {program.name}\n{program.log()[-1500:]}", file=sys.stderr, flush=True)
        return result

    def setUp(self):
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()

    def raw(self, version=5, gateway=0):
        client = mqtt.Client(self.cluster.port(gateway, self.TRANSPORT), version, wrap=self.wrap)
        self.clients.append(client)
        return client

    def client(self, client_id="", version=5, gateway=0, **options):
        client = self.raw(version, gateway)
        client.connack = client.connect(client_id, **options)
        return client

    def name(self, suffix=""):
        """Unique among the tests of a class: topics and client ids never meet."""
        return self._testMethodName + suffix

    def persistent(self, client_id, version=5, gateway=0, clean=False, **options):
        if version == 5:
            options.setdefault("props", {"session_expiry": 3600})
        return self.client(client_id, version, gateway, clean=clean, **options)
