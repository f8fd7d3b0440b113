# SPDX-License-Identifier: Apache-2.0
"""CONNECT, CONNACK and wills as MQTT 3.1.1 and 3.1 have them (3.1.1: 1.4, 2.2, 2.3, 3.1,
3.2). Where 3.1 differs the test says so."""

import struct
import time
import unittest

from ends import ILL_FORMED, KINDS, Ends, await_true, mqtt

VERSIONS = (3, 4)
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def connect4(flags, *fields, keep_alive=0):
    """A CONNECT of 3.1.1 by hand: strings of the payload as given."""
    head = mqtt.text("MQTT") + bytes([4, flags]) + struct.pack(">H", keep_alive)
    return mqtt.packet(mqtt.CONNECT, head + b"".join(map(mqtt.text, fields)))


class Connect311:
    def silently_closed(self, data, version=4):
        client = self.raw(version)
        client.send(data)
        client.expect_closed()

    # ---- formats

    def test_ill_formed_text_closes_the_connection(self):
        for version in VERSIONS:
            for what, bad in ILL_FORMED.items():
                with self.subTest(what, version=version):
                    will = {"topic": bad, "payload": "x"}
                    self.silently_closed(mqtt.connect(bad, version=version), version)
                    self.silently_closed(mqtt.connect("x", version=version, will=will), version)
                    self.silently_closed(mqtt.connect("x", version=version, user=bad), version)
                    for qos in (0, 1, 2):
                        self.fails(mqtt.publish(bad, "x", qos, 1, version=version), version=version)

    def test_a_byte_order_mark_stays_where_it_is(self):
        for version in VERSIONS:
            topic = "\ufeff" + self.name(str(version)) + "\ufeff"
            for kind in KINDS:
                sub = self.of_kind(kind, topic + kind, version=version)
                sub.subscribe((topic, 1), (topic.strip("\ufeff"), 1))
                self.client("p", version).publish(topic, "x", 1)
                self.assertEqual(sub.receive().topic, topic)
                self.quiet(sub)

    def test_packets_with_other_flags_close_the_connection(self):
        for version in VERSIONS:
            bodies = {mqtt.CONNECT: mqtt.connect("x", version=version)[2:], mqtt.PUBACK: b"\0\1", mqtt.PUBREC: b"\0\1",
                      mqtt.PUBREL: b"\0\1", mqtt.PUBCOMP: b"\0\1", mqtt.SUBSCRIBE: b"\0\1\0\1a\0",
                      mqtt.UNSUBSCRIBE: b"\0\1\0\1a", mqtt.PINGREQ: b"", mqtt.DISCONNECT: b""}
            for kind, body in bodies.items():
                right = 2 if kind in (mqtt.PUBREL, mqtt.SUBSCRIBE, mqtt.UNSUBSCRIBE) else 0
                for flags in range(16):
                    if flags != right and (version != 3 or flags != right + 8 or right == 0):  # 3.1 has DUP there
                        with self.subTest(version=version, kind=mqtt.NAMES[kind], flags=flags):
                            if kind == mqtt.CONNECT:
                                self.silently_closed(mqtt.packet(kind, body, flags), version)
                            else:
                                self.fails(mqtt.packet(kind, body, flags), version=version)

    def test_3_1_may_set_dup_where_it_sends_again(self):
        client = self.client(self.name(), 3)
        for kind, body, answer in ((mqtt.SUBSCRIBE, b"\0\1\0\1a\0", mqtt.SUBACK), (mqtt.PUBREL, b"\0\2", mqtt.PUBCOMP),
                                   (mqtt.UNSUBSCRIBE, b"\0\3\0\1a", mqtt.UNSUBACK)):
            client.send(mqtt.packet(kind, body, 10))
            client.expect(answer)

    def test_3_1_may_announce_fields_that_do_not_come(self):
        for flags, fields in ((0x82, b""), (0xC2, b""), (0x06, b"\0\0\0\0")):  # a will of two empty strings is none
            client = self.raw(3)
            client.send(mqtt.packet(mqtt.CONNECT, mqtt.text("MQIsdp") + bytes([3, flags, 0, 0]) + mqtt.text("x") + fields))
            self.assertEqual(client.expect(mqtt.CONNACK).body, b"\0\0")

    def test_a_packet_id_of_0_closes_the_connection(self):
        for version in VERSIONS:
            for data in (mqtt.publish("a", "x", 1, 0, version=version), mqtt.publish("a", "x", 2, 0, version=version),
                         mqtt.subscribe(0, [("a", 0)], version), mqtt.unsubscribe(0, ["a"], version)):
                with self.subTest(version=version, data=data):
                    self.fails(data, version=version)

    # ---- what a CONNECT must be

    def test_the_first_packet_must_be_connect(self):
        for data in (mqtt.publish("a", "x", version=4), mqtt.subscribe(1, [("a", 0)], 4), mqtt.packet(mqtt.PINGREQ),
                     mqtt.disconnect(version=4), mqtt.ack(mqtt.PUBACK, 1, version=4)):
            with self.subTest(data=data):
                self.silently_closed(data)

    def test_a_second_connect_closes_the_connection(self):
        for version in VERSIONS:
            client = self.client("c", version)
            self.fails(mqtt.connect("c", version=version), version=version, client=client)

    def test_an_unknown_protocol_name_is_not_served(self):
        for name in ("MQTX", "mqtt", "MQIsdpp", "", "HTTP"):
            with self.subTest(name=name):
                client = self.raw(4)
                client.send(mqtt.connect("x", version=4, name=name) + mqtt.subscribe(1, [("a", 0)], 4))
                try:
                    self.assertEqual(client.recv().body, b"\0\1")
                    client.expect_closed()
                except mqtt.Closed:
                    pass

    def test_an_unknown_level_gets_return_code_1(self):
        for name, level in (("MQTT", 0), ("MQTT", 1), ("MQTT", 3), ("MQIsdp", 4), ("MQIsdp", 5), ("MQTT", 0x7F), ("MQTT", 2)):
            with self.subTest(name=name, level=level):
                client = self.raw(4)
                client.send(mqtt.connect("x", version=4, name=name, level=level))
                got = client.expect(mqtt.CONNACK)
                if level == 0x7F:  # above 5 the answer is in the words of 5.0
                    self.assertEqual(got.body[:2], b"\0\x84")
                else:
                    self.assertEqual(got.body, b"\0\1")
                client.expect_closed()

    def test_the_reserved_flag_closes_the_connection(self):
        self.silently_closed(connect4(0x03, "x"))
        self.silently_closed(connect4(0x01, "x"))

    def test_will_flags_and_fields_must_agree(self):
        for what, data in {"QoS without a will": connect4(0x0A, "x"), "QoS 2 without a will": connect4(0x12, "x"),
                           "retain without a will": connect4(0x22, "x"), "QoS 3": connect4(0x1E, "x", "t", "m"),
                           "QoS 3 without a will": connect4(0x1A, "x"), "no will fields": connect4(0x06, "x"),
                           "no will message": connect4(0x06, "x", "t"), "fields without the flag": connect4(0x02, "x", "t", "m"),
                           "empty topic": connect4(0x06, "x", "", "m"), "wildcard": connect4(0x06, "x", "a/#", "m")}.items():
            with self.subTest(what):
                self.silently_closed(data)

    def test_user_flags_and_fields_must_agree(self):
        for what, data in {"user without the flag": connect4(0x02, "x", "u"), "no user": connect4(0x82, "x"),
                           "no password": connect4(0xC2, "x", "u"), "password without the flag": connect4(0x82, "x", "u", "p"),
                           "password flag without user flag": connect4(0x42, "x", "p"),
                           "cut off": connect4(0x82, "x", "user")[:-2]}.items():
            with self.subTest(what):
                if what == "cut off":
                    data = bytes([data[0], data[1] - 2]) + data[2:]
                self.silently_closed(data)

    def test_the_payload_has_its_order(self):
        self.cluster.add_user(self.name(), "secret")
        for version in VERSIONS:
            topic = self.name(f"/{version}")
            watcher = self.watcher(topic)
            options = {"user": self.name(), "will": {"topic": topic, "payload": "message", "qos": 2}}
            self.raw(version).connect("i", reason=4, password="message", **options)
            client = self.client("i", version, password="secret", **options)
            self.drop(client)
            got = watcher.receive()
            self.assertEqual((got.topic, got.payload), (topic, b"message"))
            watcher.close()

    def test_a_payload_without_client_id_closes_the_connection(self):
        self.silently_closed(connect4(2))
        self.silently_closed(mqtt.packet(mqtt.CONNECT, mqtt.text("MQTT") + b"\4\2\0\0\0"))

    # ---- client ids

    def test_client_ids_of_1_to_23_letters_and_digits_are_taken(self):
        for version in VERSIONS:
            for client_id in list(LETTERS) + [LETTERS[i:i + n] for n in (2, 22, 23) for i in (0, 20, 39)]:
                self.client(client_id, version).close()
            for client_id in ("long" * 1000, "a b/c+#$\u20ac"):  # and more than must be
                self.client(client_id, 4).close()

    def test_an_empty_client_id_gets_one_of_its_own(self):
        topic = self.name()
        clients = [self.client("", 4) for _ in range(3)]  # all stay connected
        for i, client in enumerate(clients):
            self.assertEqual(client.connack.session_present, 0)
            client.subscribe((f"{topic}/{i}", 1))
        pub = self.client("p", 4, self.FAR)
        for i, client in enumerate(clients):
            pub.publish(f"{topic}/{i}", str(i), 1)
            self.assertEqual(client.receive().payload, str(i).encode())
            client.nothing()

    def test_an_empty_client_id_without_clean_session_gets_return_code_2(self):
        for version, clean in ((4, False), (3, True), (3, False)):  # 3.1 knows no empty ids
            client = self.raw(version)
            client.send(mqtt.connect("", version=version, clean=clean))
            self.assertEqual(client.expect(mqtt.CONNACK).body, b"\0\2")
            client.expect_closed()

    def test_a_second_connection_with_a_client_id_closes_the_first(self):
        for version in VERSIONS:
            for kind in KINDS:
                first = self.of_kind(kind, self.name(kind), version=version)
                second = self.of_kind(kind, self.name(kind), False, version)
                first.expect_closed()
                second.nothing()

    # ---- CONNACK

    def test_connack_is_the_first_packet(self):
        topic = self.name()
        self.client("p", 4).publish(topic, "r", 1, retain=True)
        for version in VERSIONS:
            for kind in KINDS:
                client = self.raw(version, self.FAR)
                client.send(mqtt.connect(f"{topic}{kind}{version}", version=version, clean=kind == "clean") +
                            mqtt.packet(mqtt.PINGREQ) + mqtt.subscribe(1, [(topic, 1)], version) +
                            mqtt.publish(topic + "/x", "x", 1, 2, version=version))
                got = client.recv()
                self.assertEqual((got.kind, got.body), (mqtt.CONNACK, b"\0\0"))
                kinds = [client.recv().kind for _ in range(4)]
                self.assertEqual(sorted(kinds), sorted([mqtt.PINGRESP, mqtt.SUBACK, mqtt.PUBACK, mqtt.PUBLISH]))
        self.client("p", 4).publish(topic, "", 1, retain=True)

    def test_session_present_says_whether_there_was_a_session(self):
        name = self.name()

        def present(clean, gateway=0):
            client = self.client(name, 4, gateway, clean=clean)
            self.leave(client)
            return client.connack.body

        self.assertEqual(present(True), b"\0\0")
        self.assertEqual(present(False), b"\0\0")
        self.assertEqual(present(False, self.FAR), b"\1\0")
        self.assertEqual(present(False), b"\1\0")
        self.assertEqual(present(True), b"\0\0")
        self.assertEqual(present(False, self.FAR), b"\0\0")

    def test_a_refusing_connack_has_no_session_present_and_is_followed_by_closing(self):
        self.cluster.add_user(self.name(), "secret")
        self.leave(self.client(self.name("c"), 4, clean=False))
        for version in VERSIONS:
            client = self.raw(version)
            client.send(mqtt.connect(self.name("c"), version=version, clean=False, user=self.name(), password="wrong"))
            self.assertIn(client.expect(mqtt.CONNACK).body, (b"\0\4", b"\0\5"))
            client.expect_closed()

    def test_what_follows_a_refused_connect_is_not_processed(self):
        topic = self.name()
        self.cluster.add_user(self.name(), "secret")
        watcher = self.watcher(topic, 1)
        for version in VERSIONS:
            for refused in (mqtt.connect("c", version=version, user=self.name(), password="wrong"),  # by the store
                            mqtt.connect("c", version=version, level=7)):  # by the gateway, at once
                client = self.raw(version)
                client.send(refused + mqtt.publish(topic, "late", 1, 1, version=version) +
                            mqtt.publish(topic, "late", 1, 1, retain=True, version=version) +
                            mqtt.connect("c", version=version, user=self.name(), password="secret") +
                            mqtt.publish(topic, "late", 1, 1, version=version))
                self.assertNotEqual(client.expect(mqtt.CONNACK).body[1], 0)
                client.expect_closed()
        self.quiet(watcher)

    def test_an_unanswerable_connect_is_closed_in_silence(self):
        for data in (connect4(2, "x") + b"", connect4(2, "x", "trailing"), b"\x10\x00", b"\x10\x04\0\4MQ",
                     mqtt.packet(mqtt.CONNECT, connect4(2, "x")[2:-1])):
            if data == connect4(2, "x"):
                continue
            with self.subTest(data=data):
                self.silently_closed(data)

    # ---- wills and keep alive

    def test_a_will_is_published_however_the_connection_ends_but_by_disconnect(self):
        for version in VERSIONS:
            for qos in (0, 1, 2):
                topic = self.name(f"/{version}/{qos}")
                watcher = self.watcher(topic)
                will = {"topic": topic, "payload": "gone", "qos": qos}
                self.drop(self.client("c", version, will=will))
                got = watcher.receive()
                self.assertEqual((got.topic, got.payload, got.qos, got.retain), (topic, b"gone", qos, False))
                self.fails(b"\x00\x00", version=version, client=self.client("c", version, will=will))
                self.assertEqual(watcher.receive().payload, b"gone")
                self.leave(self.client("c", version, will=will))
                self.client("c", version).close()  # DISCONNECT took the will away
                self.quiet(watcher)
                watcher.close()

    def test_a_take_over_publishes_the_will_of_the_old_connection_once(self):
        topic = self.name()
        watcher = self.watcher(topic)
        for version in VERSIONS:  # a DISCONNECT could still be under way: the broker waits for it a while
            self.client(f"c{version}", version, will={"topic": topic, "payload": f"{version}", "qos": 1})
        taken = [self.client(f"c{version}", version, self.FAR) for version in VERSIONS]
        self.assertEqual(sorted(watcher.receive().payload for _ in VERSIONS), [b"3", b"4"])
        for client in taken:
            self.drop(client)
        self.quiet(watcher)

    def test_a_connection_without_a_will_ends_without_a_word(self):
        for version in VERSIONS:
            watcher = self.client(self.name("w"), version, self.FAR)
            watcher.subscribe((self.name() + "/#", 2))
            for kind in KINDS:
                will = {"topic": self.name() + "/will", "payload": "old", "qos": 1}
                self.leave(self.of_kind(kind, "c" + kind, version=version, will=will))
                self.drop(self.of_kind(kind, "c" + kind, version=version))
            self.quiet(watcher)

    def test_will_retain_says_whether_the_will_is_retained(self):
        for version in VERSIONS:
            for retain in (True, False):
                topic = self.name(f"/{version}/{retain}")
                watcher = self.watcher(topic)
                self.drop(self.client("c", version, will={"topic": topic, "payload": "gone", "qos": 1, "retain": retain}))
                self.assertFalse(watcher.receive().retain)
                watcher.close()
                late = self.far("l", version)
                late.subscribe((topic, 1))
                if retain:
                    got = late.receive()
                    self.assertEqual((got.payload, got.retain), (b"gone", True))
                self.quiet(late)

    def test_silence_of_one_and_a_half_keep_alives_is_the_end(self):
        topic = self.name()
        watcher = self.watcher(topic)
        will = {"topic": topic, "payload": "silent", "qos": 1}
        begin = time.monotonic()
        clients = [self.client(f"c{v}", v, keep_alive=2, will=will) for v in VERSIONS]
        lively = self.client("lively", 4, keep_alive=2, will=dict(will, payload="wrong"))
        patient = self.client("patient", 4, keep_alive=0, will=dict(will, payload="wrong"))

        def all_closed():
            lively.nothing()
            for client in clients[:]:
                try:
                    client.recv(0.2)
                except mqtt.Closed:
                    self.assertGreater(time.monotonic() - begin, 2.95)
                    clients.remove(client)
                except TimeoutError:
                    pass
            return not clients
        await_true("the silent ones are closed", all_closed)
        self.assertEqual([watcher.receive().payload for _ in VERSIONS], [b"silent"] * 2)
        self.quiet(watcher)
        patient.nothing()


class WithoutStore(Ends):
    """What cannot be served for the moment."""

    def test_a_connect_that_cannot_be_served_now_gets_return_code_3(self):
        open_ = [self.client(f"c{version}", version) for version in VERSIONS]
        self.cluster["store"].kill()
        clients = [self.raw(version) for version in VERSIONS]
        for client in clients:
            client.send(mqtt.connect("new", version=client.version))
        for client in clients:
            self.assertEqual(client.expect(mqtt.CONNACK).body, b"\0\3")
            client.expect_closed()
        for client in open_:
            client.nothing()
        self.cluster["store"].restart().await_ready()


class OneGateway(Connect311, Ends):
    pass


class TwoGateways(Connect311, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
