# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0, section 3.1: CONNECT, its limits and what it does to the session. Wills
have a file of their own."""

import time
import unittest

from ends import KINDS, Ends, mqtt

NAME5 = mqtt.text("MQTT") + b"\x05"


def raw_connect(flags, *fields, head=NAME5, props=b"\0"):
    return mqtt.packet(mqtt.CONNECT, head + bytes([flags]) + b"\0\x3c" + props + b"".join(fields))


class Connect:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.add_user("user", "pass")

    # ---- the packet

    def test_the_first_packet_must_be_connect(self):
        for data in (mqtt.publish("a", "b"), mqtt.publish("a", "b", 1, 1), mqtt.ack(mqtt.PUBACK, 1), mqtt.ack(mqtt.PUBREL, 1),
                     mqtt.subscribe(1, [("a", 0)]), mqtt.unsubscribe(1, ["a"]), mqtt.packet(mqtt.PINGREQ), mqtt.disconnect(),
                     mqtt.packet(mqtt.AUTH), mqtt.packet(mqtt.CONNACK, b"\0\0\0"), mqtt.packet(0)):
            with self.subTest(data=data):
                self.refused(data + mqtt.connect(self.name()), None)

    def test_a_second_connect_is_a_protocol_error(self):
        self.fails(mqtt.connect(self.name()), 0x82, client=self.client(self.name()))
        self.fails(mqtt.connect(self.name("other")), 0x82)
        client = self.raw()
        client.send(mqtt.connect(self.name()) * 2)
        self.assertEqual(client.expect(mqtt.CONNACK).reason, 0)
        self.assertEqual(client.expect(mqtt.DISCONNECT).reason, 0x82)
        client.expect_closed()

    def test_another_protocol_name_or_level_is_an_unsupported_version(self):
        for name in ("MQTX", "mqtt", "MQT", "MQTTT", ""):
            self.refused(mqtt.connect("x", name=name), 0x84)
        self.refused(mqtt.connect("x", name="MQIsdp"), 1, version=4)
        for level in (6, 7, 127):
            self.refused(mqtt.connect("x", level=level), 0x84)
        for level in (0, 1, 2, 3):  # answered as a client of that age can read it
            self.refused(mqtt.connect("x", version=4, level=level), 1, version=4)

    def test_the_reserved_flag_must_be_0(self):
        for flags in (1, 3):
            self.refused(raw_connect(flags, mqtt.text("x")))

    def test_a_malformed_connect_closes_the_connection(self):
        t = mqtt.text
        for name, data in {
            "nothing": mqtt.packet(mqtt.CONNECT, b""), "name only": mqtt.packet(mqtt.CONNECT, t("MQTT")),
            "no keep alive": mqtt.packet(mqtt.CONNECT, NAME5 + b"\2"),
            "half a keep alive": mqtt.packet(mqtt.CONNECT, NAME5 + b"\2\0"),
        }.items():
            with self.subTest(name):
                client = self.raw()
                client.send(data)
                try:
                    self.assertGreaterEqual(client.recv().reason, 1)
                    client.expect_closed()
                except mqtt.Closed:
                    pass
        for name, data in {
            "properties longer than the packet": raw_connect(2, t("x"), props=b"\x7f"),
            "property of another packet": raw_connect(2, t("x"), props=b"\5\2\0\0\0\1"),
            "unknown property": raw_connect(2, t("x"), props=b"\2\x7f\0"),
            "bytes behind the end": raw_connect(2, t("x"), b"more"),
            "client id cut short": raw_connect(2, b"\0\5abc"),
        }.items():
            with self.subTest(name):
                self.refused(data)
        for name, props in {
            "receive maximum 0": {"receive_maximum": 0}, "maximum packet size 0": {"maximum_packet_size": 0},
            "request response information 2": {"request_response": 2},
            "request problem information 2": {"request_problem": 2}, "data without method": {"auth_data": b"x"},
            "session expiry twice": [("session_expiry", 1)] * 2, "receive maximum twice": [("receive_maximum", 1)] * 2,
            "topic alias maximum twice": [("topic_alias_maximum", 1)] * 2,
        }.items():
            with self.subTest(name):
                self.refused(mqtt.connect("x", props=props), 0x82)

    def test_user_name_and_password_are_there_as_their_flags_say(self):
        t = mqtt.text
        for name, data in {
            "user name without flag": raw_connect(2, t("x"), t("user")),
            "flag without user name": raw_connect(0x82, t("x")),
            "password without flag": raw_connect(0x82, t("x"), t("user"), t("pass")),
            "flag without password": raw_connect(0xC2, t("x"), t("user")),
            "password flag without anything": raw_connect(0x42, t("x")),
        }.items():
            with self.subTest(name):
                self.refused(data)
        client = self.raw()
        client.send(raw_connect(0xC2, t(self.name()), t("user"), t("pass")))
        self.assertEqual(client.expect(mqtt.CONNACK).reason, 0)

    def test_the_fields_of_the_payload_are_read_in_their_order(self):
        watcher = self.watcher("will/" + self.name())
        will = {"topic": "will/" + self.name(), "payload": "pay", "qos": 1, "props": {"content_type": "c"}}
        client = self.client(self.name("id"), user="user", password="pass", will=will)
        self.drop(client)
        got = watcher.receive()
        self.assertEqual((got.payload, got.props["content_type"]), (b"pay", "c"))
        t = mqtt.text
        will_fields = (b"\0", t("will/x"), t("pay"))
        self.refused(raw_connect(0xC6, t("id"), *will_fields, t("pass"), t("user")), 0x86)
        self.refused(raw_connect(0xC6, t("id"), t("user"), t("pass"), *will_fields))

    def test_the_client_id_must_be_there(self):
        self.refused(raw_connect(2))
        self.refused(raw_connect(2, b"\0"))

    # ---- the client id

    def test_every_client_id_of_1_to_23_letters_and_digits_is_allowed(self):
        letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for length in (1, 2, 22, 23):
            for at in range(0, len(letters), length if length > 2 else 9):
                client = self.client((letters * 2)[at:at + length])
                client.nothing()
                client.close()

    def test_client_ids_of_any_length_and_content_are_allowed(self):
        for client_id in ("/+#$ ", "ä€𝄞", "x" * 24, "y" * 512, "z" * 65535):
            with self.subTest(length=len(client_id)):
                first = self.of_kind("persistent", client_id)
                self.assertEqual(first.connack.session_present, 0)
                self.drop(first)
                back = self.of_kind("persistent", client_id, far=False)
                self.assertEqual(back.connack.session_present, 1)
                self.leave(back, 0, {"session_expiry": 0})

    def test_the_client_id_names_the_session_and_nothing_else_does(self):
        one = self.of_kind("persistent", self.name("a"))
        one.subscribe((self.name(), 1))
        self.drop(one)
        for other in (self.name("A"), self.name("b"), self.name("a") + " ", self.name("")):
            self.assertFalse(self.is_session(other), other)
        back = self.of_kind("persistent", self.name("a"), far=False, user="user", password="pass")
        self.assertEqual(back.connack.session_present, 1)

    def test_an_empty_client_id_gets_one_that_works_like_any_other(self):
        ids = set()
        for clean in (True, False):
            client = self.far("", clean=clean, props={"session_expiry": 3600})
            self.assertEqual(client.connack.session_present, 0)
            given = client.connack.props["assigned_client_id"]
            self.assertTrue(given and given not in ids)
            ids.add(given)
            client.subscribe((self.name(), 1))
            second = self.of_kind("persistent", given, far=False)
            self.assertEqual(second.connack.session_present, 1)
            self.assertNotIn("assigned_client_id", second.connack.props)
            self.assertEqual(client.expect(mqtt.DISCONNECT).reason, 0x8E)
            self.client(self.name("p")).publish(self.name(), "x", 1)
            self.assertEqual(second.receive().payload, b"x")
            self.leave(second, 0, {"session_expiry": 0})

    # ---- the session

    def test_clean_start_1_discards_the_session_of_the_client_id(self):
        for away in (True, False):
            with self.subTest(away=away):
                topic = f"{self.name()}/{away}"
                old = self.of_kind("persistent", topic)
                old.subscribe((topic, 1))
                pub = self.client(topic + "p")
                if away:
                    self.leave(old)
                pub.publish(topic, "queued", 1)
                new = self.client(topic, clean=True, props={"session_expiry": 3600})
                self.assertEqual(new.connack.session_present, 0)
                pub.publish(topic, "later", 1)
                new.nothing()
                new.close()
                again = self.of_kind("persistent", topic)
                self.assertEqual(again.connack.session_present, 1)
                pub.publish(topic, "latest", 1)
                again.nothing()

    def test_clean_start_0_resumes_the_session(self):
        topic = self.name()
        first = self.of_kind("persistent", topic)
        self.assertEqual(first.connack.session_present, 0)
        first.subscribe((topic, 2 | 8), props={"subscription_id": 7})
        pub = self.client(topic + "p")
        pub.publish(topic, "one", 1)
        unacked = first.expect(mqtt.PUBLISH)
        self.drop(first)
        pub.publish(topic, "two", 2)
        back = self.of_kind("persistent", topic, far=False)
        self.assertEqual(back.connack.session_present, 1)
        got = back.receive()
        self.assertEqual((got.payload, got.pid, got.dup), (b"one", unacked.pid, True))
        self.assertEqual(back.receive().payload, b"two")
        pub.publish(topic, "three", 1, retain=True)
        got = back.receive()
        self.assertEqual((got.payload, got.retain, got.subscription_ids), (b"three", True, [7]))

    def test_clean_start_0_without_a_session_makes_one(self):
        client = self.of_kind("persistent", self.name())
        self.assertEqual(client.connack.session_present, 0)
        client.subscribe((self.name(), 1))
        self.drop(client)
        self.assertTrue(self.is_session(self.name()))

    def test_a_session_is_kept_as_long_as_its_expiry_says(self):
        zero = self.far(self.name("0"), clean=False)
        absent = self.far(self.name("-"), clean=False, props={})
        for client in (zero, absent):
            self.drop(client)
        self.assertFalse(self.is_session(self.name("0")))
        self.assertFalse(self.is_session(self.name("-")))
        ever = self.far(self.name("e"), clean=False, props={"session_expiry": 0xFFFFFFFF})
        late = self.far(self.name("l"), clean=False, props={"session_expiry": 0})
        self.drop(ever)
        # One second; the will, whose delay is longer, says when the session has ended.
        watcher = self.watcher(self.name("/w"))
        brief = self.far(self.name("1"), clean=False, props={"session_expiry": 1},
                         will={"topic": self.name("/w"), "payload": "end", "props": {"will_delay": 100}})
        begin = time.monotonic()
        self.drop(brief)
        self.assertEqual(watcher.receive().payload, b"end")
        self.assertGreater(time.monotonic() - begin, 0.9)
        self.assertFalse(self.is_session(self.name("1")))
        self.assertTrue(self.is_session(self.name("e")))
        self.fails(mqtt.disconnect(0, props={"session_expiry": 10}), 0x82, client=late)
        kept = self.of_kind("persistent", self.name("k"))
        self.leave(kept, 0, {"session_expiry": 0})
        self.await_end(self.name("k"))  # its gateway says so, and nothing orders that before another CONNECT
        self.assertFalse(self.is_session(self.name("k")))

    def test_a_second_connection_takes_over(self):
        for kind in KINDS:
            for clean in (True, False):
                with self.subTest(kind=kind, clean=clean):
                    client_id = f"{self.name()}{kind}{clean}"
                    first = self.of_kind(kind, client_id)
                    first.subscribe((client_id, 1))
                    second = self.client(client_id, clean=clean, props={"session_expiry": 3600})
                    self.assertEqual(second.connack.session_present, int(kind == "persistent" and not clean))
                    self.assertEqual(first.expect(mqtt.DISCONNECT).reason, 0x8E)
                    first.expect_closed()
                    second.nothing()
                    self.client(client_id + "p").publish(client_id, "x", 1)
                    if second.connack.session_present:
                        self.assertEqual(second.receive().payload, b"x")
                    second.nothing()

    # ---- who may come in

    def test_who_may_not_come_in_is_refused_and_closed(self):
        self.refused(mqtt.connect(self.name(), user="user", password="wrong"), 0x86)
        self.refused(mqtt.connect(self.name(), user="nobody", password="pass"), 0x86)
        self.refused(mqtt.connect(self.name(), user="user"), 0x86)
        self.refused(mqtt.connect(self.name(), props={"auth_method": "SCRAM"}), 0x8C)

    def test_nothing_behind_a_rejected_connect_is_processed(self):
        topic = self.name()
        watcher = self.watcher(topic)
        will = {"topic": topic, "payload": "will"}
        behind = (mqtt.publish(topic, "0") + mqtt.publish(topic, "1", 1, 1, retain=True) + mqtt.publish(topic, "2", 2, 2) +
                  mqtt.subscribe(3, [(topic, 0)]) + mqtt.connect(self.name()))
        for head, reason in ((mqtt.connect(self.name(), user="user", password="wrong", will=will), 0x86),
                             (mqtt.connect(self.name(), props={"auth_method": "X"}, will=will), 0x8C),
                             (mqtt.connect(self.name(), flags=1), 0x81), (mqtt.connect(self.name(), level=6), 0x84)):
            client = self.raw()
            client.send(head + behind)
            self.assertEqual(client.expect(mqtt.CONNACK).reason, reason)
            client.expect_closed()
        self.client(self.name("p")).publish(topic, "after", 1)
        self.assertEqual(watcher.receive().payload, b"after")
        watcher.nothing()
        late = self.watcher(topic, suffix="late")
        late.nothing()

    # ---- keep alive

    def test_a_silent_client_is_closed_after_one_and_a_half_keep_alives(self):
        watcher = self.watcher(self.name())
        will = {"topic": self.name(), "payload": "gone"}
        active, zero = self.client(self.name("a"), keep_alive=2), self.client(self.name("z"), keep_alive=0)
        begin = time.monotonic()
        silent = self.client(self.name("s"), keep_alive=2, will=will)
        sends = [mqtt.packet(mqtt.PINGREQ), mqtt.publish(self.name("/other"), "x"), mqtt.ack(mqtt.PUBACK, 9)]
        while True:
            try:
                got = silent.recv(0.7)
                break
            except TimeoutError:
                active.send(sends[0])
                sends = sends[1:] + sends[:1]
        self.assertEqual((got.kind, got.reason), (mqtt.DISCONNECT, 0x8D))
        silent.expect_closed()
        self.assertGreater(time.monotonic() - begin, 2.95)
        self.assertEqual(watcher.receive().payload, b"gone")
        active.send(mqtt.subscribe(1, [(self.name("/end"), 0)]))
        while (got := active.recv()).kind == mqtt.PINGRESP:
            pass
        self.assertEqual(got.kind, mqtt.SUBACK)
        active.nothing()
        zero.nothing()

    # ---- what the client asks for

    def test_packets_larger_than_the_client_takes_are_discarded_as_if_sent(self):
        for kind in KINDS:
            for qos in (0, 1, 2):
                with self.subTest(kind=kind, qos=qos):
                    topic = f"{self.name()}/{kind}/{qos}"
                    sub = self.of_kind(kind, topic, props={"maximum_packet_size": 200})
                    sub.subscribe((topic, 2))
                    pub = self.client(topic + "p")
                    room = 200 - 3 - 2 - len(topic) - 1 - (2 if qos else 0)
                    payloads = [b"a", bytes(room), bytes(room + 1), bytes(5000), b"b"]
                    for payload in payloads:
                        self.assertIn(pub.publish(topic, payload, qos), (None, 0))
                    got = self.take(sub, 3)
                    self.assertEqual([g.payload for g in got], [payloads[0], payloads[1], payloads[4]])
                    self.assertEqual(1 + len(mqtt.varint(len(got[1].body))) + len(got[1].body), 200)
                    sub.nothing()
                    sub.close()
                    if kind == "persistent":
                        back = self.of_kind(kind, topic, far=False)
                        self.assertEqual(back.connack.session_present, 1)
                        back.nothing()

    def test_a_retained_message_that_is_too_large_is_not_sent(self):
        topic = self.name()
        pub = self.client(self.name("p"))
        pub.publish(topic + "/big", bytes(500), 1, retain=True)
        pub.publish(topic + "/small", b"s", 1, retain=True)
        for kind in KINDS:
            sub = self.of_kind(kind, topic + kind, props={"maximum_packet_size": 200})
            sub.subscribe((topic + "/#", 1))
            self.assertEqual(sub.receive().payload, b"s")
            sub.nothing()

    def test_a_client_that_cannot_take_a_connack_gets_none(self):
        self.refused(mqtt.connect(self.name(), props={"maximum_packet_size": 4}), None)

    def test_response_information_is_never_returned(self):
        for props in ({}, {"request_response": 0}, {"request_response": 1}):
            client = self.far(self.name(), props=props)
            self.assertNotIn("response_info", client.connack.props)

    def test_without_problem_information_only_connack_and_disconnect_explain(self):
        client = self.far(self.name(), props={"request_problem": 0})
        client.send(mqtt.publish("$SYS/x", "", 1, 1) + mqtt.publish("$SYS/x", "", 2, 2))
        client.send(mqtt.subscribe(3, [("x/" * 200, 0)]) + mqtt.unsubscribe(4, ["never"]))
        kinds = set()
        for _ in range(4):
            got = client.recv()
            kinds.add(got.kind)
            self.assertGreaterEqual(got.reason if hasattr(got, "reason") else got.reasons[0], 0x11)
            self.assertNotIn("reason_string", got.props)
            self.assertEqual(got.user_properties, [])
        self.assertEqual(kinds, {mqtt.PUBACK, mqtt.PUBREC, mqtt.SUBACK, mqtt.UNSUBACK})


class OneGateway(Connect, Ends):
    pass


class TwoGateways(Connect, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
