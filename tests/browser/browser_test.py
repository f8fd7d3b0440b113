# SPDX-License-Identifier: Apache-2.0
"""MQTT.js and Paho JS over WebSocket and secure WebSocket, from Node and from a page in headless
Chromium: connect, subscribe, every QoS both ways, close; and which pages ws-origins lets in. Pictures of
the pages: build/screenshots."""

import base64
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import mqtt  # noqa: E402
from certs import Authority  # noqa: E402
from cluster import TOP, Cluster  # noqa: E402
from runner import MODULES, SCREENSHOTS, Runner  # noqa: E402

FILES = {"/page.html": (HERE, "page.html", "text/html"), "/exercise.js": (HERE, "exercise.js", "text/javascript"),
         "/mqtt.js": (MODULES, "mqtt/dist/mqtt.min.js", "text/javascript"),
         "/paho.js": (MODULES, "paho-mqtt/paho-mqtt-min.js", "text/javascript")}
CASES = [("mqttjs", 4), ("mqttjs", 5), ("paho", 4)]
SIZES = (1, 10, 70000)


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = FILES.get(self.path.split("?")[0])
        if found is None:
            self.send_error(404)
            return
        with open(os.path.join(*found[:2]), "rb") as f:
            body = f.read()
        self.send_response(200)
        self.send_header("Content-Type", found[2])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = []
        for _ in range(2):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            cls.addClassCleanup(server.server_close)
            cls.addClassCleanup(server.shutdown)
            cls.servers.append(f"http://localhost:{server.server_address[1]}")
        ca = Authority()
        cls.addClassCleanup(shutil.rmtree, ca.directory)
        cert, key = ca.issue("localhost", san="DNS:localhost,IP:127.0.0.1")
        cls.ca = ca.pem
        cls.cluster = Cluster(anonymous=False, tls={"SLUICE_TLS_CERT": cert, "SLUICE_TLS_KEY": key},
                              per={"gateway": {"SLUICE_WS_ORIGINS": cls.servers[0]}}).start()
        cls.addClassCleanup(cls.cluster.abandon)
        cls.cluster.add_user("guest", "guest")
        ca.openssl("x509", "-in", cert, "-noout", "-pubkey", "-out", ca.path("public.pem"))
        ca.openssl("pkey", "-pubin", "-in", ca.path("public.pem"), "-outform", "DER", "-out", ca.path("public.der"))
        with open(ca.path("public.der"), "rb") as f:
            spki = base64.b64encode(hashlib.sha256(f.read()).digest()).decode()
        os.makedirs(SCREENSHOTS, exist_ok=True)
        cls.runners = {"node": Runner("run.js", "node", NODE_EXTRA_CA_CERTS=cls.ca)}
        cls.addClassCleanup(cls.runners["node"].end)
        cls.runners["browser"] = Runner("run.js", "browser", shutil.which("chromium") or "chromium",
                                        cls.servers[0] + "/page.html", spki, SCREENSHOTS)
        cls.addClassCleanup(cls.runners["browser"].end)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def url(self, transport):
        return f"{transport}://localhost:{self.cluster.port(0, transport)}/mqtt"

    def check(self, where, transport, library, version):
        name = f"{where}-{library}-{version}-{transport}"
        with mqtt.Client(self.cluster.port(), timeout=40) as listener, mqtt.Client(self.cluster.port()) as speaker:
            listener.connect(name + "-listener", user="guest", password="guest")
            speaker.connect(name + "-speaker", user="guest", password="guest")
            listener.subscribe((f"ready/{name}", 2), (f"from/{name}", 2))
            self.runners[where].begin(library=library, url=self.url(transport), id=name, version=version)
            self.assertEqual(listener.receive().payload, b"ready")
            for qos in (0, 1, 2):
                for size in SIZES:
                    payload = os.urandom(size - 1) + b"\0"
                    speaker.publish(f"to/{name}", payload, qos)
                    back = listener.receive()
                    self.assertEqual((back.topic, back.qos), (f"from/{name}", qos))
                    self.assertTrue(back.payload == payload, "other bytes came back")
            speaker.publish(f"to/{name}", b"end", 1)
            self.assertEqual(self.runners[where].answer(), f"done {3 * len(SIZES) + 1}")

    def test_the_commands_of_the_readme(self):
        with open(os.path.join(TOP, "README.md")) as f:
            commands = re.findall(r"`npx mqtt@5 (sub .*)` \|", f.read())
        self.assertEqual(len(commands), 2)
        with mqtt.Client(self.cluster.port()) as speaker:
            speaker.connect("readme", user="guest", password="guest")
            speaker.publish("test/c", "as the README says", 1, retain=True)
        for command in commands:
            transport = re.search(r" -l (\w+)", command).group(1)
            command = re.sub(r" -p \d+", f" -p {self.cluster.port(0, transport)}", command)
            command = re.sub(r" --ca \S+", f" --ca {self.ca}", command)
            with self.subTest(command=command), \
                    subprocess.Popen([os.path.join(MODULES, ".bin", "mqtt"), *command.split()], stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True) as process:
                killer = threading.Timer(20, process.kill)  # a command that hears nothing says nothing
                killer.start()
                self.assertEqual(process.stdout.readline(), "as the README says\n")
                killer.cancel()
                process.kill()

    def test_a_page_of_another_origin_is_kept_out(self):
        before = self.cluster["gateway0"].metrics()['sluice_gateway_websocket_upgrades_total{result="refused"}']
        for library, version in CASES:
            self.runners["browser"].begin(library=library, url=self.url("ws"), id=f"browser-foreign-{library}-{version}",
                                          version=version, page=self.servers[1] + "/page.html")
            self.assertTrue(self.runners["browser"].answer().startswith("failed: "))
        self.assertGreaterEqual(
            self.cluster["gateway0"].metrics()['sluice_gateway_websocket_upgrades_total{result="refused"}'],
            before + len(CASES))


for _where in ("node", "browser"):
    for _transport in ("ws", "wss"):
        for _library, _version in CASES:
            setattr(Clients, f"test_{_where}_{_library}_{_version}_{_transport}",
                    functools.partialmethod(Clients.check, _where, _transport, _library, _version))

if __name__ == "__main__":
    unittest.main(verbosity=2)
