# SPDX-License-Identifier: Apache-2.0
"""A certificate is replaced, as Kubernetes replaces a mounted Secret, under 1,000 connected TLS
clients that exchange messages meanwhile: none drops, every new one sees the new certificate. About half
a minute."""

import os
import shutil
import ssl
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "integration")]
import mqtt  # noqa: E402
from certs import Authority  # noqa: E402
from cluster import Cluster, await_true  # noqa: E402

CLIENTS, ROUNDS = 1000, 5


class Renewal(unittest.TestCase):
    def mount(self, version):
        directory = self.ca.path(f"..{version}")
        os.mkdir(directory)
        for path, name in zip(self.ca.issue(f"number-{version}", san="DNS:localhost"), ("tls.crt", "tls.key")):
            shutil.copy(path, os.path.join(directory, name))
        os.symlink(f"..{version}", self.ca.path("..new"))
        os.rename(self.ca.path("..new"), self.ca.path("..data"))

    def dial(self, client_id):
        client = mqtt.Client(self.cluster.port(0, "tls"), 5, timeout=30,
                             wrap=lambda s: self.context.wrap_socket(s, server_hostname="localhost"))
        self.addCleanup(client.close)
        client.connect(client_id, keep_alive=600)
        return client

    def server(self):
        client = self.dial("")
        name = dict(x[0] for x in client.socket.getpeercert()["subject"])["commonName"]
        client.close()
        return name

    def test_none_of_a_thousand_clients_drops_and_new_ones_see_the_new_certificate(self):
        self.ca = Authority()
        self.addCleanup(shutil.rmtree, self.ca.directory)
        self.context = ssl.create_default_context(cafile=self.ca.pem)
        self.mount(0)
        for name in ("tls.crt", "tls.key"):
            os.symlink(f"..data/{name}", self.ca.path(name))
        with Cluster(tls={"SLUICE_TLS_CERT": self.ca.path("tls.crt"), "SLUICE_TLS_KEY": self.ca.path("tls.key")}) as c:
            self.cluster, gateway = c, c["gateway0"]
            held = [self.dial(f"held{i}") for i in range(CLIENTS)]
            for i, client in enumerate(held):
                client.subscribe((f"ring/{i}", 0))
            stop, failures, rounds = threading.Event(), [], [0]

            def exchange():
                """Each client sends to the next one, round after round, while certificates change."""
                try:
                    while not stop.is_set():
                        for i, client in enumerate(held):
                            client.publish(f"ring/{(i + 1) % CLIENTS}", str(rounds[0]), 0)
                        for i, client in enumerate(held):
                            assert client.receive(30).payload == str(rounds[0]).encode(), i
                        rounds[0] += 1
                except BaseException as error:
                    failures.append(repr(error))
            thread = threading.Thread(target=exchange)
            thread.start()
            for version in range(1, ROUNDS + 1):
                self.mount(version)
                await_true("new clients see it at every worker", lambda: failures or {
                    self.server() for _ in range(12)} == {f"number-{version}"})
                seen = rounds[0]
                await_true("the others go on", lambda: failures or rounds[0] > seen + 1, 60)
            stop.set()
            thread.join()
            self.assertEqual(failures, [])
            print(f"{ROUNDS} renewals under {CLIENTS} clients, {rounds[0]} rounds of messages, none lost")
            self.assertEqual(gateway.metric("sluice_gateway_connections"), CLIENTS)
            for client in held:
                client.nothing()


if __name__ == "__main__":
    unittest.main(verbosity=2)
