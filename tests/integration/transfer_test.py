# SPDX-License-Identifier: Apache-2.0
"""sluice-store --export and --import as commands: state moves to another directory, users come from
a table."""

import os
import subprocess
import unittest

import base  # noqa: F401 (paths)
import mqtt
from cluster import Cluster, FLAVOUR, TOP

MD5_OF_SECRET = "5ebe2294ecd0e0f08eab7690d2a6ee69"


def store(env, *args, stdin=None):
    return subprocess.run([os.path.join(TOP, "build", FLAVOUR, "sluice-store"), *args], capture_output=True,
                          input=stdin, timeout=60, env={**os.environ, **env})


class Transfer(unittest.TestCase):
    def test_state_moves(self):
        with Cluster() as c:
            env = c["store"].env
            with mqtt.Client(c.port()) as client:
                client.connect("mover", clean=False, props={"session_expiry": 3600})
                client.subscribe(("a/#", 1))
            with mqtt.Client(c.port()) as other:
                other.connect("other")
                other.publish("a/1", b"\xff\x00 waits", qos=1, retain=True)
            running = store(env, "--http-port=0", "--export", "-")
            self.assertEqual(running.returncode, 2)
            self.assertIn(b"another store", running.stderr)
            c["store"].end()
            out = store(env, "--export", "-")
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertIn(b'"topic":"a/1"', out.stdout)
            moved = {**env, "SLUICE_DATA_DIR": os.path.join(c.directory, "elsewhere")}
            file = os.path.join(c.directory, "bad")
            with open(file, "wb") as f:
                f.write(out.stdout + b"{}\nann,xyz,USER\n")
            wrong = store(moved, "--import", file)
            self.assertEqual(wrong.returncode, 2)
            lines = out.stdout.count(b"\n")
            for line in (lines + 1, lines + 2):
                self.assertIn(f"line={line}".encode(), wrong.stderr)
            into = store(moved, "--import", "-", stdin=out.stdout)
            self.assertEqual(into.returncode, 0, into.stderr)
            users = store(moved, "--import", "/dev/stdin", stdin=f"user\tmd5\troles\nann\t{MD5_OF_SECRET}\tUSER\n".encode())
            self.assertEqual(users.returncode, 0, users.stderr)
            c["store"].env["SLUICE_DATA_DIR"] = moved["SLUICE_DATA_DIR"]
            c["store"].start().await_ready()
            c["gateway0"].await_ready()
            with mqtt.Client(c.port()) as client:
                connack = client.connect("mover", clean=False, user="ann", password="secret",
                                         props={"session_expiry": 3600})
                self.assertTrue(connack.session_present)
                self.assertEqual(client.receive().payload, b"\xff\x00 waits")
                client.subscribe(("a/+", 1))
                self.assertEqual(client.receive().payload, b"\xff\x00 waits")
            with mqtt.Client(c.port()) as client:
                client.connect("ann", reason=0x86, user="ann", password="wrong")


if __name__ == "__main__":
    unittest.main(verbosity=2)
