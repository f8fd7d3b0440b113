# SPDX-License-Identifier: Apache-2.0
"""A gateway that holds all clients sends some to one that came later, slowly, down to the bound."""

import unittest

from base import mqtt
from cluster import Cluster, await_true


class Balance(unittest.TestCase):
    def test_a_gateway_far_above_the_mean_sends_clients_elsewhere(self):
        with Cluster(gateways=2, per={"gateway": {"SLUICE_BALANCE_ABOVE": 20, "SLUICE_BALANCE_RATE": 40}}) as c:
            clients = []
            for i in range(100):
                client = mqtt.Client(c.port(0), version=(5, 4)[i % 2])
                client.connect(f"device{i}")
                clients.append(client)
            # Nobody comes back in this test, so the mean falls with those who go: it ends where 40 are
            # here, 20 more (always allowed) than the mean; or a little below, since what a gateway and
            # its core know of each other is some moments old.
            def shed():
                return c["gateway0"].metric("sluice_hub_clients_shed_total")
            await_true("60 clients are gone", lambda: shed() >= 60 and c["gateway0"].metric("sluice_gateway_connections") <= 40)
            self.assertLess(shed(), 70)
            self.assertEqual(c["gateway1"].metric("sluice_hub_clients_shed_total"), 0)
            said = []
            for client in clients[::2]:
                try:
                    client.send(mqtt.packet(mqtt.PINGREQ))
                except ConnectionError:
                    pass  # the DISCONNECT is read all the same
                got = client.recv()
                if got.kind == mqtt.DISCONNECT:
                    said.append(got.reason)
            self.assertEqual(set(said), {0x9C})
            for client in clients:
                client.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
