# SPDX-License-Identifier: Apache-2.0
"""`make up` and `make down` as a user types them, in a folder of state of their own. They use the
default ports: in a network namespace of their own, or, where there can be none, with nothing else of
Sluice on this machine."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402
import netns  # noqa: E402
from cluster import TOP, http  # noqa: E402
from shards import names_on  # noqa: E402


class UpDown(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="sluice-home-")

    def tearDown(self):
        self.make("down.sh")
        shutil.rmtree(self.home)

    def make(self, script, **env):
        out = subprocess.run([os.path.join(TOP, "services", script)], capture_output=True, text=True, timeout=300,
                             env={**os.environ, "SLUICE_HOME": self.home, **env})
        return out.returncode, out.stdout + out.stderr

    def client(self, port, version=5, user="guest", password="guest", **options):
        client = mqtt.Client(port, version)
        self.addCleanup(client.close)
        client.connect(user=user, password=password, **options)
        return client

    def test_two_of_each_and_state_survives(self):
        two = {"GATEWAYS": "2", "CORES": "2", "STORES": "2"}
        code, text = self.make("up.sh", **two)
        self.assertEqual(code, 0, text)
        for word in ("18883", "28883", "guest", "key:", "log/"):
            self.assertIn(word, text)
        keepers = [names_on(shard, 2, "keeper")[0] for shard in (0, 1)]
        for keeper in keepers:
            sub = self.client(28883, client_id=keeper, clean=False, props={"session_expiry": 3600})
            sub.subscribe(("a", 1))
            sub.close()
        self.client(18883).publish("a", "kept", 1)
        self.client(18883).publish("r", "retained", 1, retain=True)
        code, text = self.make("up.sh", **two)
        self.assertEqual(code, 0, "a second make up is harmless: " + text)
        for other in ({}, {**two, "STORES": "1"}, {**two, "SLUICE_ALLOW_ANONYMOUS": "true"}):
            code, text = self.make("up.sh", **other)
            self.assertNotEqual(code, 0)
            self.assertIn("make down", text)
        with open(os.path.join(self.home, "api-key")) as f:
            key = f.read()
        self.assertEqual(http("http://127.0.0.1:8080/rest/user/guest", headers={"X-API-Key": key})[0], 200)
        self.assertEqual(self.make("down.sh")[0], 0)
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", 18883), 1)
        code, text = self.make("up.sh")  # the data are divided among two
        self.assertNotEqual(code, 0)
        self.assertIn("data_of_other_shards", text)
        code, text = self.make("up.sh", STORES="2", SLUICE_ALLOW_ANONYMOUS="true")
        self.assertEqual(code, 0, text)
        for keeper in keepers:
            back = self.client(18883, user=None, password=None, client_id=keeper, clean=False,
                               props={"session_expiry": 3600})
            self.assertEqual(back.receive().payload, b"kept")
            back.subscribe(("r", 1))
            self.assertEqual(back.receive().payload, b"retained")

    def test_certificates_for_trying_open_the_tls_ports(self):
        for _ in range(2):
            self.assertEqual(self.make("certs.sh")[0], 0)
        code, text = self.make("up.sh", GATEWAYS="2")
        self.assertEqual(code, 0, text)
        certs = os.path.join(self.home, "certs")
        context = ssl.create_default_context(cafile=os.path.join(certs, "ca.pem"))
        context.load_cert_chain(*(os.path.join(certs, "client" + e) for e in (".pem", ".key")))
        for port in (18483, 28483, 4443, 4444):
            with socket.create_connection(("127.0.0.1", port), 40) as sock, \
                    context.wrap_socket(sock, server_hostname="localhost") as tls:
                if port > 10000:  # the certificate says who it is
                    tls.sendall(mqtt.connect("by-certificate"))
                    self.assertEqual(tls.recv(100)[0] >> 4, mqtt.CONNACK)

        self.client(18883).publish("test/c", "as the README says", 1, retain=True)
        with open(os.path.join(TOP, "README.md")) as f:
            commands = re.findall(r"^\| [\w ]+ \| `(mosquitto_sub .*)` \|$", f.read(), re.M)
        self.assertEqual(len(commands), 4)  # those of MQTT.js: tests/browser
        for command in commands:
            with self.subTest(command=command), \
                    subprocess.Popen(command.replace(".sluice/", self.home + "/").split(), stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True) as process:
                killer = threading.Timer(60, process.kill)  # a command that hears nothing says nothing
                killer.start()
                self.assertEqual(process.stdout.readline(), "as the README says\n")
                killer.cancel()
                process.kill()
        self.assertTrue(os.path.exists(os.path.join(self.home, "run", "mqtt.sock-2")))

    def test_a_port_in_use_is_one_clear_line_and_nothing_stays(self):
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", 18883))
            taken.listen()
            code, text = self.make("up.sh")
        self.assertNotEqual(code, 0)
        self.assertIn("18883", text)
        self.assertEqual(len(text.strip().splitlines()), 1, text)
        self.assertEqual([f for f in os.listdir(os.path.join(self.home, "run")) if f.endswith(".pid")], [])

    def test_no_permission_is_one_clear_line(self):
        code, text = self.make("up.sh", SLUICE_HOME="/proc/nowhere")
        self.assertNotEqual(code, 0)
        self.assertIn("cannot write", text)

    def test_a_wrong_setting_is_named(self):
        code, text = self.make("up.sh", SLUICE_MAX_INFLIGHT="many")
        self.assertNotEqual(code, 0)
        self.assertIn("max-inflight", text)

    def test_all_mistakes_of_a_program_are_named_and_a_setting_that_there_is_not(self):
        code, text = self.make("up.sh", SLUICE_LOG_LEVEL="loud", SLUICE_QUEUE_BYTES="much", SLUICE_ALOW_ANONYMOUS="true",
                               SLUICE_API_KEY_FILE="/dev/null")
        self.assertNotEqual(code, 0)
        for name in ("log-level", "queue-bytes", "SLUICE_ALOW_ANONYMOUS"):
            self.assertIn(name, text)
        self.assertNotIn("SLUICE_API_KEY_FILE", text)


if __name__ == "__main__":
    if netns.enter():
        netns.run("ip", "link", "set", "lo", "up")
    unittest.main(verbosity=2)
