# SPDX-License-Identifier: Apache-2.0
"""What strangers do to the HTTP API: every parameter and every member of every body with values of
wrong types, lengths and alphabets; paths that want out; bodies that are huge, deep or lies; keys of
others; 1,000 requests at once. Nothing but clean refusals comes back, never a 500, and the programs
(ASan) live on. SEED=... repeats a run. About a minute."""

import concurrent.futures
import json
import os
import random
import socket
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "integration")]
import cluster as programs  # noqa: E402
import jsonschema_small as schema  # noqa: E402
from base import ClusterTest, http  # noqa: E402
from cluster import API_KEY, HOST  # noqa: E402
from openapi import PREFIX, Contract  # noqa: E402

programs.FLAVOUR = os.environ.get("FLAVOUR", "asan")
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
SLOW = {"trace"}  # streams: their parameters are tried with seconds=1
AT_ONCE = 1000

VALUES = [None, True, -1, 0, 1, 1.5, 1e308, 2 ** 63, -2 ** 63, "", "x", "x" * 70000, "\u0000", "\u0001", "\uffff", "é" * 300,
          "\U0001f6b0", "../../etc/passwd", "%2e%2e", "' OR 1=1 --", "<script>", "a\nb", "#", "+", "$share/g/x", "$SYS/x", [], {},
          [[]], [None], ["x"] * 2000, {"a": {"b": {"c": {}}}}, "null", "\ud7ff"]


