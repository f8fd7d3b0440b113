# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0, chapters 1 and 2: strings, integers of variable length, flags, packet ids."""

import struct
import unittest

from ends import ILL_FORMED, KINDS, Ends, mqtt

HEAD = mqtt.text("MQTT") + b"\x05"


def connect(flags=2, props=b"\0", *fields):
    return mqtt.packet(mqtt.CONNECT, HEAD + bytes([flags]) + b"\0\x3c" + props + b"".join(fields))


class Formats:
    def strings_of_connect(self, bad):
        """name -> CONNECT with these bytes where a string belongs"""
        t = mqtt.text
        return {
            "client id": mqtt.connect(bad), "user name": mqtt.connect("x", user=bad),
            "will topic": mqtt.connect("x", will={"topic": bad, "payload": "p"}),
            "will response topic": mqtt.connect("x", will={"topic": "t", "payload": "p", "props": {"response_topic": bad}}),
            "will content type": mqtt.connect("x", will={"topic": "t", "payload": "p", "props": {"content_type": bad}}),
            "will user property": mqtt.connect("x", will={"topic": "t", "payload": "p",
                                                          "props": {"user_property": (bad, "v")}}),
            "user property name": mqtt.connect("x", props={"user_property": (bad, "v")}),
            "user property value": mqtt.connect("x", props={"user_property": ("n", bad)}),
            "authentication method": mqtt.connect("x", props={"auth_method": bad}),
            "protocol name": mqtt.packet(mqtt.CONNECT, t(bad) + b"\x05\x02\0\0\0" + t("x")),
        }

    def strings_after_connect(self, bad):
        return {
            "topic": mqtt.publish(bad, "p"), "topic, QoS 2": mqtt.publish(bad, "p", 2, 1),
            "response topic": mqtt.publish("t", "p", props={"response_topic": bad}),
            "content type": mqtt.publish("t", "p", props={"content_type": bad}),
            "user property name": mqtt.publish("t", "p", props={"user_property": (bad, "v")}),
            "user property value": mqtt.publish("t", "p", props={"user_property": ("n", bad)}),
            "filter": mqtt.subscribe(1, [(bad, 0)]), "second filter": mqtt.subscribe(1, [("ok", 0), (bad, 0)]),
            "filter to unsubscribe": mqtt.unsubscribe(1, [bad]),
            "user property of SUBSCRIBE": mqtt.subscribe(1, [("t", 0)], props={"user_property": ("n", bad)}),
            "user property of UNSUBSCRIBE": mqtt.unsubscribe(1, ["t"], props={"user_property": (bad, "v")}),
            "reason string of PUBACK": mqtt.ack(mqtt.PUBACK, 1, 0, props={"reason_string": bad}),
            "reason string of DISCONNECT": mqtt.disconnect(0, props={"reason_string": bad}),
        }

    def test_an_ill_formed_string_is_refused_in_connect(self):
        for why, bad in ILL_FORMED.items():
            for where, data in self.strings_of_connect(bad).items():
                with self.subTest(bad=why, where=where):
                    if where == "protocol name":
                        self.refused(data, 0x84)
                    else:
                        self.refused(data)

    def test_an_ill_formed_string_ends_the_connection(self):
        for why, bad in ILL_FORMED.items():
            for where, data in self.strings_after_connect(bad).items():
                with self.subTest(bad=why, where=where):
                    self.fails(data)

    def test_a_zero_width_no_break_space_is_kept(self):
        mark = "\ufeff"
        topic = mark + self.name() + mark
        sub = self.far(self.name("s"))
        sub.subscribe((topic, 0))
        other = self.far(self.name("o"))
        other.subscribe((self.name(), 0), (self.name() + mark, 0))
        pub = self.client(mark)
        pub.publish(topic, "x", 0, props={"user_property": (mark + "n", "v" + mark), "content_type": mark})
        got = sub.receive()
        self.assertEqual((got.topic, got.user_properties, got.props["content_type"]),
                         (topic, [(mark + "n", "v" + mark)], mark))
        other.nothing()
        self.client("")  # another id than one of a mark alone: no take-over
        pub.nothing()

    def test_lengths_are_encoded_in_the_fewest_bytes(self):
        sub = self.far(self.name("s"))
        sub.subscribe(self.name())
        pub = self.client(self.name("p"))
        fixed = 2 + len(self.name()) + 1
        for length in (127, 128, 16383, 16384):
            pub.publish(self.name(), bytes(length - fixed))
            raw = b""
            want = 1 + len(mqtt.varint(length)) + length
            while len(raw) < want:
                raw += sub.socket.recv(want - len(raw))
            self.assertEqual(raw[:1 + len(mqtt.varint(length))], b"\x30" + mqtt.varint(length))
            sub.nothing()

    def test_a_length_in_more_bytes_than_needed_is_malformed(self):
        self.fails(b"\xc0\x80\x00")
        self.fails(mqtt.packet(mqtt.PUBLISH, mqtt.text("t") + b"\x80\x00"))
        self.fails(mqtt.packet(mqtt.SUBSCRIBE, b"\0\1\x80\x00" + mqtt.text("t") + b"\0", 2))
        self.fails(mqtt.packet(mqtt.SUBSCRIBE, b"\0\1\x03\x0b\x81\x00" + mqtt.text("t") + b"\0", 2))
        self.refused(connect(2, b"\x80\x00", mqtt.text("x")))

    def test_reserved_flags_must_have_their_value(self):
        good = {  # what would be taken if its flags were right
            mqtt.PUBACK: b"\0\1", mqtt.PUBREC: b"\0\1", mqtt.PUBREL: b"\0\1", mqtt.PUBCOMP: b"\0\1",
            mqtt.SUBSCRIBE: b"\0\1\0" + mqtt.text("t") + b"\0", mqtt.UNSUBSCRIBE: b"\0\1\0" + mqtt.text("t"),
            mqtt.PINGREQ: b"", mqtt.DISCONNECT: b"",
        }
        for kind, body in good.items():
            right = 2 if kind in (mqtt.PUBREL, mqtt.SUBSCRIBE, mqtt.UNSUBSCRIBE) else 0
            for flags in {0, 1, 2, 4, 8, 15} - {right}:
                with self.subTest(kind=mqtt.NAMES[kind], flags=flags):
                    self.fails(mqtt.packet(kind, body, flags))
        plain = mqtt.connect("x")
        for flags in (1, 2, 4, 8):
            self.refused(bytes([plain[0] | flags]) + plain[1:], None)  # in silence: what follows is not believed

    def test_our_own_flags_have_their_value(self):
        client = self.client(self.name())
        client.send(mqtt.subscribe(1, [(self.name(), 2)]) + mqtt.publish("other", "", 1, 2) +
                    mqtt.packet(mqtt.PINGREQ) + mqtt.unsubscribe(3, ["none"]) + mqtt.publish(self.name(), "x", 2, 4))
        flags = {mqtt.CONNACK: client.connack.flags}
        while len(flags) < 8:
            got = client.recv()
            if got.kind != mqtt.PUBLISH:
                flags[got.kind] = got.flags
            if got.kind == mqtt.PUBLISH:
                client.send(mqtt.ack(mqtt.PUBREC, got.pid))
            elif got.kind == mqtt.PUBREC:
                client.send(mqtt.ack(mqtt.PUBREL, got.pid))
            elif got.kind == mqtt.PUBREL:
                client.send(mqtt.ack(mqtt.PUBCOMP, got.pid))
        client.send(mqtt.packet(0))
        flags[mqtt.DISCONNECT] = client.expect(mqtt.DISCONNECT).flags
        self.assertEqual({k: f for k, f in flags.items() if f}, {mqtt.PUBREL: 2})

    def test_a_qos0_publish_has_no_packet_id(self):
        sub = self.watcher(self.name())
        pub = self.client(self.name("p"))
        pub.publish(self.name(), b"\0\7payload", 0)  # the first bytes look like an id and are none
        got = sub.receive()
        self.assertEqual(got.body, mqtt.text(self.name()) + b"\0" + b"\0\7payload")

    def test_packet_id_zero_is_refused(self):
        for data in (mqtt.subscribe(0, [("t", 0)]), mqtt.unsubscribe(0, ["t"]), mqtt.publish("t", "", 1, 0),
                     mqtt.publish("t", "", 2, 0), mqtt.ack(mqtt.PUBREL, 0)):
            with self.subTest(data=data):
                self.fails(data, 0x82)

    def test_our_packet_ids_are_not_zero_and_not_in_use(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                topic = f"{self.name()}/{kind}"
                sub = self.of_kind(kind, topic, props={"receive_maximum": 100})
                sub.subscribe((topic, 2))
                pub = self.client(topic + "p")
                in_use, seen = set(), 0
                for i in range(300):
                    pub.send(mqtt.publish(topic, b"", 1 + i % 2, i + 1))
                while seen < 300:
                    got = sub.recv()
                    if got.kind == mqtt.PUBLISH:
                        self.assertNotEqual(got.pid, 0)
                        self.assertNotIn(got.pid, in_use)
                        in_use.add(got.pid)
                        seen += 1
                        if seen > 50:  # the first 50 stay in use
                            sub.send(mqtt.ack(mqtt.PUBACK if got.qos == 1 else mqtt.PUBREC, got.pid))
                            if got.qos == 1:
                                in_use.remove(got.pid)
                    elif got.kind == mqtt.PUBREL:
                        sub.send(mqtt.ack(mqtt.PUBCOMP, got.pid))
                        in_use.remove(got.pid)
                self.assertGreaterEqual(len(in_use), 50)

    def test_a_packet_id_in_use_is_not_used_again_when_the_ids_come_round(self):
        """The first message stays unacknowledged while 65,600 follow it. A session in memory leaves its
        id out; one in the store, whose ids are fixed by the order, waits until it is acknowledged."""
        window = 400
        for kind in KINDS:
            with self.subTest(kind=kind):
                topic = f"{self.name()}/{kind}"
                sub = self.of_kind(kind, topic)
                sub.subscribe((topic, 1))
                pub = self.client(topic + "p")
                pub.publish(topic, "held", 1)
                held, got = sub.expect(mqtt.PUBLISH).pid, 0
                for _ in range(65600 // window):
                    pub.send(b"".join(mqtt.publish(topic, b"", 1, i + 1) for i in range(window)))
                    goal = got + window
                    while got < goal:
                        try:
                            acks = [sub.expect(mqtt.PUBLISH, 1).pid]
                        except TimeoutError:
                            self.assertEqual((kind, got), ("persistent", 65534))
                            sub.send(mqtt.ack(mqtt.PUBACK, held))
                            held = None
                            continue
                        while sub.packets:
                            acks.append(sub.expect(mqtt.PUBLISH).pid)
                        self.assertNotIn(held, acks)
                        got += len(acks)
                        sub.send(b"".join(struct.pack(">BBH", 0x40, 2, pid) for pid in acks))
                    for _ in range(window):
                        pub.expect(mqtt.PUBACK)
                self.assertEqual(held is None, kind == "persistent")

    def test_acknowledgements_carry_the_packet_id_of_their_publish(self):
        client = self.client(self.name())
        for pid in (1, 0x1234, 0xFFFF):
            client.send(mqtt.publish(self.name(), "", 1, pid))
            self.assertEqual(client.expect(mqtt.PUBACK).pid, pid)
            client.send(mqtt.publish(self.name(), "", 2, pid))
            self.assertEqual(client.expect(mqtt.PUBREC).pid, pid)
            client.send(mqtt.ack(mqtt.PUBREL, pid))
            self.assertEqual(client.expect(mqtt.PUBCOMP).pid, pid)
        sub = self.watcher(self.name())
        client.send(mqtt.publish(self.name(), "", 2, 9))
        got = sub.expect(mqtt.PUBLISH)
        sub.send(mqtt.ack(mqtt.PUBREC, got.pid))
        self.assertEqual(sub.expect(mqtt.PUBREL).pid, got.pid)

    def test_suback_and_unsuback_carry_the_packet_id_of_their_request(self):
        client = self.client(self.name())
        for pid in (1, 0x1234, 0xFFFF):
            client.send(mqtt.subscribe(pid, [("t", 0)]))
            self.assertEqual(client.expect(mqtt.SUBACK).pid, pid)
            client.send(mqtt.unsubscribe(pid, ["t"]))
            self.assertEqual(client.expect(mqtt.UNSUBACK).pid, pid)

    def test_no_properties_are_a_length_of_zero(self):
        sub = self.far(self.name("s"))
        sub.send(mqtt.subscribe(1, [(self.name(), 0)]))
        self.assertEqual(sub.expect(mqtt.SUBACK).body, b"\0\1\0\0")
        self.client(self.name("p")).publish(self.name(), "x")
        self.assertEqual(sub.receive().body, mqtt.text(self.name()) + b"\0x")
        sub.send(mqtt.unsubscribe(2, [self.name()]))
        self.assertEqual(sub.expect(mqtt.UNSUBACK).body, b"\0\2\0\0")

    def test_a_missing_property_length_is_malformed(self):
        self.fails(mqtt.packet(mqtt.PUBLISH, mqtt.text("t")))
        self.fails(mqtt.packet(mqtt.SUBSCRIBE, b"\0\1", 2))
        self.refused(mqtt.packet(mqtt.CONNECT, HEAD + b"\x02\0\0"))


class OneGateway(Formats, Ends):
    pass


class TwoGateways(Formats, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
