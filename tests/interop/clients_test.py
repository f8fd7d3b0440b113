# SPDX-License-Identifier: Apache-2.0
"""The scenarios with the client libraries that Debian has, and mosquitto_pub and _sub."""

import os
import subprocess
import sys

from driver import TOP, Driver
from scenarios import InteropTest, everybody, run_all, stop_cluster, tests_of

HERE = os.path.join(TOP, "tests", "interop")
BUILT = os.path.join(TOP, "build", "release", "interop")

DRIVERS = [
    Driver("mosquitto", [os.path.join(BUILT, "mosquitto")]),
    # Its waits are of 100 ms steps.
    Driver("paho_sync", [os.path.join(BUILT, "paho_sync")], burst=8, places=("far",)),
    Driver("paho_async", [os.path.join(BUILT, "paho_async")]),
    Driver("paho_python", ["/usr/bin/python3", os.path.join(HERE, "paho_python.py")]),  # Debian's own, with its modules
    Driver("mqttjs", ["node", os.path.join(HERE, "node", "mqttjs.js")], {"NODE_PATH": "/usr/share/nodejs"}),
]
tests_of(DRIVERS, globals())
Everybody = everybody(DRIVERS)
tearDownModule = stop_cluster


class Tools(InteropTest):
    """mosquitto_sub and mosquitto_pub, as in the README."""

    DRIVER = DRIVERS[0]

    def test_sub_hears_pub(self):
        for version, qos in (("mqttv31", 1), ("mqttv311", 2), ("mqttv5", 2)):
            with self.subTest(version=version, qos=qos):
                topic = self.name(f"/{version}")
                common = ["-t", topic, "-V", version, "-q", str(qos), "-h", "127.0.0.1"]
                # Retained, so that it does not matter who comes first.
                subprocess.run(["mosquitto_pub", *common, "-p", str(self.cluster.port(0)), "-i", self.name("p"), "-r",
                                "-m", f"Test message {version}"], check=True, timeout=70)
                done = subprocess.run(["mosquitto_sub", *common, "-p", str(self.cluster.port(1)), "-i", self.name("s"),
                                       "-C", "1", "-W", "60", "-F", "%t|%q|%r|%p"], check=True, timeout=70,
                                      stdout=subprocess.PIPE)
                self.assertEqual(done.stdout.decode(), f"{topic}|{qos}|1|Test message {version}\n")

    def test_request_and_response(self):
        """mosquitto_rr asks with a response topic and correlation data; a client of ours answers."""
        server = self.near("w", version=5)
        server.subscribe(self.name("/ask"), 1)
        with subprocess.Popen(["mosquitto_rr", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(self.cluster.port(1)), "-q",
                               "1", "-t", self.name("/ask"), "-e", self.name("/answer"), "-m", "how much?", "-W", "60"],
                              stdout=subprocess.PIPE) as asker:
            question = server.message()
            self.assertEqual(question.payload, b"how much?")
            server.publish(question.extras["response"], "42", 1)
            self.assertEqual(asker.communicate(timeout=70)[0], b"42\n")


if __name__ == "__main__":
    run_all(sys.modules[__name__])
