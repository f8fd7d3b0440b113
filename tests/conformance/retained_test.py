# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0, section 3.3.1.3: retained messages, Retain Handling and Retain As Published."""

import unittest

from ends import KINDS, Ends, mqtt

AS_PUBLISHED, IF_NEW, NEVER = 8, 1 << 4, 2 << 4


class Retained:
    def expect_retained(self, topic, expected, options=2):
        """What a new subscriber at the other end gets: (payload, QoS). A message that is found behind all
        others says that the search is over."""
        self.client(self.name("-last")).publish(topic + "/~last", "last", 1, retain=True)
        late = self.far(self.name("-late"))
        late.subscribe((topic + "/#", options))
        out = []
        while not out or out[-1][0] != b"last":
            for got in self.take(late, 1):
                self.assertTrue(got.retain)
                out.append((got.payload, got.qos))
        late.nothing()
        self.assertEqual(out[:-1], expected)

    def nothing_retained(self, sub):
        """Nothing is there and nothing is on its way: what is asked for now is the next that comes."""
        sub.nothing()
        last = self.name("-last")
        self.client(last).publish(last, "last", 1, retain=True)
        sub.subscribe((last, 1))
        got = sub.receive()
        self.assertEqual((got.payload, got.retain), (b"last", True))
        sub.unsubscribe(last)

    def publish_surely(self, pub, topic, payload, qos):
        """Publishes with RETAIN. Of QoS 0 nothing says that it is stored: one of QoS 1 behind it does."""
        pub.publish(topic, payload, qos, retain=True)
        if qos == 0:
            pub.publish(topic + "/behind", "", 1, retain=True)

    def test_a_retained_publish_replaces_the_one_before(self):
        pub = self.client(self.name("p"))
        for before in (0, 1, 2):
            for qos in (0, 1, 2):
                topic = f"{self.name()}/{before}/{qos}"
                self.publish_surely(pub, topic, "before", before)
                self.publish_surely(pub, topic, "now", qos)
                self.expect_retained(topic, [(b"now", qos)])
                self.expect_retained(topic, [(b"now", min(1, qos))], 1)

    def test_an_empty_retained_publish_is_delivered_and_removes_what_was_retained(self):
        pub = self.client(self.name("p"))
        for qos in (0, 1, 2):
            topic = f"{self.name()}/{qos}"
            pub.publish(topic, "x", 1, retain=True)
            live = self.watcher(topic, suffix=str(qos))
            self.publish_surely(pub, topic, "", qos)
            got = live.receive()
            self.assertEqual((got.payload, got.qos, got.retain), (b"", qos, False))
            self.expect_retained(topic, [])
            self.publish_surely(pub, topic, "", qos)  # nor is an empty one stored where there is none
            self.assertEqual(live.receive().payload, b"")
            self.expect_retained(topic, [])

    def test_a_publish_without_retain_leaves_what_is_retained(self):
        pub = self.client(self.name("p"))
        topic = self.name()
        for qos in (0, 1, 2):
            pub.publish(topic, "live", qos)
        pub.publish(topic, "live", 1)
        self.expect_retained(topic, [])
        pub.publish(topic, "kept", 1, retain=True)
        for payload in ("live", ""):
            for qos in (0, 1, 2):
                pub.publish(topic, payload, qos)
            pub.publish(topic, payload, 1)
        self.expect_retained(topic, [(b"kept", 1)])

    def test_retain_handling_0_sends_what_is_retained_with_every_subscription(self):
        pub = self.client(self.name("p"))
        root = self.name()
        names = [f"{root}/{i}" for i in range(5)] + [root, f"{root}/a/b/c"]
        for name in names:
            pub.publish(name, name, 1, retain=True)
        pub.publish(f"{root}x", "not this one", 1, retain=True)
        for kind in KINDS:
            with self.subTest(kind=kind):
                sub = self.of_kind(kind, root + kind)
                for _ in range(3):
                    sub.subscribe((root + "/#", 1))
                    got = self.take(sub, len(names))
                    self.assertEqual(sorted(g.topic for g in got), sorted(names))
                    self.assertTrue(all(g.retain and g.payload.decode() == g.topic for g in got))
                sub.subscribe((root + "/+", 0))
                self.assertEqual(sorted(g.topic for g in self.take(sub, 5)), names[:5])
                self.nothing_retained(sub)

    def test_a_retained_message_does_not_follow_a_newer_one(self):
        """Published while the subscriber's retained message is being fetched: order stays, nothing comes twice."""
        for kind in KINDS:
            for i in range(5):
                topic = f"{self.name()}/{kind}/{i}"
                pub = self.client(topic + "p")
                pub.publish(topic, "0", 1, retain=True)
                sub = self.of_kind(kind, topic)
                sub.subscribe((topic, 1))
                pub.send(b"".join(mqtt.publish(topic, str(n), 1, n, retain=True) for n in range(1, 9)))
                got = []
                while not got or got[-1] != 8:
                    got.append(int(sub.receive().payload))
                self.nothing_retained(sub)
                self.assertEqual(got, sorted(set(got)))
                self.assertEqual(got[-8:], list(range(1, 9)))

    def test_retain_handling_1_sends_it_with_a_new_subscription_only(self):
        topic = self.name()
        self.client(self.name("p")).publish(topic, "r", 1, retain=True)
        for kind in KINDS:
            with self.subTest(kind=kind):
                sub = self.of_kind(kind, topic + kind)
                sub.subscribe((topic, 1 | IF_NEW))
                self.assertTrue(sub.receive().retain)
                sub.subscribe((topic, 1 | IF_NEW))
                sub.subscribe((topic, 2 | IF_NEW | AS_PUBLISHED))  # other options: still the same subscription
                self.nothing_retained(sub)
                sub.subscribe((self.name() + "/#", 1 | IF_NEW))
                self.assertTrue(sub.receive().retain)
                sub.unsubscribe(topic)
                sub.subscribe((topic, 1 | IF_NEW))
                self.assertTrue(sub.receive().retain)
                if kind == "persistent":  # it exists as long as the session does
                    self.drop(sub)
                    sub = self.of_kind(kind, topic + kind, far=False)
                    sub.subscribe((topic, 1 | IF_NEW))
                self.nothing_retained(sub)

    def test_retain_handling_2_sends_nothing(self):
        topic = self.name()
        pub = self.client(self.name("p"))
        pub.publish(topic, "r", 1, retain=True)
        for kind in KINDS:
            with self.subTest(kind=kind):
                sub = self.of_kind(kind, topic + kind)
                for _ in range(2):
                    sub.subscribe((topic, 1 | NEVER))
                self.nothing_retained(sub)
                pub.publish(topic, "live", 1)
                self.assertEqual(sub.receive().payload, b"live")
                self.nothing_retained(sub)

    def test_retain_as_published_says_which_flag_is_passed_on(self):
        for kind in KINDS:
            for as_published in (False, True):
                for sub_qos in (0, 1, 2):
                    with self.subTest(kind=kind, as_published=as_published, qos=sub_qos):
                        topic = f"{self.name()}/{kind}/{as_published}/{sub_qos}"
                        sub = self.of_kind(kind, topic)
                        sub.subscribe((topic, sub_qos | NEVER | (AS_PUBLISHED if as_published else 0)))
                        pub = self.client(topic + "p")
                        for qos in (0, 1, 2):
                            for retain in (False, True):
                                pub.publish(topic, "x", qos, retain=retain)
                                self.assertEqual(sub.receive().retain, retain and as_published)

    def test_retain_as_published_holds_in_the_queue_of_a_session(self):
        for as_published in (False, True):
            topic = f"{self.name()}/{as_published}"
            sub = self.of_kind("persistent", topic)
            sub.subscribe((topic, 1 | NEVER | (AS_PUBLISHED if as_published else 0)))
            self.leave(sub)
            pub = self.client(topic + "p")
            for retain in (True, False):
                pub.publish(topic, "x", 1, retain=retain)
            back = self.of_kind("persistent", topic, far=False)
            self.assertEqual([back.receive().retain for _ in range(2)], [as_published, False])


class OneGateway(Retained, Ends):
    pass


class TwoGateways(Retained, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
