# SPDX-License-Identifier: Apache-2.0
"""--export and --import between real drivers: what a broker kept, and rows with all that is awkward,
go embedded -> MySQL -> Redis -> embedded; the last export equals the first."""

import json
import os
import unittest

import base  # noqa: F401 (paths)
import mqtt
from cluster import Cluster
from people import People
from transfer_rows import ODD, Drivers, lines, rows


class BetweenDrivers(Drivers):
    def live(self, c):
        """A broker with something of everything."""
        people = People(c)
        people.user("ann", "secret", roles=("USER",), rules=("allow publish a/#",))
        people.role("plumber", "allow subscribe pipes/#")
        people.ban("client:it's \"him\"", seconds=3600)
        people.ask("PUT", "/api-keys/key", {"roles": ["READER"]})
        port, stay = c.port(), {"session_expiry": 36000}
        with mqtt.Client(port) as away, mqtt.Client(port) as half, mqtt.Client(port) as sender, \
                mqtt.Client(port) as will:
            away.connect("away", clean=False, props=stay)
            away.subscribe(("q/#", 2 | 4 | 8 | 16), props={"subscription_id": 77})
            away.subscribe(("q/1", 1 | 32))
            half.connect("half", clean=False, props=stay)
            half.subscribe(("half/#", 2))
            will.connect("will", clean=False, props=stay,
                         will={"topic": "will/" + "x" * 100, "payload": b"\0\xff", "qos": 2, "retain": True,
                               "props": {"will_delay": 3600, "message_expiry": 500}})
            sender.connect("sender", clean=False, props=stay)
            away.close()
            for i in range(12):
                sender.publish(f"q/{i % 3}", bytes([i]) * 100, qos=i % 3,
                               props={"message_expiry": 9000, "user_property": ("k", "v"), "content_type": ODD[:4]})
                sender.publish(f"kept/{i}", b"\xff\0" * i, qos=1, retain=True,
                               props={"message_expiry": 9000 + i, "response_topic": "r"} if i % 2 else None)
            for i in range(3):  # one that the client has, one that it has received, one that it was sent
                sender.publish("half/1", str(i), qos=2)
                got = half.expect(mqtt.PUBLISH)
                if i < 2:
                    half.send(mqtt.ack(mqtt.PUBREC, got.pid))
                    half.expect(mqtt.PUBREL)
                if i == 0:
                    half.send(mqtt.ack(mqtt.PUBCOMP, got.pid))
            sender.send(mqtt.publish("q/inbound", b"twice?", qos=2, pid=4711))
            self.assertEqual(sender.expect(mqtt.PUBREC).pid, 4711)

    def test_all_state_goes_round_unchanged(self):
        with Cluster() as c:
            self.live(c)
            c["store"].end()
            self.move(c["store"].env, "export", self.path("live"))
            kinds = {json.loads(line)["type"] for line in lines(self.path("live"))}
            self.assertEqual(kinds, {"sluice", "meta", "user", "row", "retained", "session", "subscription", "queue",
                                     "inbound", "will", "tokens"})
            live = [line for line in lines(self.path("live"))]
            with open(self.path("all"), "wb") as f:
                f.write(b"\n".join([*live, *(json.dumps(row, ensure_ascii=False).encode() for row in rows())]) + b"\n")
            way = [("first", self.embedded("first")), ("mysql", self.mysql.settings()),
                   ("redis", self.redis.settings()), ("last", self.embedded("last"))]
            source = self.path("all")
            for name, settings in way:
                self.move(settings, "import", source)
                source = self.path(name + ".jsonl")
                self.move(settings, "export", source)
            first = lines(self.path("first.jsonl"))
            for name, _ in way:
                self.assertEqual(sorted(first), sorted(lines(self.path(name + ".jsonl"))), name)
            # embedded writes in the order of its own keys
            self.assertEqual(first, lines(self.path("last.jsonl")))
            for line in live:
                self.assertIn(line, first)
            self.assertEqual(len(first), len(live) + len(list(rows())))
            with open(self.path("back"), "wb") as f:
                f.writelines(line + b"\n" for line in lines(self.path("last.jsonl")) if line in live)
            c["store"].env.update(self.embedded("back.d"))
            self.move(c["store"].env, "import", self.path("back"))
            c["store"].restart().await_ready()
            c["gateway0"].await_ready()
            with mqtt.Client(c.port()) as away, mqtt.Client(c.port()) as sender:
                stay = {"session_expiry": 36000}
                self.assertTrue(away.connect("away", clean=False, props=stay).session_present)
                got = away.receive()
                self.assertEqual((got.payload, got.subscription_ids, got.props["content_type"]),
                                 (bytes([1]) * 100, [77], ODD[:4]))
                self.assertTrue(sender.connect("sender", clean=False, props=stay).session_present)
                sender.send(mqtt.ack(mqtt.PUBREL, 4711))
                self.assertEqual(sender.expect(mqtt.PUBCOMP).reason, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
