# SPDX-License-Identifier: Apache-2.0
"""PINGREQ, DISCONNECT, AUTH and how errors end a connection (MQTT 5.0: 3.12 to 3.15,
4.12, 4.13, and their like in 3.1.1)."""

import struct
import unittest

from ends import Ends, mqtt

VERSIONS = (3, 4, 5)
FROM_SERVERS = {0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90} | set(range(0x93, 0xA3))
METHOD = {"auth_method": "SCRAM-SHA-1", "auth_data": b"n,,n=user"}


class Ending:
    OPTIONS = {"per": {"gateway": {"SLUICE_MAX_PACKET_SIZE": 65536, "SLUICE_CONNECT_TIMEOUT": "4s"}}}

    def violations(self, version):
        """name -> (bytes that an open connection does not survive, reasons that 5.0 has for them)"""
        p, v5 = mqtt.packet, version == 5
        props = b"\0" if v5 else b""
        cases = {
            "second CONNECT": (mqtt.connect("x", version=version), (0x82,)),
            "packet type 0": (b"\x00\x00", (0x81, 0x82)),
            "CONNACK": (p(mqtt.CONNACK, b"\0\0" + props), (0x81, 0x82)),
            "SUBACK": (p(mqtt.SUBACK, b"\0\1" + props + b"\0"), (0x82,)),
            "UNSUBACK": (p(mqtt.UNSUBACK, b"\0\1" + props + (b"\0" if v5 else b"")), (0x82,)),
            "PINGRESP": (p(mqtt.PINGRESP), (0x82,)),
            "length that never ends": (b"\x30\xff\xff\xff\xff\xff", (0x81,)),
            "QoS 3": (p(mqtt.PUBLISH, mqtt.text("a") + b"\0\1" + props, 6), (0x81,)),
            "wildcard in a topic": (mqtt.publish("a/#", "x", version=version), (0x90,)),
            "topic cut off": (p(mqtt.PUBLISH, b"\0\x09abc"), (0x81,)),
            "PUBLISH with id 0": (mqtt.publish("a", "x", 1, 0, version=version), (0x81, 0x82)),
            "PUBACK cut off": (p(mqtt.PUBACK, b"\0"), (0x81,)),
            "PUBACK with flags": (p(mqtt.PUBACK, b"\0\1", 1), (0x81,)),
            "PUBREL with flags": (p(mqtt.PUBREL, b"\0\1", 1), (0x81,)),
            "SUBSCRIBE without a filter": (mqtt.subscribe(1, [], version), (0x82,)),
            "SUBSCRIBE with id 0": (mqtt.subscribe(0, [("a", 0)], version), (0x81, 0x82)),
            "UNSUBSCRIBE without a filter": (mqtt.unsubscribe(1, [], version), (0x82,)),
            "PINGREQ with flags": (p(mqtt.PINGREQ, b"", 1), (0x81,)),
            "PINGREQ with a body": (p(mqtt.PINGREQ, b"x"), (0x81, 0x82)),
            "DISCONNECT with flags": (p(mqtt.DISCONNECT, b"", 1), (0x81,)),
            "AUTH": (p(mqtt.AUTH, b"\x18\0" if v5 else b""), (0x82, 0x8C)),
            "too large": (b"\x30" + mqtt.varint(70000), (0x95,)),
        }
        if v5:
            cases.update({
                "length that is too long": (b"\xc0\x80\x00", (0x81,)),
                "property that is unknown": (p(mqtt.PUBLISH, mqtt.text("a") + b"\2\x7f\0"), (0x81,)),
                "property of another packet": (mqtt.publish("a", props={"receive_maximum": 1}), (0x81, 0x82)),
                "property twice": (mqtt.publish("a", props=[("message_expiry", 1)] * 2), (0x82,)),
                "alias 0": (mqtt.publish("a", props={"topic_alias": 0}), (0x94,)),
                "reason for clients only to get": (mqtt.disconnect(0x8E), (0x81, 0x82)),
                "reason that is unknown": (mqtt.disconnect(0x7F), (0x81, 0x82)),
                "PUBACK with an unknown reason": (mqtt.ack(mqtt.PUBACK, 1, 0x42), (0x81, 0x82)),
            })
        return cases

    # ---- what is not MQTT

    def test_a_websocket_handshake_on_the_mqtt_port_is_closed_without_an_answer(self):
        for protocols in ("mqtt", "chat"):
            client = self.raw()
            client.send(b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        b"Sec-WebSocket-Protocol: " + protocols.encode() + b"\r\n\r\n")
            client.expect_closed()
            self.assertEqual(client.parser.buffer, b"")  # not a byte

    # ---- PINGREQ

    def test_pingreq_gets_pingresp(self):
        for version in VERSIONS:
            client = self.client(self.name(str(version)), version)
            for _ in range(3):
                client.send(mqtt.packet(mqtt.PINGREQ))
                got = client.expect(mqtt.PINGRESP)
                self.assertEqual((got.flags, got.body), (0, b""))
            client.send(mqtt.packet(mqtt.PINGREQ) * 50)
            for _ in range(50):
                client.expect(mqtt.PINGRESP)
            client.nothing()

    # ---- DISCONNECT from us

    def test_disconnect_is_never_the_first_word(self):
        head = mqtt.text("MQTT") + b"\x05"
        silent = [self.raw() for _ in range(2)]
        silent[0].send(b"\x10\x20")  # half a packet
        for what, data in {
                "SUBSCRIBE": mqtt.subscribe(1, [("a", 0)]),
                "AUTH": mqtt.packet(mqtt.AUTH, b"\x18\0"), "endless": b"\x10\xff\xff\xff\xff\xff",
                "huge CONNECT": b"\x10" + mqtt.varint(10_000_000), "PUBLISH": mqtt.publish("a", "b"),
                "DISCONNECT": mqtt.disconnect(0x82), "CONNECT with flags": mqtt.packet(mqtt.CONNECT, head + b"\2\0\0\0\0\0", 1),
                "CONNECT with a reserved flag": mqtt.packet(mqtt.CONNECT, head + b"\3\0\0\0\0\0"),
                "CONNECT cut off": mqtt.packet(mqtt.CONNECT, head + b"\2\0"),
                "CONNECT with a method": mqtt.connect("x", props=METHOD),
                "CONNECT twice, the first bad": mqtt.connect("x", props=METHOD) + mqtt.connect("x")}.items():
            with self.subTest(what):
                client = self.raw()
                client.send(data)
                try:
                    got = client.recv()
                except mqtt.Closed:
                    continue
                self.assertEqual(got.kind, mqtt.CONNACK)
                self.assertGreaterEqual(got.reason, 0x80)
                client.expect_closed()
        for client in silent:
            client.expect_closed()

    def test_an_error_closes_the_connection_after_a_disconnect_of_the_standard(self):
        for version in VERSIONS:
            for what, (data, reasons) in self.violations(version).items():
                with self.subTest(what, version=version):
                    client = self.client("v" + str(self.FAR), version)
                    client.send(data)
                    if version == 5:
                        got = client.expect(mqtt.DISCONNECT)
                        self.assertIn(got.reason, reasons)
                        self.assertIn(got.reason, FROM_SERVERS)
                        self.assertLessEqual(set(got.props), {"reason_string"})
                    client.expect_closed()

    def test_disconnect_keeps_to_the_maximum_packet_size_of_the_client(self):
        for what, (data, reasons) in self.violations(5).items():
            with self.subTest(what):
                client = self.client("v" + str(self.FAR), props={"maximum_packet_size": 20})
                client.send(data)
                got = client.expect(mqtt.DISCONNECT)
                self.assertIn(got.reason, reasons)
                self.assertEqual(got.props, {})  # no room for its reason string, which others get
                self.assertLessEqual(2 + len(got.body), 20)
                client.expect_closed()
        client = self.client("v" + str(self.FAR))
        client.send(b"\x00\x00")
        self.assertIn("reason_string", client.expect(mqtt.DISCONNECT).props)

    def test_nothing_follows_our_disconnect(self):
        topic = self.name()
        watcher = self.watcher(topic, 1)
        for what, (data, _) in self.violations(5).items():
            if what in ("too large", "length that never ends", "topic cut off"):
                continue  # what follows these is no packet of its own
            with self.subTest(what):
                client = self.client("v" + str(self.FAR))
                client.subscribe((topic, 1))
                client.send(data + mqtt.publish(topic, "late", 1, 1) + mqtt.packet(mqtt.PINGREQ))
                client.expect(mqtt.DISCONNECT)
                client.expect_closed()
        self.quiet(watcher)

    def test_a_taken_over_connection_gets_disconnect_and_is_closed(self):
        first = self.client(self.name())
        self.far(self.name())
        got = first.expect(mqtt.DISCONNECT)
        self.assertEqual((got.reason, set(got.props) - {"reason_string"}), (0x8E, set()))
        first.expect_closed()

    # ---- DISCONNECT from clients

    def test_disconnect_with_other_flags_is_malformed(self):
        topic = self.name()
        for version in VERSIONS:
            for flags in (1, 2, 4, 8, 15):
                with self.subTest(version=version, flags=flags):
                    watcher = self.watcher(topic, 1)
                    client = self.client(self.name(), version, will={"topic": topic, "payload": "gone", "qos": 1})
                    self.fails(mqtt.packet(mqtt.DISCONNECT, b"", flags), 0x81, version, client)
                    self.assertEqual(watcher.receive().payload, b"gone")  # it was no DISCONNECT
                    watcher.close()

    def test_disconnect_is_answered_by_closing_only(self):
        for version in VERSIONS:
            client = self.client(self.name(str(version)), version)
            client.send(mqtt.disconnect(version=version))
            client.expect_closed()
        for reason in (0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99):
            with self.subTest(reason=reason):
                client = self.client(self.name())
                client.send(mqtt.disconnect(reason))
                client.expect_closed()

    def test_what_follows_a_disconnect_is_not_processed(self):
        topic = self.name()
        watcher = self.watcher(topic, 1)
        for version in VERSIONS:
            client = self.client(self.name("c"), version)
            client.send(mqtt.disconnect(version=version) + mqtt.publish(topic, "late", 1, 1, version=version))
            client.expect_closed()
        self.quiet(watcher)

    def test_a_normal_disconnect_discards_the_will_and_others_do_not(self):
        topic = self.name()
        watcher = self.watcher(topic, 1)
        will = {"topic": topic, "payload": "gone", "qos": 1}
        for version in VERSIONS:
            client = self.client(self.name("c"), version, will=will)
            self.leave(client)
            self.quiet(watcher)
        self.leave(self.client(self.name("c"), will=will), 0x00)
        delayed = dict(will, props={"will_delay": 1})
        self.leave(self.client(self.name("c"), will=delayed, props={"session_expiry": 60}), 0x00, {"session_expiry": 0})
        self.quiet(watcher)
        for reason in (0x04, 0x80, 0x98):
            self.leave(self.client(self.name("c"), will=will), reason)
            self.assertEqual(watcher.receive().payload, b"gone")
        self.quiet(watcher)

    def test_a_session_expiry_of_0_cannot_be_raised_at_the_end(self):
        client = self.client(self.name())
        self.fails(mqtt.disconnect(0, props={"session_expiry": 5}), 0x82, client=client)

    # ---- AUTH

    def test_auth_with_flags_is_malformed(self):
        for flags in (1, 2, 8, 15):
            with self.subTest(flags=flags):
                self.fails(mqtt.packet(mqtt.AUTH, b"\x18" + mqtt.properties(METHOD), flags), 0x81)

    def test_a_connect_with_a_method_is_refused_and_closed_without_auth(self):
        for props in (METHOD, {"auth_method": ""}, {"auth_method": "PLAIN"}):
            with self.subTest(props=props):
                client = self.refused(mqtt.connect(self.name(), props=props), 0x8C)
                self.assertEqual(client.packets, [])

    def test_a_refused_method_leaves_no_session(self):
        self.refused(mqtt.connect(self.name(), clean=False, props=dict(METHOD, session_expiry=60)), 0x8C)
        self.assertFalse(self.is_session(self.name()))

    def test_data_without_a_method_is_a_protocol_error(self):
        self.refused(mqtt.connect(self.name(), props={"auth_data": b"x"}), 0x82)

    def test_without_a_method_there_is_no_auth_and_none_in_connack(self):
        for options in ({}, {"user": "u"}, {"user": "u", "password": "p"}):
            client = self.raw()
            client.send(mqtt.connect(self.name(), **options))
            got = client.expect(mqtt.CONNACK)
            self.assertEqual(set(got.props) & {"auth_method", "auth_data"}, set())

    def test_auth_from_a_client_without_a_method_ends_the_connection(self):
        for reason in (0x00, 0x18, 0x19):
            for props in ({}, METHOD):
                with self.subTest(reason=reason, props=props):
                    client = self.client(self.name())
                    client.send(mqtt.packet(mqtt.AUTH, bytes([reason]) + mqtt.properties(props)))
                    self.assertIn(client.expect(mqtt.DISCONNECT).reason, (0x81, 0x82, 0x8C))
                    client.expect_closed()

    def timeouts(self):
        return self.cluster["gateway0"].metrics()['sluice_gateway_connections_refused_total{reason="connect_timeout"}']

    def test_a_connack_that_refuses_is_followed_by_closing(self):
        before = self.timeouts()
        for version, data, reason in ((5, mqtt.connect("x", level=9), 0x84), (4, mqtt.connect("", version=4, clean=False), 2),
                                      (3, mqtt.connect("", version=3), 2), (4, mqtt.connect("x", version=4, level=7), None),
                                      (5, mqtt.packet(mqtt.CONNECT, mqtt.text("MQTT") + b"\5\1" + struct.pack(">H", 0)), 0x81)):
            for behind in (b"", mqtt.packet(mqtt.PINGREQ)):
                with self.subTest(version=version, data=data, behind=behind):
                    client = self.raw(version)
                    client.send(data + behind)
                    got = client.expect(mqtt.CONNACK)
                    self.assertEqual(got.session_present, 0)
                    if reason is None:
                        self.assertNotEqual(got.reason, 0)
                    else:
                        self.assertEqual(got.reason, reason)
                    client.expect_closed()
        self.assertEqual(self.timeouts(), before)  # it was not the clock that closed them


class OneGateway(Ending, Ends):
    OPTIONS = Ending.OPTIONS


class TwoGateways(Ending, Ends):
    OPTIONS = Ending.OPTIONS
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
