# SPDX-License-Identifier: Apache-2.0
"""From one store to several and back with --export and --import: each shard takes what is its own from the
same file, nothing is lost and nothing is there twice."""

import collections
import json
import os
import tempfile
import unittest

import base  # noqa: F401 (paths)
from transfer_rows import b64, lines, rows, store

SHARDS = 3


def fleet():
    """Rows of many sessions, each with something below it."""
    for i in range(300):
        number = 2**32 + i
        yield {"type": "session", "session": number, "epoch": i, "owner": 0, "conn": 0, "created_ms": 1,
               "disconnected_ms": 2, "seq_limit": 4096, "expiry_s": 3600, "receive_maximum": 10, "version": 5,
               "name": f"client {i}", "user": "", "value64": ""}
        yield {"type": "subscription", "session": number, "identifier": 0, "qos": 1, "no_local": 0,
               "retain_as_published": 0, "retain_handling": 0, "filter": f"{i}/#"}
        yield {"type": "queue", "session": number, "seq": i + 1, "flags": 1, "record64": b64(b"%d" % i)}
        yield {"type": "inbound", "session": number, "packet_id": i + 1, "outbox_seq": 1}
        yield {"type": "will", "session": number, "time_ms": 2**60, "value64": b64(b"will %d" % i)}
        yield {"type": "retained", "time_ms": 0, "topic": f"kept/{i}", "record64": b64(b"retained %d" % i)}


class Divide(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="sluice-divide-")
        self.addCleanup(self.directory.cleanup)

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def write(self, name, content):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write('{"type":"sluice","version":1}\n')
            f.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
        return self.path(name)

    def settings(self, number, count):
        return {"SLUICE_DRIVER": "embedded", "SLUICE_DATA_DIR": self.path(f"data-{number}-{count}"),
                "SLUICE_SHARD": str(number), "SLUICE_SHARDS": str(count)}

    def into(self, number, count, source, expected=0):
        """Imports into that shard, exports it again; the file of that, or what was said."""
        code, out = store(self.settings(number, count), "--import", source)
        self.assertEqual(code, expected, out[-3000:])
        if expected != 0:
            return out
        path = self.path(f"{number}-of-{count}")
        code, out = store(self.settings(number, count), "--export", path)
        self.assertEqual(code, 0, out[-3000:])
        return path

    def content(self, *paths):
        """Counts of rows, with sessions known by their names: (type, name, all other fields)."""
        out = collections.Counter()
        for path in paths:
            names = {}
            for line in lines(path):
                row = json.loads(line)
                kind = row.pop("type")
                if kind == "sluice" or (kind == "meta" and row["name"] in ("import", "shard")):
                    continue
                number = int(row.pop("session", 0))
                if kind == "session":
                    names[number] = row["name"]
                out[kind, names.get(number), json.dumps(row, sort_keys=True)] += 1
        return out

    def concatenate(self, name, *paths):
        with open(self.path(name), "wb") as f:
            for path in paths:
                f.writelines(line + b"\n" for line in lines(path))
        return self.path(name)

    def test_one_becomes_three_and_one_again(self):
        whole = self.into(0, 1, self.write("all", [*rows(), *fleet()]))
        parts = [self.into(k, SHARDS, whole) for k in range(SHARDS)]
        all_of, each = self.content(whole), [self.content(part) for part in parts]
        for kind in ("session", "subscription", "queue", "will", "retained"):
            of_kind = {key: n for key, n in all_of.items() if key[0] == kind}
            together = collections.Counter()
            for part in each:
                mine = {key: n for key, n in part.items() if key[0] == kind}
                self.assertTrue(mine, kind)
                together.update(mine)
            self.assertEqual(together, of_kind, kind)  # each once
        for kind in ("user", "row", "meta", "outbox"):  # with shard 0, whole
            of_kind = {key: n for key, n in all_of.items() if key[0] == kind}
            self.assertEqual({key: n for key, n in each[0].items() if key[0] == kind}, of_kind, kind)
            self.assertFalse([key for part in each[1:] for key in part if key[0] == kind], kind)
        tokens = [key for key in all_of if key[0] == "tokens"]
        for number, (path, part) in enumerate(zip(parts, each)):
            self.assertEqual([key for key in part if key[0] == "tokens"], tokens)
            for line in lines(path):
                row = json.loads(line)
                if row["type"] == "session":
                    self.assertEqual(int(row["session"]) >> 58, number)
                elif row["type"] == "inbound":  # its publish is in the outbox of shard 0
                    self.assertEqual(int(row["outbox_seq"]) == 0, number != 0)
        again = self.content(self.fresh(self.concatenate("together", *parts)))

        def but(content):
            """Tokens of several stores are no one's; inbound packet ids lost their place in the outbox."""
            return {key: n for key, n in content.items() if key[0] not in ("tokens", "inbound")}
        self.assertEqual(but(again), but(all_of))
        self.assertEqual(sum(key[0] == "inbound" for key in again), sum(key[0] == "inbound" for key in all_of))

    def fresh(self, source):
        """As into(0, 1) of data that nobody has."""
        settings = {**self.settings(0, 1), "SLUICE_DATA_DIR": self.path("fresh")}
        for direction, path in (("--import", source), ("--export", self.path("fresh.jsonl"))):
            code, out = store(settings, direction, path)
            self.assertEqual(code, 0, out[-3000:])
        return self.path("fresh.jsonl")

    def test_a_shard_moves_unchanged(self):
        part = self.into(1, 2, self.write("all", fleet()))
        settings = {**self.settings(1, 2), "SLUICE_DATA_DIR": self.path("moved")}
        for direction, path in (("--import", part), ("--export", self.path("moved.jsonl"))):
            code, out = store(settings, direction, path)
            self.assertEqual(code, 0, out[-3000:])
        self.assertEqual(lines(part), lines(self.path("moved.jsonl")))
        self.assertEqual(self.content(self.into(0, 2, part)), {})  # the other one gets nothing of it

    def test_what_cannot_be_divided_is_refused_whole(self):
        last = self.into(2, 3, self.write("all", fleet()))
        with open(last, "a") as f:
            f.write('{"type":"outbox","seq":1,"record64":"aGk="}\n')
        self.assertIn("messages are on their way to cores", self.into(0, 2, last, expected=2))
        self.into(2, 4, last)  # there it has a place
        twice = self.concatenate("twice", self.path("all"), self.path("all"))
        self.assertIn("comes twice", self.into(0, 6, twice, expected=2))


if __name__ == "__main__":
    unittest.main(verbosity=2)