class Abuse(ClusterTest):
    OPTIONS = {"per": {"rest": {"SLUICE_RATE_ADDRESS": 0, "SLUICE_RATE_KEY": 0, "SLUICE_RATE_SIGN_IN": 0}}}

    @classmethod
    def setUpClass(cls):
        print("SEED", SEED, flush=True)
        super().setUpClass()
        cls.contract, cls.random = Contract(cls.cluster), random.Random(SEED)
        cls.port = int(cls.cluster["rest"].env["SLUICE_PORT"])

    def ask(self, url, verb, data=None, headers=None, timeout=30):
        sent = {"X-API-Key": API_KEY, **({"Content-Type": "application/json"} if data is not None else {}), **(headers or {})}
        status, text, answer = http(url, verb, data, sent, timeout)
        self.assertLess(status, 500, f"{verb} {url[:300]} {str(data)[:300]}: {text[:300]}")
        if status >= 400:
            self.assertEqual(answer["Content-Type"], "application/problem+json")
            self.assertEqual(schema.check(self.contract.document, {"$ref": "#/components/schemas/Problem"}, json.loads(text)), [])
        return status

    def test_every_member_of_every_body(self):
        statuses = {}
        for operation, (verb, _, node) in self.contract.operations.items():
            name = self.contract.body_name(node)
            if not name:
                continue
            url = self.contract.url(operation, **self.contract.path_of(operation))
            known = self.contract.document["components"]["schemas"][name]["properties"]
            for member in [*known, "unknown"]:
                for value in VALUES:
                    body = {**self.contract.example(name), member: value}
                    status = self.ask(url, verb, json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"))
                    statuses[status] = statuses.get(status, 0) + 1
        print("bodies:", statuses, flush=True)

    def test_every_parameter(self):
        statuses = {}
        for operation, (verb, _, node) in self.contract.operations.items():
            if operation in SLOW:
                continue
            body = self.contract.some_body(node)
            data = None if body is None else json.dumps(body)
            parameters = [schema.resolve(self.contract.document, p) for p in node.get("parameters", [])]
            for parameter in parameters:
                for value in VALUES:
                    text = value if isinstance(value, str) else json.dumps(value)
                    if len(text) > 20000:
                        text = text[:5000]
                    path, query, headers = self.contract.path_of(operation), {}, {}
                    try:
                        if parameter["in"] == "path":
                            path[parameter["name"]] = text
                        elif parameter["in"] == "query":
                            query[parameter["name"]] = text
                        else:
                            headers[parameter["name"]] = text.encode("latin-1", "ignore").decode("latin-1").replace("\n", "").replace("\0", "").replace("\1", "")
                        url = self.contract.url(operation, query, **path)
                    except UnicodeEncodeError:
                        continue
                    if "//" in url[8:] or url.endswith("/"):
                        continue  # an empty segment is another path
                    status = self.ask(url, verb, data, headers)
                    statuses[status] = statuses.get(status, 0) + 1
        print("parameters:", statuses, flush=True)

    def raw(self, request, wait=5):
        """The first line that comes back for these bytes; "" when the connection just ends."""
        with socket.create_connection((HOST, self.port), wait) as s:
            s.settimeout(wait)
            try:
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
                answer = b""
                while part := s.recv(65536):
                    answer += part
            except OSError:
                return ""
            return answer.split(b"\r\n")[0].decode("latin-1")

    def test_paths_bodies_and_heads_that_are_no_good(self):
        key = f"X-API-Key: {API_KEY}\r\n".encode()
        head = b" HTTP/1.1\r\nHost: x\r\n" + key
        for path in (b"/api/v1/../../etc/passwd", b"/api/v1/%2e%2e/%2e%2e/etc/passwd", b"/api/v1//users", b"/api/v1/users/%00",
                     b"/api/v1/users/%ff", b"/api/v1/users/%", b"/api/v1/users/" + b"a" * 20000, b"/api/v1", b"/api/v1x", b"//", b"*",
                     b"http://evil/api/v1/users", b"/\\..\\..", b"/api/v1/users?" + b"&".join(b"a=%d" % i for i in range(2000)),
                     b"/api/v1/users?limit=1;limit=2", b"/api/v1/users?%6cimit=1&limit=1", b"/rest/user/%2e%2e%2f", b"/rest/v3/..%2f"):
            for verb in (b"GET", b"POST", b"OPTIONS", b"TRACE", b"CONNECT", b"X" * 100):
                line = self.raw(verb + b" " + path + head + b"Connection: close\r\n\r\n")
                self.assertNotIn(" 500", line, path)
                if b"etc" in path:
                    self.assertNotIn(" 200", line)
        post = b"POST /api/v1/messages" + head + b"Content-Type: application/json\r\n"
        for rest in (b"Content-Length: 99999999999\r\n\r\n{}", b"Content-Length: -1\r\n\r\n{}", b"Content-Length: x\r\n\r\n{}",
                     b"Content-Length: 10\r\n\r\n{}", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
                     b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", b"X: " + b"y" * 100000 + b"\r\n\r\n",
                     b"\x00\x01\x02\r\n\r\n", b"Cookie: sluice_session=" + b"A" * 8000 + b"\r\nContent-Length: 2\r\n\r\n{}"):
            line = self.raw(post + rest, 2)
            self.assertNotIn(" 500", line, rest[:60])
            self.assertNotIn(" 200", line, rest[:60])
        for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\x00" * 1000, b"GET\r\n\r\n", b"\r\n" * 1000, bytes(self.random.randrange(256) for _ in range(5000))):
            self.assertNotIn(" 200", self.raw(junk, 2))

    def test_bodies_that_are_huge_or_deep(self):
        url = self.contract.url("publish")
        self.assertEqual(self.ask(url, "POST", b'{"topic":"x","payload":"' + b"y" * (3 << 20) + b'"}'), 413)
        for text in ("[" * 1000000, '{"a":' * 300000, '"' + "\\u0000" * 100000 + '"', "1" * 1000000, "{" + '"a":1,' * 200000 + '"b":1}'):
            self.assertEqual(self.ask(url, "POST", text.encode()[: (2 << 20) - 1]), 400)
        self.assertEqual(self.ask(url, "POST", b'{"topic":"x","payload":"' + b"y" * (1 << 20) + b'","qos":1}'), 200)
        batch = {"messages": [{"topic": "x", "payload": "y", "qos": 0}] * 1001}
        self.assertEqual(self.ask(self.contract.url("publishBatch"), "POST", json.dumps(batch).encode()), 400)

    def test_keys_of_others(self):
        made = json.loads(self.cluster.rest("PUT", PREFIX + "/api-keys/other", '{"roles":["READER"]}')[1])["secret"]
        users = self.contract.url("listUsers")
        for key in (made[:-1], made + "A", made.swapcase(), made[::-1], "A" * 43, "\xff" * 43, " " + made + "x", API_KEY[:-1], "*", "Bearer " + API_KEY + "x"):
            self.assertEqual(self.ask(users, "GET", headers={"X-API-Key": key}), 401, key)
        for cookie in ("sluice_session=", "sluice_session=AAAA", "sluice_session=" + "A" * 3999, "sluice_session=%00", "sessionid=AAAA"):
            self.assertEqual(http(users, "GET", None, {"Cookie": cookie})[0], 401, cookie)

    def test_many_requests_at_once(self):
        targets = [self.contract.url("listUsers"), self.contract.url("listPrograms"), self.contract.url("getOverview"),
                   self.contract.url("listClients"), self.contract.url("listSessions", {"limit": 1000})]
        before = self.cluster["rest"].rss_kb()

        def one(i):
            try:
                return http(targets[i % len(targets)], "GET", None, {"X-API-Key": API_KEY}, 60)[0]
            except OSError as error:
                return type(error).__name__

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            statuses = list(pool.map(one, range(AT_ONCE)))
        counts = {s: statuses.count(s) for s in set(statuses)}
        print("at once:", counts, "memory", before, "->", self.cluster["rest"].rss_kb(), "KiB", flush=True)
        self.assertLessEqual(set(counts), {200, 503})
        self.assertGreater(counts.get(200, 0), AT_ONCE // 2)
        self.assertEqual(self.cluster.rest("GET", PREFIX + "/users")[0], 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
