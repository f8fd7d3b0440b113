# SPDX-License-Identifier: Apache-2.0
"""For tests that move state with --export and --import: rows of every kind with all that is awkward."""

import base64
import os
import subprocess
import tempfile
import unittest

from cluster import FLAVOUR, TOP, await_true
from mariadb import MariaDB
from redis_server import Redis

# One character of each plane that has any, the edges of UTF-8's lengths, and what SQL, Lua and JSON quote.
ODD = "".join(map(chr, (0x1F642, 0x20000, 0x30000, 0xE0061, 0xF0000, 0x10FFFD, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFD))) + \
    "'\"`\\%_;--\r\n\t\x01\u2028{}[]$1 ?"


def command(settings, *args):
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")},
           "SLUICE_CLUSTER_SECRET": "test-secret-of-the-cluster", **settings}
    return [os.path.join(TOP, "build", FLAVOUR, "sluice-store"), "--http-port=0", *args], env


def store(settings, *args):
    """(exit code, output) of a sluice-store that moves data."""
    words, env = command(settings, *args)
    out = subprocess.run(words, capture_output=True, text=True, timeout=120, env=env)
    return out.returncode, out.stdout + out.stderr


def b64(data):
    return base64.b64encode(data).decode()


def text(key, value):
    """A text of a row: as it is, or in base64 when it is bytes."""
    return {key: value} if isinstance(value, str) else {key + "64": b64(value)}


def rows():
    """Rows of every kind with the largest and oddest values that each may have."""
    every_byte = bytes(range(256))
    long_name, long_topic = "n" * 60000 + ODD, ("t/" * 32000 + ODD.replace("\r", "")) + "/" * 100
    first, second = 7, 2**64 - 2
    yield {"type": "meta", "name": "odd 'meta'", "value64": b64(every_byte)}
    for name in ("it's", ODD, long_name, b"not \xff utf-8", "a\0b"):
        yield {"type": "user", "time_ms": 2**53 + 1, **text("name", name), "password": "scrypt$" + ODD,
               **text("roles", b"\x04USER"), "rules": "allow publish " + ODD}
        for kind in (1, 2, 3, 4):
            yield {"type": "row", "kind": kind, "time_ms": kind, **text("name", name), "content": ODD * 50}
    for topic in ("a/" + ODD, long_topic, "/", "//", " ", "a/b\x01c", "p\U0010FFFD/q"):
        yield {"type": "retained", "time_ms": 0, "topic": topic, "record64": b64(every_byte * 3)}
    for number, name in ((first, ODD), (second, long_name)):
        yield {"type": "session", "session": number if number < 2**63 else str(number), "epoch": str(2**64 - 1),
               "owner": 0, "conn": 0, "created_ms": 1, "disconnected_ms": 2, "seq_limit": str(2**63 + 5),
               "expiry_s": 2**32 - 1, "receive_maximum": 65535, "version": 5, "name": name, "user": ODD,
               "value64": b64(every_byte)}
        for options in range(8):
            yield {"type": "subscription", "session": number if number < 2**63 else str(number),
                   "identifier": 268435455 if options else 0, "qos": options % 3, "no_local": options & 1,
                   "retain_as_published": options >> 1 & 1, "retain_handling": options % 3,
                   "filter": (f"$share/{ODD.replace('+', '').replace('#', '')}/+/#" if options == 7 else
                              long_topic if options == 6 else f"{options}/{ODD}/#")}
        yield {"type": "will", "session": number if number < 2**63 else str(number), "time_ms": 2**62,
               "value64": b64(every_byte * 9)}
        for pid in (1, 65535):
            yield {"type": "inbound", "session": number if number < 2**63 else str(number), "packet_id": pid,
                   "outbox_seq": str(2**64 - 1)}
        for seq in range(1, 1200):
            state = seq % 6  # QoS 0 to 2, retained or not; the last ones were received by the client
            record = b"" if seq % 97 == 0 else every_byte[seq % 200:] * (1 + seq % 7)
            entry = {"type": "queue", "session": number if number < 2**63 else str(number),
                     "seq": seq if seq != 1199 else str(2**64 - 9), "flags": state % 3 | (4 if state > 2 else 0),
                     "record64": b64(record)}
            if seq % 3:
                entry["ids"] = [seq, 268435455][:seq % 3]
            yield entry
    for seq in (1, 2**63, 2**64 - 1):
        yield {"type": "outbox", "seq": seq if seq < 2**63 else str(seq), "record64": b64(every_byte * 500)}
        yield {"type": "tokens", "origin": seq if seq < 2**63 else str(seq), "value64": b64(every_byte)}


def lines(path):
    with open(path, "rb") as f:
        return f.read().splitlines()


class Drivers(unittest.TestCase):
    """The base of tests that move rows between drivers, with a MariaDB and a Redis of their own."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="sluice-transfer-")
        cls.mysql, cls.redis = MariaDB("--innodb-flush-log-at-trx-commit=2"), Redis("--appendfsync", "everysec")
        try:
            cls.mysql.start(wait=False)
            cls.redis.start()
            await_true("mariadbd answers", cls.mysql.answers, 60)
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.mysql.__exit__()
        cls.redis.__exit__()
        cls.directory.cleanup()

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def embedded(self, name):
        return {"SLUICE_DRIVER": "embedded", "SLUICE_DATA_DIR": self.path(name)}

    def move(self, settings, direction, path, expected=0):
        code, out = store(settings, "--" + direction, path)
        self.assertEqual(code, expected, out[-3000:])
        return out
