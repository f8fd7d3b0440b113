# SPDX-License-Identifier: Apache-2.0
"""Two thousand idle connections over each transport: what the gateway grows by for each."""

import os
import shutil
import ssl
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402
import websocket as ws  # noqa: E402
from certs import Authority  # noqa: E402
from cluster import Cluster, await_true  # noqa: E402

CONNECTIONS = 2000
KIB_EACH = {"mqtt": 2, "ws": 2, "tls": 20, "wss": 20}


class Footprint(unittest.TestCase):
    def test_an_idle_connection_costs_at_most_20_KiB_over_tls_and_2_without(self):
        ca = Authority()
        self.addCleanup(shutil.rmtree, ca.directory)
        cert, key = ca.issue("localhost", san="DNS:localhost")
        context = ssl.create_default_context(cafile=ca.pem)
        wraps = {"mqtt": lambda s: s, "ws": ws.WebSocket,
                 "tls": lambda s: context.wrap_socket(s, server_hostname="localhost"),
                 "wss": lambda s: ws.WebSocket(context.wrap_socket(s, server_hostname="localhost"))}
        for transport, wrap in wraps.items():
            with self.subTest(transport=transport), \
                    Cluster(tls={"SLUICE_TLS_CERT": cert, "SLUICE_TLS_KEY": key}) as c:
                gateway = c["gateway0"]
                # A first hundred that leave again: what is allocated once is not counted.
                self.open(c, transport, wrap, 100, "first")()
                await_true("all gone", lambda: gateway.metric("sluice_gateway_connections") == 0)
                before = gateway.rss_kb()
                close = self.open(c, transport, wrap, CONNECTIONS, "idle")
                await_true("all there", lambda: gateway.metric("sluice_gateway_connections") == CONNECTIONS)
                each = (gateway.rss_kb() - before) / CONNECTIONS
                close()
                print(f"{transport}: {each:.1f} KiB of gateway per idle connection")
                self.assertLessEqual(each, KIB_EACH[transport])

    def open(self, cluster, transport, wrap, n, prefix):
        clients = []
        for i in range(n):
            client = mqtt.Client(cluster.port(0, transport), 4, wrap=wrap, timeout=30)
            client.connect(f"{prefix}{i}", keep_alive=600)
            clients.append(client)
        return lambda: [client.close() for client in clients]


if __name__ == "__main__":
    unittest.main(verbosity=2)
