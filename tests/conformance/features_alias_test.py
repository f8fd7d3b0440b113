# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0: topic aliases that the server uses towards clients which allow them."""

import unittest

from ends import KINDS, Ends, mqtt


class Aliases:
    def read(self, client, n):
        """n PUBLISHes as (topic on the wire, alias or None, topic meant), flows finished."""
        out, known = [], self.__dict__.setdefault("known", {}).setdefault(client, {})
        for _ in range(n):
            got = client.receive()
            alias = got.props.get("topic_alias")
            if alias is not None and got.topic:
                known[alias] = got.topic
            out.append((got.topic, alias, got.topic or known[alias]))
        return out

    def test_no_alias_is_used_when_the_client_allows_none(self):  # [MQTT-3.1.2-27]
        for props in (None, {"topic_alias_maximum": 0}):
            sub = self.far(self.name("s"), props=props)
            sub.subscribe((self.name(), 0))
            pub = self.client(self.name("p"))
            for _ in range(3):
                pub.publish(self.name(), "x", 1)
            self.assertEqual(self.read(sub, 3), [(self.name(), None, self.name())] * 3)

    def test_a_topic_is_sent_once_and_then_its_alias(self):
        for kind in KINDS:
            for qos in (0, 1, 2):
                with self.subTest(kind=kind, qos=qos):
                    topic = f"{self.name()}/{kind}/{qos}"
                    sub = self.of_kind(kind, topic, props={"topic_alias_maximum": 10})
                    sub.subscribe((topic, qos))
                    pub = self.client(topic + "p")
                    got = []
                    for _ in range(3):
                        pub.publish(topic, "x", qos)
                        got += self.read(sub, 1)
                    self.assertEqual(got, [(topic, 1, topic)] + [("", 1, topic)] * 2)

    def test_aliases_stay_within_the_maximum_and_go_to_the_most_frequent_topics(self):  # [MQTT-3.1.2-26]
        sub = self.far(self.name("s"), props={"topic_alias_maximum": 3})
        sub.subscribe((self.name() + "/#", 0))
        pub = self.client(self.name("p"))
        topics = [f"{self.name()}/{i}" for i in range(10)]
        sent = topics + topics[7:] * 20 + topics
        for topic in sent:
            pub.publish(topic, "x", 1)
        got = self.read(sub, len(sent))
        self.assertEqual([meant for _, _, meant in got], sent)
        self.assertLessEqual({alias for _, alias, _ in got}, {None, 1, 2, 3})
        short = [meant for topic, _, meant in got[-10:] if not topic]
        self.assertEqual(short, topics[7:])

    def test_aliases_end_with_the_connection(self):  # [MQTT-3.3.2-7]
        for _ in range(2):
            sub = self.of_kind("persistent", self.name("s"), props={"topic_alias_maximum": 5})
            sub.subscribe((self.name(), 1 | 2 << 4))
            pub = self.client(self.name("p"))
            for _ in range(2):
                pub.publish(self.name(), "x", 1)
            self.known = {}
            self.assertEqual([got[0] for got in self.read(sub, 2)], [self.name(), ""])
            self.drop(sub)

    def test_a_new_alias_does_not_break_the_maximum_packet_size(self):
        topic = self.name()
        plain = len(mqtt.publish(topic, "x", 0))
        for room, expected in ((0, [(topic, None, topic)] * 2), (3, [(topic, 1, topic), ("", 1, topic)])):
            with self.subTest(room=room):
                sub = self.far(self.name("s"), props={"topic_alias_maximum": 5, "maximum_packet_size": plain + room})
                sub.subscribe((topic, 0))
                pub = self.client(self.name("p"))
                for _ in range(2):
                    pub.publish(topic, "x", 1)
                self.assertEqual(self.read(sub, 2), expected)
                sub.close()


class OneGateway(Aliases, Ends):
    pass


class TwoGateways(Aliases, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
