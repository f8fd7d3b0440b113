# SPDX-License-Identifier: Apache-2.0
"""An import that is killed, one that is repeated, and one into data with sessions, over each driver: as
services/store/transfer.md says. Some ten seconds."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import HOST, free_ports  # noqa: E402
from transfer_rows import Drivers, b64, command, lines, rows, store  # noqa: E402


class Throttle:
    """A way to a server of the loopback that carries so many bytes there, and no more: full is set then."""

    def __init__(self, to, most):
        self.to, self.left, self.full, self.sockets = to, most, threading.Event(), []
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for s in (self.listener, *self.sockets):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def accept(self):
        try:
            while True:
                near = self.listener.accept()[0]
                far = socket.create_connection((HOST, self.to))
                self.sockets += [near, far]
                threading.Thread(target=self.there, args=(near, far), daemon=True).start()
                threading.Thread(target=self.back, args=(near, far), daemon=True).start()
        except OSError:
            pass

    def there(self, near, far):
        try:
            while self.left > 0 and (data := near.recv(65536)):
                self.left -= len(data)
                far.sendall(data)
            if self.left <= 0:
                self.full.set()
        except OSError:
            pass

    @staticmethod
    def back(near, far):
        try:
            while data := far.recv(65536):
                near.sendall(data)
        except OSError:
            pass


class Interrupted(Drivers):
    def test_interrupted_repeated_and_into_data(self):
        source = self.path("source")
        with open(source, "w", encoding="utf-8") as f:
            f.write('{"type":"sluice","version":1}\n')
            f.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
            f.writelines(json.dumps({"type": "retained", "time_ms": 0, "topic": f"many/{i}",
                                     "record64": b64(os.urandom(30000))}) + "\n" for i in range(220))
        self.move(self.embedded("whole"), "import", source)
        self.move(self.embedded("whole"), "export", self.path("whole.jsonl"))
        whole = sorted(lines(self.path("whole.jsonl")))
        ways = {"embedded": self.embedded("killed"),
                "mysql": {**self.mysql.settings(), "SLUICE_MYSQL_DATABASE": "sluice_2"},
                "redis": {**self.redis.settings(), "SLUICE_REDIS_PREFIX": "second"}}
        self.mysql.sql("GRANT ALL ON sluice_2.* TO sluice@'%'", database=None)
        for name, settings in ways.items():
            with self.subTest(name):
                self.killed(settings, source)
                self.move(settings, "import", source)
                self.move(settings, "export", self.path(name))
                self.assertEqual(sorted(lines(self.path(name))), whole)
                # sessions are there now: refused, and nothing is changed
                self.assertIn("there are sessions in it already", self.move(settings, "import", source, expected=2))
                self.move(settings, "export", self.path(name))
                self.assertEqual(sorted(lines(self.path(name))), whole)

    def killed(self, settings, source):
        """An import that ends after its first batch and before its last: a database gets only the beginning
        of what is sent to it, then the import is killed; a file may not grow. No store starts on what it
        leaves."""
        words, env = command(settings, "--import", source)
        if settings["SLUICE_DRIVER"] == "embedded":
            limit = 5 << 20
            process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
            self.assertEqual(process.wait(60), 1)
        else:
            hosts = f"SLUICE_{settings['SLUICE_DRIVER'].upper()}_HOSTS"
            with Throttle(int(settings[hosts].rsplit(":", 1)[1]), 5 << 20) as throttle:
                env[hosts] = f"{HOST}:{throttle.port}"
                process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.assertTrue(throttle.full.wait(60))
                process.kill()
                self.assertEqual(process.wait(), -signal.SIGKILL)
        ports = free_ports(2)
        code, out = store({**settings, "SLUICE_CALL_LISTEN": f"{HOST}:{ports[0]}",
                           "SLUICE_FEED_LISTEN": f"{HOST}:{ports[1]}"})
        self.assertEqual(code, 2, out)
        self.assertIn("import_incomplete", out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
