# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0: wills (3.1.2.5 to 3.1.2.7, 3.1.3.2 and on): when they go out, when not, and as what."""

import time
import unittest

from ends import KINDS, Ends, mqtt

HEAD = mqtt.text("MQTT") + b"\x05"


class Wills:
    def will(self, topic, payload="gone", qos=1, retain=False, **props):
        return {"topic": topic, "payload": payload, "qos": qos, "retain": retain, "props": props}

    def gone_then(self, watcher, topic, expected):
        """A client with a will comes and breaks now; that will must be the next after the expected ones."""
        self.drop(self.client(self.name("-marker"), will=self.will(topic, "marker")))
        self.assertEqual([watcher.receive().payload for _ in range(len(expected) + 1)], expected + [b"marker"])

    def test_a_will_goes_out_when_the_connection_is_lost(self):
        for kind in KINDS:
            for qos in (0, 1, 2):
                with self.subTest(kind=kind, qos=qos):
                    topic = f"{self.name()}/{kind}/{qos}"
                    watcher = self.watcher(topic, 2 | 8 | 32, suffix=f"{kind}{qos}")
                    self.drop(self.of_kind(kind, topic, far=False, will=self.will(topic, "gone", qos)))
                    got = watcher.receive()
                    self.assertEqual((got.topic, got.payload, got.qos, got.retain), (topic, b"gone", qos, False))
                    watcher.nothing()

    def test_a_will_goes_out_with_its_properties_in_order(self):
        topic = self.name()
        users = [("b", "1"), ("a", "2"), ("b", "1"), ("", "")]
        props = [("will_delay", 0), ("payload_format", 1), ("message_expiry", 100), ("content_type", "text/x"),
                 ("response_topic", "r/t"), ("correlation_data", b"\0\1")] + [("user_property", u) for u in users]
        for kind in KINDS:
            watcher = self.watcher(topic, suffix=kind)
            self.drop(self.of_kind(kind, topic + "c" + kind, far=False, will={"topic": topic, "payload": "ä", "qos": 1, "props": props}))
            got = watcher.receive()
            self.assertEqual(got.user_properties, users)
            self.assertIn(got.props.pop("message_expiry"), range(40, 101))
            got.props.pop("user_property")
            self.assertEqual(got.props, {"payload_format": 1, "content_type": "text/x", "response_topic": "r/t",
                                         "correlation_data": b"\0\1"})

    def test_a_will_goes_out_after_a_protocol_error_and_a_disconnect_that_asks_for_it(self):
        for kind in KINDS:
            topic = f"{self.name()}/{kind}"
            watcher = self.watcher(topic, suffix=kind)
            broken = self.of_kind(kind, topic + "b", far=False, will=self.will(topic, "broken"))
            self.fails(b"\x36\0", client=broken)
            self.assertEqual(watcher.receive().payload, b"broken")
            asks = self.of_kind(kind, topic + "a", far=False, will=self.will(topic, "asked for"))
            self.leave(asks, 4)
            self.assertEqual(watcher.receive().payload, b"asked for")

    def test_a_will_is_dropped_by_a_normal_disconnect(self):
        for kind in KINDS:
            for data in (mqtt.disconnect(), mqtt.disconnect(0), mqtt.disconnect(0, props={})):
                with self.subTest(kind=kind, data=data):
                    topic = f"{self.name()}/{kind}/{len(data)}"
                    watcher = self.watcher(topic, suffix=f"{kind}{len(data)}")
                    client = self.of_kind(kind, topic, far=False, will=self.will(topic))
                    client.send(data)
                    client.expect_closed()
                    # nor does a later connection without a will of its own bring it back
                    self.drop(self.of_kind(kind, topic, far=False))
                    self.gone_then(watcher, topic, [])

    def test_a_will_that_was_published_is_gone(self):
        for kind in KINDS:
            topic = f"{self.name()}/{kind}"
            watcher = self.watcher(topic, suffix=kind)
            self.drop(self.of_kind(kind, topic, far=False, will=self.will(topic)))
            self.assertEqual(watcher.receive().payload, b"gone")
            again = self.of_kind(kind, topic, far=False)
            again.nothing()
            self.drop(again)
            self.gone_then(watcher, topic, [])

    def test_a_will_waits_for_its_delay(self):
        topic = self.name()
        watcher = self.watcher(topic)
        client = self.of_kind("persistent", topic, far=False, will=self.will(topic, will_delay=1))
        begin = time.monotonic()
        self.drop(client)
        self.assertEqual(watcher.receive().payload, b"gone")
        self.assertGreater(time.monotonic() - begin, 0.9)

    def test_a_will_goes_out_at_the_end_of_the_session_if_that_comes_first(self):
        topic = self.name()
        watcher = self.watcher(topic)
        self.drop(self.client(topic + "0", will=self.will(topic, "at once", will_delay=1000)))
        self.assertEqual(watcher.receive().payload, b"at once")
        begin = time.monotonic()
        self.drop(self.client(topic + "1", clean=False, props={"session_expiry": 1},
                              will=self.will(topic, "after a second", will_delay=1000)))
        self.assertEqual(watcher.receive().payload, b"after a second")
        self.assertGreater(time.monotonic() - begin, 0.9)

    def test_a_will_is_not_sent_when_the_client_is_back_before_its_delay(self):
        topic = self.name()
        watcher = self.watcher(topic)
        back = []
        for gateway in (0, self.FAR):
            client_id = f"{topic}{len(back)}"
            self.drop(self.of_kind("persistent", client_id, far=False, will=self.will(topic, will_delay=1)))
            back.append(self.of_kind("persistent", client_id, far=gateway != 0))
            self.assertEqual(back[-1].connack.session_present, 1)
        # A delay that began later has passed: so has theirs.
        self.drop(self.of_kind("persistent", topic + "m", far=False, will=self.will(topic, "marker", will_delay=1)))
        self.assertEqual(watcher.receive().payload, b"marker")
        watcher.nothing()
        for client in back:
            client.nothing()

    def test_a_take_over_sends_the_will_unless_the_session_goes_on_within_the_delay(self):
        for name, kind, clean, delay, expected in (
                ("no delay", "persistent", False, 0, [b"gone"]), ("delay, goes on", "persistent", False, 60, []),
                ("delay, clean start", "persistent", True, 60, [b"gone"]), ("in memory", "clean", False, 0, [b"gone"]),
                ("in memory, delay", "clean", True, 60, [b"gone"])):
            with self.subTest(name):
                topic = f"{self.name()}/{name}"
                watcher = self.watcher(topic, suffix=name)
                first = self.of_kind(kind, topic, will=self.will(topic, will_delay=delay))
                second = self.client(topic, clean=clean, props={"session_expiry": 3600})
                self.assertEqual(first.expect(mqtt.DISCONNECT).reason, 0x8E)
                first.expect_closed()
                if expected:
                    self.assertEqual(watcher.receive().payload, expected[0])
                self.gone_then(watcher, topic, [])
                second.nothing()
                self.leave(second, 0, {"session_expiry": 0})

    def test_a_will_is_retained_only_if_it_says_so(self):
        for kind in KINDS:
            for retain in (True, False):
                topic = f"{self.name()}/{kind}/{retain}"
                watcher = self.watcher(topic, 1 | 8 | 32, suffix=f"{kind}{retain}")
                self.drop(self.of_kind(kind, topic, far=False, will=self.will(topic, "gone", 1, retain)))
                got = watcher.receive()
                self.assertEqual((got.payload, got.retain), (b"gone", retain))
                late = self.watcher(topic, 1, suffix=f"late{kind}{retain}")
                if retain:
                    self.assertTrue(late.receive().retain)
                late.nothing()

    def test_will_flags_and_fields_must_fit_together(self):
        t = mqtt.text
        fields = b"\0" + t("w") + t("p")

        def connect(flags, rest):
            return mqtt.packet(mqtt.CONNECT, HEAD + bytes([flags]) + b"\0\x3c\0" + t("x") + rest)

        for name, flags, rest in (
                ("QoS 1 without will", 0x0A, b""), ("QoS 2 without will", 0x12, b""), ("QoS 3 without will", 0x1A, b""),
                ("retain without will", 0x22, b""), ("QoS 3", 0x1E, fields), ("fields without flag", 2, fields),
                ("no fields", 6, b""), ("no topic", 6, b"\0"), ("no payload", 6, b"\0" + t("w")),
                ("no properties", 6, t("w") + t("p")), ("payload cut short", 6, b"\0" + t("w") + b"\0\5p")):
            with self.subTest(name):
                self.refused(connect(flags, rest))
        for name, topic in (("empty", ""), ("wildcard", "a/+"), ("wildcard at the end", "#")):
            with self.subTest(name):
                self.refused(mqtt.connect("x", will={"topic": topic, "payload": "p"}), 0x90)
        for name, props in (("payload format 2", {"payload_format": 2}), ("delay twice", [("will_delay", 1)] * 2)):
            with self.subTest(name):
                self.refused(mqtt.connect("x", will={"topic": "t", "payload": "p", "props": props}), 0x82)
        self.refused(mqtt.connect("x", will={"topic": "t", "payload": "p", "props": {"topic_alias": 1}}))


class OneGateway(Wills, Ends):
    pass


class TwoGateways(Wills, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
