# SPDX-License-Identifier: Apache-2.0
"""Shared subscriptions: `$share/group/filter`, with all members on the gateway of the
publisher and with members on two gateways (member number i is on gateway i modulo 2)."""

import unittest

from ends import KINDS, Ends, await_true, mqtt

VERSIONS = (3, 4, 5)


class Member:
    """A member of a group: takes all that comes, finishes its QoS flows, and keeps the payloads."""

    def __init__(self, client):
        self.client, self.got, self.packets = client, [], []

    def drain(self):
        """Everything that is there now: the answer to a PINGREQ comes behind it."""
        client = self.client
        client.send(mqtt.packet(mqtt.PINGREQ))
        while True:
            packet = client.recv()
            if packet.kind == mqtt.PINGRESP:
                return self
            if packet.kind == mqtt.PUBLISH:
                self.got.append(packet.payload.decode())
                self.packets.append(packet)
                if packet.qos:
                    client.send(mqtt.ack(mqtt.PUBACK if packet.qos == 1 else mqtt.PUBREC, packet.pid))
            elif packet.kind == mqtt.PUBREL:
                client.send(mqtt.ack(mqtt.PUBCOMP, packet.pid))
            else:
                raise AssertionError(packet)


class Shared:
    def share(self, group="g", topic=None):
        return f"$share/{self.name()}-{group}/{topic or self.name()}"

    def member(self, index, filters=None, kind="clean", version=5, props=None, sub_props=None, qos=2):
        gateway = index % self.GATEWAYS
        client_id = self.name(f"-m{index}")
        if kind == "clean":
            client = self.client(client_id, version, gateway, props=props)
        else:
            more = dict(props or {}, session_expiry=3600) if version == 5 else None
            client = self.client(client_id, version, gateway, clean=False, props=more)
        filters = filters or [self.share()]
        got = client.subscribe(*[(f, qos) for f in filters], props=sub_props)
        self.assertEqual(got.reasons, [qos] * len(filters))
        return Member(client)

    def publisher(self, version=5):
        return self.client(self.name("-pub"), version)

    def send(self, publisher, count, qos=1, start=0, topic=None):
        sent = [str(i) for i in range(start, start + count)]
        for payload in sent:
            publisher.publish(topic or self.name(), payload, qos)
        return sent

    def gather(self, members, count):
        """All payloads of the members, once as many as expected are there."""
        def enough():
            for member in members:
                member.drain()
            return sum(len(m.got) for m in members) >= count
        await_true(f"{count} messages at {len(members)} members", enough)
        for member in members:
            member.drain()
        return sorted((p for m in members for p in m.got), key=int)

    def test_connack_says_that_shared_subscriptions_are_available(self):
        self.assertEqual(self.client(self.name()).connack.props.get("shared_available", 1), 1)

    def test_suback_grants_the_qos_in_all_versions_and_sessions(self):
        for version in VERSIONS:
            for kind in KINDS:
                client = self.of_kind(kind, f"{self.name()}-{version}-{kind}", version=version)
                self.assertEqual(client.subscribe(*[(self.share(str(q)), q) for q in range(3)]).reasons, [0, 1, 2])
                self.assertEqual(client.unsubscribe(*[self.share(str(q)) for q in range(3)]).reasons,
                                 [0, 0, 0] if version == 5 else [])

    def test_no_local_on_a_shared_subscription_is_a_protocol_error(self):
        """[MQTT-3.8.3-4]"""
        self.fails(mqtt.subscribe(1, [(self.share(), 1 | 4)]), 0x82)

    def malformed(self, *filters):
        for filter_ in filters:
            for version in VERSIONS:
                with self.subTest(filter=filter_, version=version):
                    client = self.client(self.name("-bad"), version)
                    client.send(mqtt.subscribe(1, [(filter_, 1)], version))
                    if version == 5:
                        self.assertEqual(client.expect(mqtt.DISCONNECT).reason, 0x8F)
                    client.expect_closed()

    def test_a_share_name_is_at_least_one_character(self):
        """[MQTT-4.8.2-1]"""
        self.malformed("$share//x")

    def test_a_share_name_has_no_wildcard_and_a_filter_follows(self):
        """[MQTT-4.8.2-2]"""
        self.malformed("$share/g", "$share/g/", "$share/+/x", "$share/g#/x", "$share/g/x/#/y")

    def test_each_message_goes_to_one_member_in_turn(self):
        for kind in KINDS:
            for qos in (0, 1, 2):
                with self.subTest(kind=kind, qos=qos):
                    topic = f"{self.name()}/{kind}/{qos}"
                    members = [self.member(10 * qos + i, [self.share(kind, topic)], kind) for i in range(2)]
                    sent = self.send(self.publisher(), 10, qos, topic=topic)
                    self.assertEqual(self.gather(members, 10), sent)
                    self.assertEqual([len(m.got) for m in members], [5, 5])
                    for member in members:
                        self.assertEqual({p.qos for p in member.packets}, {qos})
                        self.drop(member.client)

    def test_members_of_all_versions_and_sessions_share(self):
        members = [self.member(i, kind=KINDS[i % 2], version=VERSIONS[i % 3]) for i in range(6)]
        sent = self.send(self.publisher(3), 24)
        self.assertEqual(self.gather(members, 24), sent)
        self.assertEqual([len(m.got) for m in members], [4] * 6)

    def test_every_group_gets_every_message_once(self):
        """Groups are told apart by share name and by filter."""
        groups = [self.share("a"), self.share("b"), self.share("a", self.name() + "/#")]
        members = {g: [self.member(10 * n + i, [g]) for i in range(2)] for n, g in enumerate(groups)}
        plain = self.member(50, [self.name()])
        sent = self.send(self.publisher(), 10)
        for group in groups:
            self.assertEqual(self.gather(members[group], 10), sent, group)
        self.assertEqual(self.gather([plain], 10), sent)

    def test_a_client_gets_its_share_beside_its_own_subscription(self):
        member = self.member(0, [self.share(), self.name()])
        sent = self.send(self.publisher(), 4)
        self.assertEqual(self.gather([member], 8), sorted(sent * 2, key=int))

    def test_members_of_several_groups_in_one_client(self):
        """One copy for each of its shared subscriptions."""
        for kind in KINDS:
            topic = f"{self.name()}/{kind}"
            shares = [self.share("a" + kind, topic), self.share("b" + kind, topic)]
            member = self.member(KINDS.index(kind), shares, kind)
            sent = self.send(self.publisher(), 4, 2, topic=topic)
            self.assertEqual(self.gather([member], 8), sorted(sent * 2, key=int))

    def test_unsubscribed_members_get_nothing(self):
        for kind in KINDS:
            topic = f"{self.name()}/{kind}"
            share = self.share(kind, topic)
            first, second = [self.member(10 * KINDS.index(kind) + i, [share], kind) for i in range(2)]
            self.assertEqual(first.client.unsubscribe(share, share).reasons, [0, 0x11])
            sent = self.send(self.publisher(), 4, topic=topic)
            self.assertEqual(self.gather([second], 4), sent)
            self.assertEqual(first.drain().got, [])
            self.assertEqual(second.client.unsubscribe(share).reasons, [0])
            self.send(self.publisher(), 2, topic=topic)
            self.assertEqual(second.drain().got, sent)

    def test_no_retained_messages(self):
        self.publisher().publish(self.name(), "old", 1, True)
        for kind in KINDS:
            for handling in range(3):
                client = self.of_kind(kind, f"{self.name()}-{kind}-{handling}")
                client.subscribe((self.share(f"{kind}{handling}"), 1 | handling << 4))
                client.nothing()

    def test_subscription_identifier_and_retain_as_published(self):
        for kind in KINDS:
            topic = f"{self.name()}/{kind}"
            client = self.of_kind(kind, self.name(kind))
            client.subscribe((self.share(kind, topic), 1 | 8), props={"subscription_id": 77})
            self.publisher().publish(topic, "x", 1, True)
            got = client.receive()
            self.assertEqual((got.subscription_ids, got.retain), ([77], True))

    def test_messages_come_at_the_qos_granted_to_the_member(self):
        """[MQTT-4.8.2-3]"""
        for kind in KINDS:
            for sub in range(3):
                for pub in range(3):
                    topic = f"{self.name()}/{kind}/{sub}{pub}"
                    client = self.of_kind(kind, topic)
                    client.subscribe((self.share(f"{kind}{sub}{pub}", topic), sub))
                    self.publisher().publish(topic, "x", pub)
                    self.assertEqual(client.receive().qos, min(sub, pub))
                    client.close()

    def test_nothing_can_be_published_to_a_share(self):
        member = self.member(0)
        self.assertGreaterEqual(self.publisher().publish(self.share(), "x", 1), 0x80)
        self.assertEqual(member.drain().got, [])

    def hold_one(self, qos, index=0, **options):
        """A member that has got one message and says nothing."""
        member = self.member(index, **options)
        self.publisher().publish(self.name(), "0", qos)
        return member, member.client.expect(mqtt.PUBLISH)

    def test_what_a_lost_member_did_not_acknowledge_goes_to_another(self):
        first, _ = self.hold_one(1)
        second = self.member(1)
        self.drop(first.client)
        self.assertEqual(self.gather([second], 1), ["0"])

    def test_what_waits_for_a_lost_member_goes_to_another(self):
        for qos in (1, 2):
            topic = f"{self.name()}/{qos}"
            first = self.member(10 * qos, [self.share(str(qos), topic)], props={"receive_maximum": 1})
            sent = self.send(self.publisher(), 6, qos, topic=topic)
            first.client.expect(mqtt.PUBLISH)
            second = self.member(10 * qos + 1, [self.share(str(qos), topic)])
            self.drop(first.client)
            expected = sent if qos == 1 else sent[1:]
            self.assertEqual(self.gather([second], len(expected)), expected)

    def test_a_qos2_message_that_was_received_goes_to_nobody_else(self):
        """[MQTT-4.8.2-5]"""
        for kind in KINDS:
            topic = f"{self.name()}/{kind}"
            share = self.share(kind, topic)
            first = self.member(0, [share], kind)
            self.publisher().publish(topic, "0", 2)
            got = first.client.expect(mqtt.PUBLISH)
            if kind == "persistent":
                first.client.send(mqtt.ack(mqtt.PUBREC, got.pid))
                first.client.expect(mqtt.PUBREL)
            second = self.member(1, [share])
            self.drop(first.client)
            if kind == "persistent":
                self.leave(self.client(self.name("-m0")))  # a clean start ends the session
            self.await_gone(self.name("-m0"))  # else it might be the one picked for what comes now
            sent = self.send(self.publisher(), 3, 2, 1, topic)  # behind whatever the loss could bring
            self.assertEqual(self.gather([second], 3), sent)

    def test_a_qos2_flow_is_completed_with_the_client_that_began_it(self):
        """[MQTT-4.8.2-4]"""
        first, packet = self.hold_one(2, kind="persistent")
        second = self.member(1)
        self.drop(first.client)
        again = self.client(self.name("-m0"), gateway=self.GATEWAYS - 1, clean=False, props={"session_expiry": 3600})
        got = again.receive()
        self.assertEqual((got.payload, got.pid, got.dup), (b"0", packet.pid, True))
        self.assertEqual(second.drain().got, [])

    def test_a_refused_message_goes_to_nobody_else(self):
        """[MQTT-4.8.2-6]"""
        for qos, kind in ((1, mqtt.PUBACK), (2, mqtt.PUBREC)):
            topic = f"{self.name()}/{qos}"
            share = self.share(str(qos), topic)
            first = self.member(10 * qos, [share])
            self.publisher().publish(topic, "0", qos)
            got = first.client.expect(mqtt.PUBLISH)
            second = self.member(10 * qos + 1, [share])
            first.client.send(mqtt.ack(kind, got.pid, 0x83))
            first.client.nothing()
            self.drop(first.client)
            self.await_gone(self.name(f"-m{10 * qos}"))
            sent = self.send(self.publisher(), 2, qos, 1, topic)
            self.assertEqual(self.gather([second], 2), sent)

    def test_a_member_whose_window_is_full_is_passed_over(self):
        slow = self.member(0, props={"receive_maximum": 1})
        fast = self.member(1)
        sent = self.send(self.publisher(), 12)
        held = slow.client.expect(mqtt.PUBLISH).payload.decode()
        rest = [p for p in sent if p != held]
        self.assertEqual(self.gather([fast], 11), rest)

    def test_messages_too_large_for_one_member_go_to_another(self):
        small = self.member(0, props={"maximum_packet_size": 64})
        large = self.member(1)
        publisher = self.publisher()
        for i in range(6):
            publisher.publish(self.name(), str(i).rjust(100, "0"), 1)
        self.assertEqual(self.gather([large], 6), [str(i).rjust(100, "0") for i in range(6)])
        self.assertEqual(small.drain().got, [])

    def test_sleeping_members_get_nothing_while_somebody_is_awake(self):
        sleeper = self.member(0, kind="persistent")
        self.leave(sleeper.client)
        for kind in KINDS:
            awake = self.member(1 + KINDS.index(kind), kind=kind)
            sent = self.send(self.publisher(), 4)
            self.assertEqual(self.gather([awake], 4), sent)
            awake.client.unsubscribe(self.share())
        again = self.client(self.name("-m0"), clean=False, props={"session_expiry": 3600})
        again.nothing()

    def away(self, index, held=1, qos=1):
        """A persistent member that has got messages, acknowledged none, and is gone."""
        member = self.member(index, kind="persistent", props={"receive_maximum": 1})
        sent = self.send(self.publisher(), held, qos)
        member.client.expect(mqtt.PUBLISH)
        self.drop(member.client)
        return sent

    def test_what_a_sleeping_member_did_not_acknowledge_goes_to_one_that_is_awake(self):
        for kind in KINDS:
            index = 10 * KINDS.index(kind)
            awake = self.member(index + 1, kind=kind)
            member = self.member(index, kind="persistent", props={"receive_maximum": 1})
            sent = self.send(self.publisher(), 12)
            member.client.expect(mqtt.PUBLISH)
            self.drop(member.client)
            self.assertEqual(self.gather([awake], 12), sent)
            again = self.client(self.name(f"-m{index}"), clean=False, props={"session_expiry": 3600})
            again.nothing()
            again.unsubscribe(self.share())
            awake.client.unsubscribe(self.share())

    def test_what_waits_for_sleeping_members_goes_to_the_first_that_comes(self):
        for kind in KINDS:
            index = 10 * KINDS.index(kind)
            sent = self.away(index, 5)
            first = self.member(index + 1, kind=kind)
            self.assertEqual(self.gather([first], 5), sent)
            again = self.client(self.name(f"-m{index}"), clean=False, props={"session_expiry": 3600})
            again.nothing()
            again.unsubscribe(self.share())
            first.client.unsubscribe(self.share())

    def test_a_lone_member_that_returns_gets_its_messages_again(self):
        sent = self.away(0, 3)
        again = Member(self.client(self.name("-m0"), clean=False, props={"session_expiry": 3600}))
        self.assertEqual(self.gather([again], 3), sent)
        self.assertEqual([p.dup for p in again.packets], [True, False, False])

    def test_what_waits_for_a_session_that_ends_goes_to_another(self):
        other = self.member(1, kind="persistent")
        self.leave(other.client)
        member = self.member(0, kind="persistent", props={"receive_maximum": 1})
        sent = self.send(self.publisher(), 4)
        member.client.expect(mqtt.PUBLISH)
        self.leave(member.client, 0, {"session_expiry": 0})
        again = Member(self.client(self.name("-m1"), clean=False, props={"session_expiry": 3600}))
        self.assertEqual(self.gather([again], 4), sent)

    def test_a_sleeping_member_keeps_messages_when_nobody_is_awake(self):
        sleepers = [self.member(i, kind="persistent") for i in range(2)]
        for sleeper in sleepers:
            self.leave(sleeper.client)
        sent = self.send(self.publisher(), 6)
        back = [Member(self.client(self.name(f"-m{i}"), clean=False, props={"session_expiry": 3600}))
                for i in range(2)]
        self.assertEqual(self.gather(back, 6), sent)


