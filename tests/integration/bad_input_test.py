# SPDX-License-Identifier: Apache-2.0
"""Wrong input at the edge: the standard's answer, a closed connection, a counter,
and nothing else: the neighbours never notice."""

import os
import random
import socket
import unittest

from base import ClusterTest, mqtt, await_true

C5 = mqtt.connect("bad", version=5)
C4 = mqtt.connect("bad4", version=4)


class BadInput(ClusterTest):
    OPTIONS = {"per": {"gateway": {"SLUICE_MAX_PACKET_SIZE": 65536, "SLUICE_CONNECT_TIMEOUT": "3s"}}}

    def setUp(self):
        super().setUp()
        self.neighbour = self.client(self.name("-neighbour"))
        self.neighbour.subscribe((self.name("-n"), 1))

    def tearDown(self):
        self.neighbour.publish(self.name("-n"), "still here", 0)
        self.assertEqual(self.neighbour.receive().payload, b"still here")
        super().tearDown()

    def test_before_connect_everything_else_closes_without_an_answer(self):
        for data in (mqtt.publish("a", "b"), mqtt.subscribe(1, [("a", 0)]), mqtt.packet(mqtt.PINGREQ),
                     mqtt.disconnect(), b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00", b"\xff\xff\xff\xff\xff\xff"):
            with self.subTest(data=data):
                client = self.raw()
                client.send(data)
                client.expect_closed()

    def test_connect_with_a_bad_protocol(self):
        for version, data, reason in ((4, mqtt.connect("x", version=4, level=6), 1), (4, mqtt.connect("x", version=4, level=0), 1),
                                      (4, mqtt.connect("x", version=3, level=9), 1)):
            with self.subTest(data=data):
                client = self.raw(version)
                client.send(data)
                got = client.expect(mqtt.CONNACK)
                self.assertIn(got.reason, (reason, 0x84))
                client.expect_closed()
        # Another protocol name may be closed in silence; we say "unacceptable version" first.
        client = self.raw(4)
        client.send(mqtt.connect("x", version=4, name="MQTX"))
        self.assertEqual(client.expect(mqtt.CONNACK).reason, 1)
        client.expect_closed()

    def test_malformed_packets_after_connect_get_their_reason_and_are_closed(self):
        pub = mqtt.publish("a", "b", 1, 1)
        cases = {  # name: (bytes, reasons allowed)
            "second CONNECT": (C5, (0x82,)),
            "reserved packet type 0": (b"\x00\x00", (0x81, 0x82)),
            "QoS 3": (mqtt.packet(mqtt.PUBLISH, mqtt.text("a") + b"\0\1\0x", 6), (0x81,)),
            "packet id 0": (mqtt.publish("a", "b", 1, 0), (0x81, 0x82)),
            "empty topic without alias": (mqtt.publish("", "b"), (0x82,)),
            "wildcard topic": (mqtt.publish("a/+", "b"), (0x90,)),
            "invalid UTF-8 topic": (mqtt.publish(b"a\xff", "b"), (0x81,)),
            "NUL in topic": (mqtt.publish(b"a\0b", "b"), (0x81,)),
            "surrogate in topic": (mqtt.publish(b"a\xed\xa0\x80", "b"), (0x81,)),
            "alias 0": (mqtt.publish("a", "b", props={"topic_alias": 0}), (0x94,)),
            "alias too high": (mqtt.publish("a", "b", props={"topic_alias": 65535}), (0x94,)),
            "property not allowed": (mqtt.publish("a", "b", props={"session_expiry": 1}), (0x81, 0x82)),
            "property twice": (mqtt.publish("a", "b", props=[("payload_format", 1)] * 2), (0x82,)),
            "subscription id from a client": (mqtt.publish("a", "b", props={"subscription_id": 1}), (0x81, 0x82)),
            "SUBSCRIBE without filters": (mqtt.subscribe(1, []), (0x82,)),
            "SUBSCRIBE flags": (mqtt.packet(mqtt.SUBSCRIBE, b"\0\1\0\0\1a\0", 0), (0x81,)),
            "SUBSCRIBE reserved bits": (mqtt.subscribe(1, [("a", 0xC0)]), (0x81, 0x82)),
            "SUBSCRIBE QoS 3": (mqtt.subscribe(1, [("a", 3)]), (0x81, 0x82)),
            "SUBSCRIBE subscription id 0": (mqtt.subscribe(1, [("a", 0)], props={"subscription_id": 0}), (0x81, 0x82)),
            "UNSUBSCRIBE without filters": (mqtt.unsubscribe(1, []), (0x82,)),
            "PUBREL flags": (mqtt.packet(mqtt.PUBREL, b"\0\1", 0), (0x81,)),
            "SUBACK from a client": (mqtt.packet(mqtt.SUBACK, b"\0\1\0\0"), (0x82, 0x81)),
            "AUTH without method": (mqtt.packet(mqtt.AUTH, b""), (0x82, 0x8C)),
            "too large": (b"\x30" + mqtt.varint(70000), (0x95,)),
            "endless length": (b"\x30\xff\xff\xff\xff\xff", (0x81,)),
            "length not minimal": (b"\xc0\x80\x00", (0x81,)),
            "PINGREQ with a body": (mqtt.packet(mqtt.PINGREQ, b"x"), (0x81, 0x82)),
            "PUBLISH cut inside": (mqtt.packet(mqtt.PUBLISH, b"\0\x0aabc"), (0x81,)),
            "expiry raised from 0": (mqtt.disconnect(0, props={"session_expiry": 5}), (0x82,)),
        }
        self.assertEqual(pub[0] >> 4, mqtt.PUBLISH)
        for name, (data, reasons) in cases.items():
            with self.subTest(name):
                client = self.client(self.name(str(len(name)) + name.replace(" ", "")))
                client.send(data)
                got = client.expect(mqtt.DISCONNECT)
                self.assertIn(got.reason, reasons)
                client.expect_closed()

    def test_malformed_packets_close_old_clients_without_a_word(self):
        for data in (C4, mqtt.packet(mqtt.PUBLISH, mqtt.text("a") + b"\0\1x", 6), mqtt.publish("a/#", "b", version=4),
                     mqtt.publish("", "b", version=4), mqtt.subscribe(1, [], 4), mqtt.subscribe(1, [("a", 3)], 4),
                     mqtt.subscribe(0, [("a", 0)], 4), b"\x30\xff\xff\xff\xff\xff", b"\x30" + mqtt.varint(70000),
                     mqtt.packet(mqtt.AUTH, b"")):
            with self.subTest(data=data[:20]):
                client = self.client(self.name(), version=4)
                client.send(data)
                client.expect_closed()

    def test_malformed_connects(self):
        will = mqtt.text("w") + mqtt.text("m")
        head = mqtt.text("MQTT") + b"\x04"
        for name, body in {"reserved flag": head + b"\x03\0\0" + mqtt.text("r"),
                           "will QoS 3": head + b"\x1e\0\0" + mqtt.text("r") + will,
                           "will QoS without will": head + b"\x0a\0\0" + mqtt.text("r"),
                           "will retain without will": head + b"\x22\0\0" + mqtt.text("r"),
                           "password without user": head + b"\x42\0\0" + mqtt.text("r") + mqtt.text("p"),
                           "trailing bytes": head + b"\x02\0\0" + mqtt.text("r") + b"xx",
                           "cut": head + b"\x02\0\0\0\x05ab",
                           "bad UTF-8 client id": head + b"\x02\0\0" + mqtt.text(b"\xc0\x80")}.items():
            with self.subTest(name):
                client = self.raw(4)
                client.send(mqtt.packet(mqtt.CONNECT, body))
                client.expect_closed()
        client = self.raw(4)
        client.send(mqtt.connect("", version=4, clean=False))
        self.assertEqual(client.expect(mqtt.CONNACK).reason, 2)
        client.expect_closed()

    def test_half_a_packet_and_silence_is_closed_in_time(self):
        clients = [self.raw() for _ in range(3)]
        for client, data in zip(clients, (b"", b"\x10", C5[:10])):
            client.send(data)
        for client in clients:
            client.expect_closed()

    def test_bytes_may_be_split_anywhere(self):
        data = (mqtt.connect(self.name()) + mqtt.subscribe(1, [(self.name(), 1)]) +
                mqtt.publish(self.name(), "split", 1, 2) + mqtt.packet(mqtt.PINGREQ))
        client = self.raw()
        for byte in data:
            client.send(bytes([byte]))
        kinds = sorted(client.recv().kind for _ in range(5))
        self.assertEqual(kinds, sorted([mqtt.CONNACK, mqtt.SUBACK, mqtt.PUBLISH, mqtt.PUBACK, mqtt.PINGRESP]))

    def test_random_bytes_never_hurt(self):
        seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
        rng = random.Random(seed)
        print("seed", seed)
        for i in range(200):
            data = rng.randbytes(rng.randrange(1, 300))
            if i % 2:
                data = mqtt.connect(f"r{i}", version=rng.choice((4, 5))) + data
            with socket.create_connection(("127.0.0.1", self.cluster.port())) as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    s.settimeout(40)
                    while s.recv(65536):
                        pass
                except ConnectionError:
                    pass

    def test_a_closed_connection_is_counted(self):
        gateway = self.cluster["gateway0"]
        before = gateway.metric("sluice_gateway_connections_failed_total")
        client = self.client(self.name())
        client.send(b"\x30\xff\xff\xff\xff\xff")
        client.expect(mqtt.DISCONNECT)
        await_true("a counter of violations rises",
                   lambda: gateway.metric("sluice_gateway_connections_failed_total") > before)


class Passwords(ClusterTest):
    OPTIONS = {"anonymous": False}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.add_user("guest", "guest")

    def test_the_right_password_opens(self):
        for version in (3, 4, 5):
            self.client(self.name(str(version)), version, user="guest", password="guest")

    def test_a_wrong_password_an_unknown_user_and_no_user_are_refused(self):
        for version, bad, none in ((3, 4, 5), (4, 4, 5), (5, 0x86, 0x87)):
            for options, reasons in (({"user": "guest", "password": "wrong"}, (bad, none)),
                                     ({"user": "nobody", "password": "guest"}, (bad, none)),
                                     ({"user": "guest"}, (bad, none)), ({}, (bad, none))):
                with self.subTest(version=version, options=options):
                    client = self.raw(version)
                    client.send(mqtt.connect(self.name(), version=version, **options))
                    self.assertIn(client.expect(mqtt.CONNACK).reason, reasons)
                    client.expect_closed()

    def test_a_deleted_user_cannot_come_back(self):
        self.cluster.add_user("leaver", "pw")
        self.client(self.name("1"), user="leaver", password="pw")
        self.assertEqual(self.cluster.rest("DELETE", "/rest/user/leaver")[0], 200)

        def is_refused():  # once the gateway, which remembers who signed in, has heard it
            with mqtt.Client(self.cluster.port()) as client:
                client.send(mqtt.connect(self.name("2"), user="leaver", password="pw"))
                return client.expect(mqtt.CONNACK).reason in (0x86, 0x87)
        await_true("the user is unknown", is_refused)


if __name__ == "__main__":
    unittest.main(verbosity=2)
