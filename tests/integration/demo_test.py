# SPDX-License-Identifier: Apache-2.0
"""The README's demo with Debian's mosquitto clients: every version and QoS, on one
gateway, across two in both directions, with one core and with two."""

import subprocess
import unittest

from base import ClusterTest, await_true


class Demo:
    PAIRS = ((0, 0),)
    OPTIONS = {"anonymous": False}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.add_user("guest", "guest", ["GUEST"])

    def test_what_is_published_is_printed(self):
        for near, far in self.PAIRS:
            for version in ("mqttv31", "mqttv311", "mqttv5"):
                for qos in "012":
                    with self.subTest(publisher=near, subscriber=far, version=version, qos=qos):
                        self.demo(near, far, version, qos)

    def subscriptions(self, gateway):
        return self.cluster[f"gateway{gateway}"].metric("sluice_gateway_subscriptions")

    def demo(self, near, far, version, qos):
        login = ["-u", "guest", "-P", "guest", "-V", version]
        before = self.subscriptions(far)
        sub = subprocess.Popen(["mosquitto_sub", "-t", "test/c", "-p", str(self.cluster.port(far)), "-i", "test",
                                "-q", qos, "-C", "1", "-W", "60", *login], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
        try:
            await_true("the subscription of mosquitto_sub",
                       lambda: self.subscriptions(far) > before or sub.poll() is not None)
            # It counts before it is known everywhere; the SUBACK of another one to the same topic says that it is.
            with self.client(self.name("-known"), gateway=far, user="guest", password="guest") as known:
                known.subscribe("test/c")
            text = f"Test message from mosquitto tools QoS={qos} {version}"
            pub = subprocess.run(["mosquitto_pub", "-t", "test/c", "-p", str(self.cluster.port(near)), "-i", "test1",
                                  "-m", text, "-q", qos, *login], capture_output=True, text=True, timeout=60)
            self.assertEqual((pub.returncode, pub.stderr), (0, ""))
            out = sub.communicate(timeout=70)[0]
            self.assertEqual((sub.returncode, out), (0, text + "\n"))
            await_true("the subscription is gone", lambda: self.subscriptions(far) <= before)
        finally:
            if sub.poll() is None:
                sub.kill()
                sub.wait()

    def test_a_wrong_password_is_refused(self):
        pub = subprocess.run(["mosquitto_pub", "-t", "test/c", "-p", str(self.cluster.port(0)), "-m", "x", "-q", "1",
                              "-u", "guest", "-P", "wrong", "-V", "mqttv311"], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(pub.returncode, 0)


class OneGateway(Demo, ClusterTest):
    pass


class TwoGatewaysOneCore(Demo, ClusterTest):
    GATEWAYS, PAIRS = 2, ((0, 1), (1, 0))


class TwoGatewaysTwoCores(Demo, ClusterTest):
    GATEWAYS, CORES, PAIRS = 2, 2, ((0, 1), (1, 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
