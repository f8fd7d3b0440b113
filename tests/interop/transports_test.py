# SPDX-License-Identifier: Apache-2.0
"""Clients that others wrote over TLS, WebSocket and secure WebSocket: each publishes to itself."""

import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from certs import Authority  # noqa: E402
from cluster import Cluster  # noqa: E402

NODE = """
const [url, ca, version] = process.argv.slice(1);
const client = require('mqtt').connect(url, {ca: require('fs').readFileSync(ca), protocolVersion: +version,
                                             reconnectPeriod: 0});
const sizes = [0, 10, 70000, 500000];
let got = [];
client.on('error', e => { console.log(e); process.exit(1); });
client.on('message', (topic, payload) => {
  got.push(payload.length);
  if (got.length === sizes.length) { console.log(got.join(' ')); client.end(); }
});
client.on('connect', () => client.subscribe('self/node', {qos: 2}, () =>
  sizes.forEach((n, i) => client.publish('self/node', Buffer.alloc(n), {qos: i % 3 || 1}))));
"""
PAHO = """
import sys, paho.mqtt.client as mqtt
transport, port, ca, version = sys.argv[1:]
sizes, got = [0, 10, 70000, 500000], []
client = mqtt.Client(protocol=int(version), transport="websockets" if "ws" in transport else "tcp")
if transport != "ws":
    client.tls_set(ca)
def on_connect(c, *_):
    c.subscribe("self/paho", 2)
def on_subscribe(c, *_):
    for i, n in enumerate(sizes):
        c.publish("self/paho", bytes(n), i % 3 or 1)
def on_message(c, _, message):
    got.append(len(message.payload))
    if len(got) == len(sizes):
        print(*got)
        c.disconnect()
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("localhost", int(port))
client.loop_forever()
"""


class Transports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ca = Authority()
        cls.addClassCleanup(shutil.rmtree, ca.directory)
        cert, key = ca.issue("localhost", san="DNS:localhost,IP:127.0.0.1")
        cls.ca = ca.pem
        cls.cluster = Cluster(tls={"SLUICE_TLS_CERT": cert, "SLUICE_TLS_KEY": key}).start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.cluster.stop()
        finally:
            cls.cluster.abandon()

    def check(self, command, **env):
        out = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **env})
        self.assertEqual((sorted(map(int, out.stdout.split())), out.stderr), ([0, 10, 70000, 500000], ""), out)

    def test_mqttjs(self):
        for version in (4, 5):
            for scheme, transport in (("mqtts", "tls"), ("ws", "ws"), ("wss", "wss")):
                with self.subTest(version=version, transport=transport):
                    url = f"{scheme}://localhost:{self.cluster.port(0, transport)}/mqtt"
                    self.check(["node", "-e", NODE, url, self.ca, str(version)],
                               NODE_PATH="/usr/share/nodejs:/usr/lib/nodejs")

    def test_paho_python(self):
        for version in (3, 4, 5):
            for transport in ("tls", "ws", "wss"):
                with self.subTest(version=version, transport=transport):
                    self.check(["/usr/bin/python3", "-c", PAHO, transport, str(self.cluster.port(0, transport)), self.ca,
                                str(version)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
