# SPDX-License-Identifier: Apache-2.0
"""The scenarios with client libraries from the registries of their languages, built by all.sh.
Not part of `make test`: they need compilers of four languages and a network."""

import os
import sys

from driver import TOP, Driver
from scenarios import everybody, run_all, stop_cluster, tests_of

HERE = os.path.join(TOP, "tests", "interop")
BUILT = os.path.join(TOP, "build", "interop")

DRIVERS = [
    Driver("paho_python2", [os.path.join(BUILT, "python", "bin", "python3"), os.path.join(HERE, "paho_python.py")]),
    Driver("mqttjs5", ["node", os.path.join(HERE, "node", "mqttjs.js")],
           {"NODE_PATH": os.path.join(BUILT, "node", "node_modules")}),
    Driver("go", [os.path.join(BUILT, "go", "client")]),
    Driver("hivemq", ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                      f"{BUILT}/java/client.jar:{BUILT}/java/libraries/*", "Client"]),
    Driver("rumqttc", [os.path.join(BUILT, "rust", "release", "client")]),
]
tests_of(DRIVERS, globals())
Everybody = everybody(DRIVERS)
tearDownModule = stop_cluster

if __name__ == "__main__":
    run_all(sys.modules[__name__])
