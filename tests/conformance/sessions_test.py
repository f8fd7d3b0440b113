# SPDX-License-Identifier: Apache-2.0
"""How long session state lasts, who gets a message, and in which order (MQTT 5.0: 4.1,
4.5, 4.6, and their like in 3.1.1)."""

import time
import unittest

from ends import KINDS, Ends, mqtt

VERSIONS = (3, 4, 5)


class Sessions:
    def finish(self, client, n):
        """n messages as they come, all flows completed."""
        out, flows = [], 0
        while len(out) < n or flows:
            got = client.recv()
            if got.kind == mqtt.PUBLISH:
                out.append(got)
                if got.qos:
                    client.send(mqtt.ack(mqtt.PUBACK if got.qos == 1 else mqtt.PUBREC, got.pid, version=client.version))
                flows += got.qos == 2
            else:
                self.assertEqual(got.kind, mqtt.PUBREL)
                client.send(mqtt.ack(mqtt.PUBCOMP, got.pid, version=client.version))
                flows -= 1
        return out

    # ---- how long

    def test_state_lasts_while_the_connection_is_open(self):
        topic = self.name()
        brief = self.far(topic + "brief", clean=False, props={"session_expiry": 1})
        ends = self.far(topic + "ends")
        for sub in (brief, ends):
            sub.subscribe((topic, 2))
        pub = self.client(topic + "p")
        pub.publish(topic, "before", 2)
        pids = [sub.expect(mqtt.PUBLISH).pid for sub in (brief, ends)]
        time.sleep(1.5)  # what is awaited is that time passes
        pub.publish(topic, "after", 1)
        for sub, pid in zip((brief, ends), pids):
            self.assertEqual(sub.receive().payload, b"after")
            sub.send(mqtt.ack(mqtt.PUBREC, pid))
            got = sub.expect(mqtt.PUBREL)
            self.assertEqual((got.pid, got.reason), (pid, 0))

    def test_state_goes_when_its_expiry_has_passed(self):
        topic = self.name()
        for client_id, expiry in (("at once", 0), ("soon", 1), ("later", 3600)):
            sub = self.far(topic + client_id, clean=False, props={"session_expiry": expiry})
            sub.subscribe((topic, 1))
            sub.close()
        pub = self.client(topic + "p")
        pub.publish(topic, "x", 1)
        for client_id in ("at once", "soon"):
            self.await_end(topic + client_id)
        for client_id, present in (("at once", 0), ("soon", 0), ("later", 1)):
            with self.subTest(client_id):
                back = self.client(topic + client_id, clean=False, props={"session_expiry": 3600})
                self.assertEqual(back.connack.session_present, present)
                if present:
                    self.assertEqual(back.receive().payload, b"x")
                else:  # subscriptions and queue are gone too
                    pub.publish(topic, "y", 1)
                self.quiet(back) if not present else self.assertEqual(back.receive().payload, b"y")

    def test_a_take_over_ends_a_session_that_lasts_as_long_as_its_connection(self):
        topic = self.name()
        sub = self.of_kind("persistent", topic)
        sub.subscribe((topic, 1))
        self.leave(sub)
        self.assertEqual(self.far(topic, clean=False, props={"session_expiry": 0}).connack.session_present, 1)
        back = self.of_kind("persistent", topic, False)
        self.assertEqual(back.connack.session_present, 0)
        self.client(topic + "p").publish(topic, "x", 1)
        self.quiet(back)

    def test_a_session_expiry_counts_from_the_end_of_the_connection(self):
        topic = self.name()
        client = self.far(topic, clean=False, props={"session_expiry": 3})
        client.subscribe((topic, 1))
        time.sleep(3.2)  # what is awaited is that time passes
        client.close()
        back = self.client(topic, clean=False, props={"session_expiry": 3600})
        self.assertEqual(back.connack.session_present, 1)

    def test_a_session_without_clean_session_lasts(self):
        for version in (3, 4):
            topic = f"{self.name()}/{version}"
            sub = self.of_kind("persistent", topic, version=version)
            sub.subscribe((topic, 2))
            pub = self.client(topic + "p", version)
            for end in (sub.close, lambda: self.leave(sub)):
                end()
                for qos in (1, 2):
                    pub.publish(topic, f"{qos}", qos)
                sub = self.of_kind("persistent", topic, False, version)
                self.assertEqual(sub.connack.session_present, 0 if version == 3 else 1)  # 3.1 has no such flag
                self.assertEqual([(g.payload, g.qos) for g in self.finish(sub, 2)], [(b"1", 1), (b"2", 2)])
                self.quiet(sub)

    def test_clean_session_starts_with_nothing_and_leaves_nothing(self):
        for version in VERSIONS:
            topic = f"{self.name()}/{version}"
            old = self.of_kind("persistent", topic, version=version)
            old.subscribe((topic, 1))
            old.close()
            pub = self.client(topic + "p", version)
            pub.publish(topic, "old", 1)
            clean = self.client(topic, version)
            self.assertEqual(clean.connack.session_present, 0)
            pub.publish(topic, "new", 1)
            self.quiet(clean)
            clean.subscribe((topic + "/c", 1))
            clean.close()
            back = self.of_kind("persistent", topic, version=version)
            self.assertEqual(back.connack.session_present, 0)
            pub.publish(topic, "x", 1)
            pub.publish(topic + "/c", "x", 1)
            self.quiet(back)

    def test_client_ids_tell_sessions_apart(self):
        topic = self.name()
        ids = ("a", "A", "b", "a ", "\u00e9", "e\u0301", "a/b", "0", "x" * 200)
        for i, client_id in enumerate(ids):
            sub = self.of_kind("persistent", topic + client_id)
            self.assertEqual(sub.connack.session_present, 0)
            sub.subscribe((f"{topic}/{i}", 1))
            sub.close()
        pub = self.client(topic + "p")
        for i, client_id in enumerate(ids):
            pub.publish(f"{topic}/{i}", str(i), 1)
        for i, client_id in enumerate(ids):
            back = self.of_kind("persistent", topic + client_id, far=False)
            self.assertEqual((back.connack.session_present, back.receive().payload), (1, str(i).encode()))
            self.quiet(back)

    def test_retained_messages_outlive_the_sessions(self):
        for version in VERSIONS:
            topic = f"{self.name()}/{version}"
            for kind in KINDS:
                pub = self.of_kind(kind, topic + kind, version=version)
                pub.publish(f"{topic}/{kind}", "kept", 1, retain=True)
                pub.close()
                self.client(topic + kind, version).close()  # a clean start ends the session
                sub = self.client(topic + "s", version)
                sub.subscribe((f"{topic}/{kind}", 1))
                self.assertEqual(sub.receive().payload, b"kept")

    # ---- who

    def test_a_message_that_is_ours_joins_every_matching_session(self):
        for version in VERSIONS:
            topic = f"{self.name()}/{version}"
            subs = {}
            for kind in KINDS:
                for where in (False, True):
                    name = f"{topic}{kind}{where}"
                    subs[name] = self.of_kind(kind, name, where, version)
                    subs[name].subscribe((topic + "/+", 2))
            away = self.of_kind("persistent", topic + "away", version=version)
            away.subscribe((topic + "/#", 2))
            other = self.of_kind("persistent", topic + "other", version=version)
            other.subscribe((topic + "/x/y", 2))
            for sub in (away, other):
                self.leave(sub)
            pub = self.client(topic + "p", version)
            for qos in (1, 2):
                pub.publish(topic + "/x", f"{qos}", qos)
            pub.close()
            for sub in subs.values():
                self.assertEqual([g.payload for g in self.finish(sub, 2)], [b"1", b"2"])
                self.quiet(sub)
            away = self.of_kind("persistent", topic + "away", False, version)
            self.assertEqual([g.payload for g in self.finish(away, 2)], [b"1", b"2"])
            self.quiet(self.of_kind("persistent", topic + "other", False, version))

    # ---- in which order

    def test_messages_of_one_publisher_keep_their_order(self):
        for version in VERSIONS:
            for kind in KINDS:
                for qos in (0, 1, 2):
                    with self.subTest(version=version, kind=kind, qos=qos):
                        topic = f"{self.name()}/{version}/{kind}/{qos}"
                        few = {"receive_maximum": 7} if version == 5 else None  # the rest waits for its turn
                        subs = [self.of_kind(kind, f"{topic}s{i}", bool(i), version, (None, few)[i]) for i in range(2)]
                        for sub in subs:
                            sub.subscribe((topic, 2))
                        pubs = [self.client(f"{topic}p{i}", version, (0, self.FAR)[i]) for i in range(2)]
                        n = 150
                        for i in range(n):  # without waiting for anything
                            for p, pub in enumerate(pubs):
                                pub.send(mqtt.publish(topic, f"{p}:{i}", qos, i + 1, version=version))
                        for sub in subs:
                            got = [g.payload.decode().split(":") for g in self.finish(sub, 2 * n)]
                            for p in "01":
                                self.assertEqual([int(i) for q, i in got if q == p], list(range(n)))
                        for client in subs + pubs:
                            client.close()

    def test_messages_that_waited_keep_their_order(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                topic = f"{self.name()}/{version}"
                sub = self.of_kind("persistent", topic, version=version)
                sub.subscribe((topic, 2))
                pub = self.client(topic + "p", version)
                for i in range(10):
                    pub.publish(topic, f"{i}", 1 + i % 2)
                sent = [sub.expect(mqtt.PUBLISH) for _ in range(10)]
                self.assertEqual([int(g.payload) for g in sent], list(range(10)))
                self.drop(sub, topic)
                for i in range(10, 20):
                    pub.publish(topic, f"{i}", 1 + i % 2)
                back = self.of_kind("persistent", topic, False, version)
                got = self.finish(back, 20)
                self.assertEqual([int(g.payload) for g in got], list(range(20)))
                self.assertEqual([g.dup for g in got], [True] * 10 + [False] * 10)


class OneGateway(Sessions, Ends):
    pass


class TwoGateways(Sessions, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
