# SPDX-License-Identifier: Apache-2.0
"""A full disk under the store: it says so, stops acknowledging, loses nothing that it
acknowledged, and goes on when there is room. The disk is a small tmpfs of our own; where mounting is not
allowed (most containers), the store's files may not grow beyond a limit instead."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402
from cluster import Cluster, await_true  # noqa: E402

SIZE = 24 << 20


class SmallDisk:
    """fill() leaves 2 MiB, make_room() gives all back."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="sluice-disk-")
        self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "sluice-test", self.path],
                                      capture_output=True).returncode == 0
        self.data, self.ballast = os.path.join(self.path, "data"), os.path.join(self.path, "ballast")
        print("a tmpfs" if self.mounted else "a limit on file sizes", flush=True)

    def fill(self, store):
        self.store = store
        if self.mounted:
            with open(self.ballast, "wb") as f:
                free = os.statvfs(self.path)
                f.write(b"x" * (free.f_bavail * free.f_bsize - (2 << 20)))
        else:
            largest = max(os.path.getsize(os.path.join(self.data, f)) for f in os.listdir(self.data))
            resource.prlimit(store.pid, resource.RLIMIT_FSIZE, (largest + (2 << 20), resource.RLIM_INFINITY))

    def make_room(self):
        if self.mounted:
            os.unlink(self.ballast)
        else:
            resource.prlimit(self.store.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=True)
            os.rmdir(self.path)
        else:
            shutil.rmtree(self.path)


class DiskFull(unittest.TestCase):
    def setUp(self):
        self.disk = SmallDisk()
        self.addCleanup(self.disk.remove)

    def answer(self, client, store):
        """The next packet; None when the store is degraded and none comes."""
        while True:
            try:
                return client.recv(timeout=3)
            except TimeoutError:
                if store.probe("/readyz")[0] == 503:
                    return None

    def test_a_full_disk_pauses_acknowledgements_and_loses_nothing(self):
        with Cluster(per={"store": {"SLUICE_DATA_DIR": self.disk.data}}) as c:
            sub = mqtt.Client(c.port())
            sub.connect("keeper", clean=False, props={"session_expiry": 3600})
            sub.subscribe(("full/#", 1))
            sub.close()
            clean = mqtt.Client(c.port())
            clean.connect("clean")
            clean.subscribe(("clean", 1))
            self.disk.fill(c["store"])
            pub = mqtt.Client(c.port())
            pub.connect("filler")
            acked = 0
            payload = b"p" * 60000
            for i in range(200):
                pub.send(mqtt.publish(f"full/{i}", payload, 1, i + 1))
                got = self.answer(pub, c["store"])
                if got is None:
                    break
                self.assertEqual((got.kind, got.pid, got.reason), (mqtt.PUBACK, i + 1, 0))
                acked += 1
            sent = i + 1
            self.assertGreater(sent, acked, "the disk never filled")
            store = c["store"]
            self.assertIn("space", store.probe("/healthz")[1])
            # Others do not notice.
            other = mqtt.Client(c.port())
            other.connect("other")
            other.publish("clean", "still", 1)
            self.assertEqual(clean.receive().payload, b"still")
            self.disk.make_room()
            while acked < sent:
                got = pub.recv()
                self.assertEqual(got.kind, mqtt.PUBACK)
                acked += 1
            await_true("the store to be ready again", lambda: store.probe("/readyz")[0] == 200)
            store.kill()
            store.restart().await_ready()
            c["gateway0"].await_ready()
            back = mqtt.Client(c.port())
            self.assertEqual(back.connect("keeper", clean=False, props={"session_expiry": 3600}).session_present, 1)
            got = [back.receive().topic for _ in range(sent)]
            self.assertEqual(got, [f"full/{i}" for i in range(sent)])
            for client in (back, clean, pub, other):
                client.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