class OneGateway(Shared, Ends, unittest.TestCase):
    pass


class TwoGateways(Shared, Ends, unittest.TestCase):
    GATEWAYS, FAR = 2, 1


class Strategy(Shared):
    """One class for each setting; inherits nothing that runs by itself."""

    STRATEGY, GATEWAYS = "", 2

    @classmethod
    def setUpClass(cls):
        cls.OPTIONS = {"per": {"core": {"SLUICE_SHARED_STRATEGY": cls.STRATEGY}}}
        super().setUpClass()

    def spread(self, publishers=1, topics=1, count=40):
        """How many each of four members got: a list for each publisher and topic."""
        members = [self.member(i, [self.share("g", self.name() + "/+")]) for i in range(4)]
        out = []
        for p in range(publishers):
            publisher = self.client(self.name(f"-pub{p}"))
            for t in range(topics):
                sent = self.send(publisher, count, topic=f"{self.name()}/{t}")
                self.assertEqual(self.gather(members, count), sent)
                out.append([len(m.got) for m in members])
                for member in members:
                    member.got.clear()
        return out


def strategy(name):
    return type("Strategy_" + name.replace("-", "_"), (StrategyBase,), {"STRATEGY": name})


class StrategyBase(Strategy, Ends):
    def test_messages_are_spread_as_the_setting_says(self):
        check = getattr(self, "check_" + self.STRATEGY.replace("-", "_"), None)
        if check is None:
            self.skipTest("the base of the classes below")
        check()

    def check_random(self):
        counts = self.spread(count=200)[0]
        self.assertGreater(min(counts), 10)  # 50 expected; chance of less: below 1e-12
        self.assertNotEqual(counts, [50] * 4)

    def check_sticky(self):
        for counts in self.spread(2, 2):
            self.assertEqual(sorted(counts), [0, 0, 0, 40])

    def check_hash_client(self):
        rows = self.spread(6, 2)
        for row in rows:
            self.assertEqual(sorted(row), [0, 0, 0, 40])
        self.assertEqual(rows[0::2], rows[1::2])  # the same client, another topic

    def check_hash_topic(self):
        rows = self.spread(2, 12)
        for row in rows:
            self.assertEqual(sorted(row), [0, 0, 0, 40])
        self.assertEqual(rows[:12], rows[12:])  # the same topic, another client
        self.assertGreater(len({tuple(r) for r in rows}), 1)

    def check_local(self):
        for counts in self.spread():
            self.assertEqual(counts, [20, 0, 20, 0])  # members 0 and 2 are where the publisher is
        for i in (0, 2):  # without them the others have it
            self.client(self.name(f"-m{i}"))
        members = [Member(c) for c in self.clients[1:4:2]]
        sent = self.send(self.publisher(), 4, topic=self.name() + "/0")
        self.assertEqual(self.gather(members, 4), sent)


Random, Sticky, HashClient, HashTopic, Local = map(strategy, ("random", "sticky", "hash-client", "hash-topic", "local"))
for hidden in (name for name in dir(Shared) if name.startswith("test_")):
    setattr(Strategy, hidden, None)  # those are of the classes above


if __name__ == "__main__":
    del StrategyBase
    unittest.main(verbosity=2)
