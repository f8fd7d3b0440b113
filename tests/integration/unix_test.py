# SPDX-License-Identifier: Apache-2.0
"""The UNIX socket of a gateway: clients over it, its file and permissions, files left over by the
dead, and its end."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

from base import ClusterTest, await_true, http, mqtt
from cluster import FLAVOUR, TOP, free_ports

SECRET = "test-secret-of-the-cluster"


class Unix(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="sluice-unix-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.path = os.path.join(cls.directory, "mqtt.sock")
        with socket.socket(socket.AF_UNIX) as dead:  # its file stays behind
            dead.bind(cls.path)
        cls.OPTIONS = {"per": {"gateway": {"SLUICE_UNIX_PATH": cls.path, "SLUICE_UNIX_MODE": "0600",
                                           "SLUICE_LOG_LEVEL": "debug"}}}
        super().setUpClass()

    def dial(self, client_id, version=5, **options):
        client = mqtt.Client(self.path, version)
        self.clients.append(client)
        client.connect(client_id, **options)
        return client

    def other_gateway(self, path, meanwhile=lambda: None):
        """Runs one until it ends or runs; then stops it: (exit code, log)."""
        port = free_ports(1)[0]
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")},
               "SLUICE_CLUSTER_SECRET": SECRET, "SLUICE_UNIX_PATH": path,
               "SLUICE_HTTP_PORT": str(port), "SLUICE_FEED_LISTEN": "127.0.0.1:0", "SLUICE_LOG_FORMAT": "kv",
               **{f"SLUICE_{t}_PORT": "0" for t in ("MQTT", "WS", "TLS", "WSS")}}
        log = tempfile.TemporaryFile("w+")
        self.addCleanup(log.close)
        process = subprocess.Popen([os.path.join(TOP, "build", FLAVOUR, "sluice-gateway")], env=env, stdout=log,
                                   stderr=log)

        def is_up():
            try:
                return process.poll() is not None or http(f"http://127.0.0.1:{port}/livez")[0] == 200
            except OSError:
                return False
        try:
            await_true("it runs or ends", is_up)
            if process.poll() is None:
                meanwhile()
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGTERM)
            code = process.wait(30)
            log.seek(0)
            return code, log.read()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def test_messages_of_every_quality_go_both_ways(self):
        for version in (3, 4, 5):
            sub = self.dial(self.name(f"s{version}"), version)
            sub.subscribe((self.name(), 2))
            pub = self.client(self.name(f"p{version}"), version)
            for qos in (0, 1, 2):
                pub.publish(self.name(), f"over tcp {qos}", qos)
                self.assertEqual(sub.receive().payload, f"over tcp {qos}".encode())
            other = self.client(self.name(f"t{version}"), version)
            other.subscribe((self.name("back"), 2))
            for qos in (0, 1, 2):
                sub.publish(self.name("back"), b"x" * 100000, qos)
                self.assertEqual(other.receive().payload, b"x" * 100000)
            for client in (sub, pub, other):
                client.close()

    def test_the_file_has_its_mode_and_the_log_its_listener(self):
        found = os.lstat(self.path)
        self.assertTrue(stat.S_ISSOCK(found.st_mode))
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o600)
        self.dial("a-unix-client")
        await_true("the log names it", lambda: "client=a-unix-client address=unix listener=unix"
                   in self.cluster["gateway0"].log())

    def test_many_at_once_are_served(self):
        clients = [self.dial(self.name(str(i))) for i in range(100)]
        for client in clients:
            client.nothing()

    def test_mosquittos_client_speaks_it(self):
        sub = self.client(self.name("s"))
        sub.subscribe((self.name(), 1))
        out = subprocess.run(["mosquitto_pub", "--unix", self.path, "-V", "mqttv5", "-t", self.name(), "-m", "hello", "-q",
                              "1"], capture_output=True, text=True, timeout=70)
        self.assertEqual((out.returncode, out.stderr), (0, ""))
        self.assertEqual(sub.receive().payload, b"hello")

    def test_a_path_in_use_or_of_another_kind_is_refused_and_left_alone(self):
        inode = os.lstat(self.path).st_ino
        code, log = self.other_gateway(self.path)
        self.assertEqual(code, 2)
        self.assertIn(self.path, log)
        self.assertEqual(os.lstat(self.path).st_ino, inode)
        self.dial(self.name()).nothing()
        plain = os.path.join(self.directory, "plain")
        with open(plain, "w") as f:
            f.write("kept")
        for path in (plain, os.path.join(self.directory, "no", "such"), self.directory):
            self.assertEqual(self.other_gateway(path)[0], 2)
        with open(plain) as f:
            self.assertEqual(f.read(), "kept")

    def test_the_file_goes_with_its_gateway_but_not_that_of_another(self):
        path = os.path.join(self.directory, "other")
        code, log = self.other_gateway(path)
        self.assertEqual(code, 0, log)
        self.assertFalse(os.path.lexists(path))

        def replace():
            os.unlink(path)
            with socket.socket(socket.AF_UNIX) as new:
                new.bind(path)
        self.assertEqual(self.other_gateway(path, replace)[0], 0)
        self.assertTrue(os.path.lexists(path))


if __name__ == "__main__":
    unittest.main(verbosity=2)
