# SPDX-License-Identifier: Apache-2.0
"""/api/v1 by its own document: every operation, every example and every answer that the OpenAPI
document names is provoked on the four running programs; what is not provoked fails the last test.
Answers are checked against the document's schemas."""

import json
import re
import socket
import unittest

from base import ClusterTest, await_true, http, mqtt
import jsonschema_small as schema
from cluster import API_KEY, HOST, Program, free_ports
from openapi import PREFIX, Contract


class Walk(ClusterTest):
    """Tests run in the order of their names; each adds what it has seen to SEEN."""

    OPTIONS = {"anonymous": False, "per": {"store": {"SLUICE_QUEUE_MESSAGES": 3}}}
    SEEN, EXAMPLES = set(), set()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.contract = Contract(cls.cluster)
        cls.document, cls.operations = cls.contract.document, cls.contract.operations
        cls.SEEN.add(("getDocument", 200))
        cls.cluster.add_user("walker", "walker-1", ("USER",))
        cls.cluster.add_user("boss", "boss-1", ("ADMIN",))
        cls.reader = cls.call("putKey", 201, {"roles": ["READER"]}, key="walk-reader")["secret"]

    @classmethod
    def call(cls, operation, expect, body=None, query=None, headers=None, key=API_KEY, raw=None, **path):
        """One request; its status must be `expect`, its body what the document says. The path's
        parameters are keywords (key is one of them: `key` of /api-keys/{key})."""
        verb, template, node = cls.operations[operation]
        auth = API_KEY
        if "{key}" in template:
            path["key"] = key
        else:
            auth = key
        url = cls.contract.url(operation, query, **path)
        sent = {"X-API-Key": auth} if auth else {}
        data = raw if raw is not None else (None if body is None else json.dumps(body))
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        status, text, cls.headers = http(url, verb, data, {k: v for k, v in sent.items() if v is not None})
        assert status == expect, f"{operation} {path} {query or ''}: {status} instead of {expect}: {text[:500]}"
        assert str(status) in node["responses"], f"{operation}: the document does not name {status}"
        answer = schema.resolve(cls.document, node["responses"][str(status)])
        media = answer.get("content", {})
        kind = (cls.headers["Content-Type"] or "").split(";")[0]
        if media:
            assert kind in media, f"{operation} {status}: {kind} is not in the document"
        else:
            assert text == "", f"{operation} {status} has a body: {text[:200]}"
        value = json.loads(text) if kind.endswith("json") and kind != "application/x-ndjson" else text
        if kind in media:
            errors = schema.check(cls.document, media[kind]["schema"], value)
            assert not errors, f"{operation} {status}: {errors[:3]} in {text[:500]}"
        if status in (429, 503):
            assert int(cls.headers["Retry-After"]) >= 1
        if body is not None:
            cls.EXAMPLES.update((name, json.dumps(body)) for name in [cls.contract.body_name(node)] if name)
        cls.SEEN.add((operation, status))
        return value

    # ---- what every operation answers alike

    def test_a_without_a_key_nothing_is_told(self):
        for operation, (_, _, node) in self.operations.items():
            if not node["x-roles"]:
                continue
            path = self.contract.path_of(operation)
            for key in (None, "wrong-key-0123456789", "x" * 43):
                headers = {"X-API-Key": key} if "key" in path else None
                answer = self.call(operation, 401, self.contract.some_body(node), headers=headers,
                                   **({**path, "key": path.get("key", key)}))
                self.assertEqual(answer["code"], "who_are_you")
                self.assertIn("WWW-Authenticate", self.headers)

    def test_b_roles_are_those_of_the_document(self):
        user = self.sign_in("walker", "walker-1")
        for operation, (verb, _, node) in self.operations.items():
            roles, path = node["x-roles"], self.contract.path_of(operation)
            if not roles:
                continue
            if "READER" not in roles:
                headers = {"X-API-Key": self.reader}
                self.call(operation, 403, self.contract.some_body(node), headers=headers, **path)
            if operation not in ("whoAmI", "signOut"):  # those are for everybody
                headers = {"X-API-Key": None, **user}
                answer = self.call(operation, 403, self.contract.some_body(node), headers=headers, **path)
                self.assertEqual(answer["code"], "not_allowed")
        self.call("signOut", 403, headers={"X-API-Key": None, "Cookie": user["Cookie"]})

    def test_c_what_the_document_does_not_say_is_refused(self):
        for operation, (verb, _, node) in self.operations.items():
            path = self.contract.path_of(operation)
            answer = self.call(operation, 400, self.contract.some_body(node), query={"unknown": "1"}, **path)
            self.assertEqual(answer["errors"][0]["pointer"], "?unknown")
            self.call(operation, 406, self.contract.some_body(node), headers={"Accept": "image/png"}, **path)
            if self.contract.body_name(node):
                self.call(operation, 415, self.contract.some_body(node), headers={"Content-Type": "text/plain"}, **path)
                self.call(operation, 413, raw=b" " * (2 << 20) + b"{}", **path)
                for raw in ("{", "[]", '"x"', "null", '{"unknown":1}', "\x00", '{"a":1,"a":2}', "[" * 30000):
                    self.call(operation, 400, raw=raw, **path)
            elif verb != "GET":
                self.call(operation, 400, raw="{}", **path)

    # ---- people

    def sign_in(self, name, password):
        answer = self.call("signIn", 201, {"name": name, "password": password}, key=None)
        cookie = self.headers["Set-Cookie"]
        for word in ("HttpOnly", "SameSite=Strict", "Path=/api/v1"):
            self.assertIn(word, cookie)
        return {"Cookie": cookie.split(";")[0], "X-CSRF-Token": answer["csrf_token"]}

    def test_d_signing_in_and_out(self):
        self.call("signIn", 401, {"name": "walker", "password": "wrong"}, key=None)
        self.call("signIn", 401, {"name": "nobody", "password": "wrong"}, key=None)
        self.call("signIn", 403, {"name": "walker", "password": "walker-1"}, key=None,
                  headers={"Sec-Fetch-Site": "cross-site"})
        user = {"X-API-Key": None, **self.sign_in("walker", "walker-1")}
        me = self.call("whoAmI", 200, headers=user)
        self.assertEqual((me["kind"], me["name"], me["roles"]), ("user", "walker", ["USER"]))
        self.assertEqual(self.call("whoAmI", 200)["kind"], "configured")
        self.assertEqual(self.call("whoAmI", 200, headers={"X-API-Key": self.reader})["roles"], ["READER"])
        self.assertEqual(self.call("getUser", 200, headers=user, user="walker")["name"], "walker")
        self.call("getUserRules", 200, headers=user, user="walker")
        self.call("getUser", 403, headers=user, user="boss")
        change = {"password": "walker-2", "current": "walker-1"}
        self.call("putPassword", 403, change, headers={**user, "X-CSRF-Token": None}, user="walker")
        self.call("putPassword", 403, change, headers={**user, "X-CSRF-Token": "0" * 64}, user="walker")
        self.call("putPassword", 403, change, headers={**user, "Sec-Fetch-Site": "cross-site"}, user="walker")
        self.call("putPassword", 403, change, headers=user, user="boss")
        self.call("putPassword", 422, {"password": "x", "current": "wrong"}, headers=user, user="walker")
        self.call("putPassword", 204, change, headers=user, user="walker")
        self.call("whoAmI", 401, headers=user)  # any change of the user ends its sign-ins
        user = {"X-API-Key": None, **self.sign_in("walker", "walker-2")}
        other = {"X-API-Key": None, **self.sign_in("walker", "walker-2")}
        self.call("signOut", 204, headers=user)
        self.assertIn("Max-Age=0", self.headers["Set-Cookie"])
        for kept in (user, other):  # whoever kept the cookie, here or on another device, has nothing
            self.call("whoAmI", 401, headers=kept)
            self.call("signOut", 401, headers=kept)
        user = {"X-API-Key": None, **self.sign_in("walker", "walker-2")}
        self.assertEqual(self.call("getUser", 200, headers=user, user="walker")["roles"], ["USER"])
        self.call("signOut", 204)  # a key has nothing to end
        self.call("whoAmI", 200, headers=user)
        self.call("whoAmI", 401, headers={"X-API-Key": None, "Cookie": user["Cookie"][:-4] + "AAAA"})
        boss = {"X-API-Key": None, **self.sign_in("boss", "boss-1")}
        self.call("putPassword", 204, {"password": "walker-1"}, headers=boss, user="walker")
        self.call("putPassword", 404, self.contract.example("PasswordPut"), user="nobody")

    def test_e_users(self):
        user = self.contract.example("UserPut")
        made = self.call("putUser", 201, user, user="ann")
        self.assertEqual((made["roles"], made["rules"]), (user["roles"], user["rules"]))
        etag = self.headers["ETag"]
        self.assertEqual(etag, '"%x"' % made["revision"])
        self.call("putUser", 409, user, query={"create": "true"}, user="ann")
        self.call("putUser", 422, {"roles": ["USER"]}, user="without-password")
        self.call("putUser", 422, {"rules": ["allow nonsense x"]}, user="ann")
        again = self.call("putUser", 200, {"roles": ["READER"]}, headers={"If-Match": etag}, user="ann")
        self.assertEqual((again["roles"], again["rules"]), (["READER"], user["rules"]))
        self.call("putUser", 412, {"roles": []}, headers={"If-Match": etag}, user="ann")
        self.call("putUser", 412, {"roles": []}, headers={"If-Match": "nonsense"}, user="ann")
        self.call("getUser", 404, user="nobody")
        self.assertEqual(self.call("getUserRules", 200, user="ann")["rules"], user["rules"])
        self.call("getUserRules", 404, user="nobody")
        rules = self.contract.example("RulesPut")
        self.assertEqual(self.call("putUserRules", 200, rules, user="ann")["rules"], rules["rules"])
        self.call("putUserRules", 404, rules, user="nobody")
        self.call("putUserRules", 412, rules, headers={"If-Match": etag}, user="ann")
        self.call("putUserRules", 422, {"rules": ["nonsense"]}, user="ann")
        for i in range(25):
            self.call("putUser", 201, {"password": "x"}, user=f"page{i:02}")
        names, cursor = [], None
        while True:
            page = self.call("listUsers", 200, query={"limit": 7, "search": "page", **({"cursor": cursor} if cursor else {})})
            names += [u["name"] for u in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        self.assertEqual(names, [f"page{i:02}" for i in range(25)])
        self.assertEqual([u["name"] for u in self.call("listUsers", 200, query={"role": "READER"})["items"]], ["ann"])
        self.call("deleteUser", 412, headers={"If-Match": etag}, user="ann")
        self.call("deleteUser", 204, user="ann")
        self.call("deleteUser", 204, user="ann")
        self.call("getUser", 404, user="ann")

    def test_f_roles_bans_and_keys(self):
        rules = self.contract.example("RulesPut")
        self.assertEqual(self.call("putRole", 201, rules, role="sensor/é")["rules"], rules["rules"])
        etag = self.headers["ETag"]
        self.call("putRole", 200, {"rules": []}, headers={"If-Match": etag}, role="sensor/é")
        self.call("putRole", 412, rules, headers={"If-Match": etag}, role="sensor/é")
        self.call("putRole", 422, {"rules": ["nonsense"]}, role="bad")
        self.assertIn("sensor/é", [r["name"] for r in self.call("listRoles", 200)["items"]])
        self.call("getRole", 200, role="sensor/é")
        self.call("getRole", 404, role="nobody")
        self.call("deleteRole", 412, headers={"If-Match": etag}, role="sensor/é")
        self.call("deleteRole", 204, role="sensor/é")
        self.call("deleteRole", 204, role="sensor/é")

        ban = self.call("putBan", 201, self.contract.example("BanPut"), ban="client:c9")
        self.assertEqual((ban["kind"], ban["subject"], ban["reason"]), ("client", "c9", "too loud"))
        etag = self.headers["ETag"]
        self.call("putBan", 200, {}, ban="client:c9")
        self.call("putBan", 412, {}, headers={"If-Match": etag}, ban="client:c9")
        self.call("putBan", 422, {}, ban="nonsense:c9")
        self.call("putBan", 422, {}, ban="address:no-address")
        self.assertEqual(self.call("getBan", 200, ban="client:c9")["until"], None)
        self.call("getBan", 404, ban="client:nobody")
        self.assertEqual([b["name"] for b in self.call("listBans", 200)["items"]], ["client:c9"])
        self.call("deleteBan", 412, headers={"If-Match": etag}, ban="client:c9")
        self.call("deleteBan", 204, ban="client:c9")
        self.call("deleteBan", 204, ban="client:c9")

        key = self.call("putKey", 201, self.contract.example("KeyPut"), key="deploy")
        self.assertEqual(len(key["secret"]), 43)
        etag = self.headers["ETag"]
        self.call("listUsers", 200, headers={"X-API-Key": None, "Authorization": "Bearer " + key["secret"]})
        self.assertEqual(self.call("putKey", 200, {"roles": ["ADMIN"]}, key="deploy")["secret"], None)
        self.call("putKey", 412, {"roles": ["ADMIN"]}, headers={"If-Match": etag}, key="deploy")
        self.call("putKey", 422, {"roles": ["ADMIN"]}, key="é" * 200)
        self.assertEqual(self.call("getKey", 200, key="deploy")["roles"], ["ADMIN"])
        self.assertNotIn(key["secret"], json.dumps(self.call("listKeys", 200)))
        self.call("getKey", 404, key="nobody")
        self.call("deleteKey", 412, headers={"If-Match": etag}, key="deploy")
        self.call("deleteKey", 204, key="deploy")
        self.call("deleteKey", 204, key="deploy")
        self.call("listUsers", 401, headers={"X-API-Key": key["secret"]})

    # ---- clients, sessions, messages

    def test_g_clients_and_sessions(self):
        self.call("putUser", 201, {"password": "c", "rules": ["allow publish #", "allow subscribe #"]}, user="device")
        clients = [self.client(f"walk/{i}", user="device", password="c") for i in range(12)]
        sleeper = self.persistent("sleeper", user="device", password="c")
        sleeper.subscribe(("walk/+/t", 1))
        sleeper.send(mqtt.disconnect())
        await_true("the sleeper has gone", lambda: self.call("getSession", 200, client="sleeper")["state"] == "disconnected")
        clients[0].subscribe(("walk/#", 1))
        names, cursor = [], None
        while True:
            page = self.call("listClients", 200, query={"limit": 5, "search": "walk/", **({"cursor": cursor} if cursor else {})})
            names += [c["client"] for c in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        self.assertEqual(sorted(names), sorted(f"walk/{i}" for i in range(12)))
        self.call("listClients", 400, query={"cursor": "nonsense"})
        one = self.call("getClient", 200, client="walk/0")
        self.assertEqual((one["user"], one["gateway"], one["version"], one["subscriptions"]), ("device", "gateway0", "5.0", 1))
        self.call("getClient", 404, client="nobody")
        self.call("getClient", 404, client="sleeper")
        session = self.call("getSession", 200, client="sleeper")
        self.assertEqual((session["state"], session["persistent"], session["subscriptions"]), ("disconnected", True, 1))
        self.call("getSession", 404, client="nobody")
        sessions = self.call("listSessions", 200, query={"persistent": "true"})["items"]
        self.assertEqual([s["client"] for s in sessions], ["sleeper"])
        self.assertEqual(len(self.call("listSessions", 200, query={"state": "connected", "limit": 1000})["items"]), 12)
        who = self.call("listSubscriptions", 200, query={"topic": "walk/a/t"})["items"]
        self.assertEqual(sorted((s["client"], s["filter"], s["place"]) for s in who),
                         [("sleeper", "walk/+/t", "store"), ("walk/0", "walk/#", "gateway0")])
        self.assertEqual(self.call("listSubscriptions", 200, query={"client": "sleeper"})["items"][0]["qos"], 1)
        self.assertEqual(self.call("listSubscriptions", 200, query={"client": "walk/0"})["items"][0]["filter"], "walk/#")
        self.call("listSubscriptions", 422)
        message = {"topic": "walk/a/t", "payload": "hello", "qos": 1}
        self.assertEqual(self.call("publish", 200, message), {"state": "delivered", "matched": True})
        self.assertEqual(clients[0].receive().payload, b"hello")
        session = self.call("getSession", 200, client="sleeper")
        self.assertEqual((session["queued"], session["queued_bytes"] > 0), (1, True))
        clients[1].subscribe(("$share/g/jobs", 1))
        groups = self.call("listGroups", 200)["items"]
        self.assertEqual([(g["share"], g["place"], g["members"]) for g in groups], [("$share/g/jobs", "gateway0", 1)])
        self.assertEqual(self.call("listGroups", 200, query={"topic": "jobs"})["items"], groups)
        self.assertEqual(self.call("listGroups", 200, query={"topic": "jobs/x"})["items"], [])
        self.call("listGroups", 400, query={"topic": "jobs/#"})
        self.call("disconnectClient", 204, client="walk/3")
        self.assertEqual(clients[3].expect(mqtt.DISCONNECT).reason, 0x98)
        await_true("it is gone", lambda: "walk/3" not in json.dumps(self.call("listClients", 200)))
        self.call("disconnectClient", 204, client="walk/3")
        self.call("disconnectMany", 422, {"per_second": 10})
        self.call("disconnectMany", 202, {"search": "walk/1", "per_second": 100})  # walk/1, walk/10, walk/11
        self.assertEqual(clients[1].expect(mqtt.DISCONNECT).reason, 0x98)
        await_true("they are gone", lambda: len(self.call("listClients", 200)["items"]) == 8)
        self.call("disconnectMany", 202, self.contract.example("Disconnects"))
        self.call("deleteSession", 204, client="sleeper")
        self.call("getSession", 404, client="sleeper")
        self.call("deleteSession", 204, client="sleeper")

    def test_h_messages(self):
        self.call("publish", 200, self.contract.example("Message"))
        self.assertEqual(self.call("publish", 200, {"topic": "nobody", "qos": 0})["state"], "sent")
        self.call("publish", 422, {"topic": "x", "payload": "a", "payload_base64": "YQ=="})
        self.call("publish", 422, {"topic": "$SYS/x"})
        self.call("publish", 422, {"topic": "$share/g/x"})
        self.call("getRetained", 404, topic="$share/g/x")
        self.call("publish", 400, {"topic": "x/#"})
        self.call("publish", 400, {"topic": "x", "qos": 3})
        self.assertEqual(len(self.call("publishBatch", 200, self.contract.example("Batch"))["results"]), 2)
        self.call("publishBatch", 422, {"messages": [{"topic": "x", "payload": "a", "payload_base64": "YQ=="}]})
        self.call("putRetained", 200, self.contract.example("RetainedPut"), topic="keep/a")
        full = {"payload_base64": "/wA=", "qos": 2, "expiry": 1000, "properties": {
            "content_type": "x/y", "response_topic": "r", "correlation_data": "aGk=", "payload_is_text": False,
            "user_properties": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}}
        self.call("putRetained", 200, full, topic="keep/b")
        self.call("putRetained", 422, {"payload": ""}, topic="keep/c")
        kept = self.call("getRetained", 200, topic="keep/b")
        self.assertEqual((kept["payload"], kept["payload_base64"], kept["qos"], kept["bytes"]), (None, "/wA=", 2, 2))
        self.assertEqual(len(kept["properties"]["user_properties"]), 2)
        self.assertEqual(self.call("getRetained", 200, topic="keep/a")["payload"], "21.5")
        self.call("getRetained", 404, topic="keep/nothing")
        self.assertEqual([r["topic"] for r in self.call("listRetained", 200, query={"filter": "keep/#"})["items"]], ["keep/a", "keep/b"])
        first = self.call("listRetained", 200, query={"filter": "keep/#", "limit": 1})
        self.assertEqual([r["topic"] for r in self.call("listRetained", 200, query={
            "filter": "keep/#", "limit": 1, "cursor": first["next"]})["items"]], ["keep/b"])
        for odd in ("x" + "é" * 700, "é" * 700, "x\u0001y"):  # longer than an entry of the audit, and no text for one
            self.call("deleteRetained", 204, topic=odd)
            said = odd[:512].replace("\u0001", "\ufffd")
            self.assertTrue(self.call("listAudit", 200, query={"limit": 1})["items"][0]["subject"].startswith(said[:500]), odd)
        self.call("deleteRetained", 204, topic="keep/a")
        self.call("deleteRetained", 204, topic="keep/a")
        self.call("getRetained", 404, topic="keep/a")

    # ---- programs

    def test_i_programs(self):
        programs = self.call("listPrograms", 200)["items"]
        self.assertEqual(sorted((p["service"], p["name"]) for p in programs),
                         [("core", "core0"), ("gateway", "gateway0"), ("rest", "rest"), ("store", "store")])
        for service, name in (("core", "core0"), ("gateway", "gateway0"), ("rest", "rest"), ("store", "store")):
            path = {"service": service, "program": name}
            program = self.call("getProgram", 200, **path)
            self.assertEqual((program["ready"], program["reachable"]), (True, True))
            self.call("getProgram", 404, service=service, program="nobody")
            settings = {s["name"]: s["value"] for s in self.call("listSettings", 200, **path)["items"]}
            self.assertEqual(settings["cluster-secret"], "***")
            self.call("listSettings", 404, service=service, program="nobody")
            self.assertEqual(self.call("getLogLevel", 200, **path)["level"], "info")
            self.call("getLogLevel", 404, service=service, program="nobody")
            self.assertEqual(self.call("putLogLevel", 200, self.contract.example("LogLevel"), **path)["level"], "debug")
            self.assertEqual(self.call("getLogLevel", 200, **path)["level"], "debug")
            self.call("putLogLevel", 200, {"level": "info"}, **path)
            self.call("putLogLevel", 404, {"level": "info"}, service=service, program="nobody")
            self.call("putLogLevel", 400, {"level": "loud"}, **path)
        self.assertEqual(len(self.call("listPrograms", 200, query={"service": "gateway"})["items"]), 1)
        overview = self.call("getOverview", 200)
        self.assertEqual((overview["gateways"], overview["unreachable"]), (1, []))

    def test_j_a_gateway_is_emptied_and_takes_clients_again(self):
        self.call("putUser", 201, {"password": "c"}, user="emptied")
        client = self.client("emptied", user="emptied", password="c")
        self.assertFalse(self.call("getDrain", 200, program="gateway0")["draining"])
        self.assertTrue(self.call("putDrain", 202, self.contract.example("DrainPut"), program="gateway0")["draining"])
        self.assertEqual(client.expect(mqtt.DISCONNECT).reason, 0x8B)
        self.assertEqual(self.cluster["gateway0"].probe("/readyz")[0], 503)
        self.raw().connect("emptied", reason=0x88, user="emptied", password="c")
        self.call("deleteDrain", 204, program="gateway0")
        await_true("ready", self.cluster["gateway0"].is_ready)
        self.client("emptied", user="emptied", password="c")
        for operation in ("getDrain", "putDrain", "deleteDrain"):
            self.call(operation, 404, self.contract.example("DrainPut") if operation == "putDrain" else None, program="nobody")

    def test_k_audit(self):
        page = self.call("listAudit", 200, query={"limit": 3})
        self.assertEqual(len(page["items"]), 3)
        older = self.call("listAudit", 200, query={"limit": 3, "cursor": page["next"]})
        self.assertEqual(older["items"][0]["number"], page["items"][-1]["number"] - 1)
        self.call("listAudit", 400, query={"cursor": "nonsense"})
        lines = [json.loads(line) for line in self.call("exportAudit", 200).splitlines()]
        self.assertEqual([e["number"] for e in lines], list(range(lines[0]["number"], lines[0]["number"] + len(lines))))
        for what in ("user.put", "user.sign_out", "role.delete", "ban.put", "key.put", "client.disconnect", "session.delete",
                     "retained.put", "program.log_level", "gateway.drain"):
            self.assertIn(what, [e["what"] for e in lines])
        self.assertIn("user walker", [e["actor"] for e in lines])
        self.assertNotIn("walker-2", json.dumps(lines))

    def begin_trace(self, query):
        """A stream of a trace, and what came of it up to its head: everybody watches then."""
        s = socket.create_connection((HOST, int(self.cluster["rest"].env["SLUICE_PORT"])), 60)
        self.addCleanup(s.close)
        s.sendall(f"GET {PREFIX}/trace?{query} HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n\r\n".encode())
        return s, self.read_until(s, b"\r\n\r\n")

    def read_until(self, s, pattern, text=b""):
        while not re.search(pattern, text):
            part = s.recv(65536)
            self.assertNotEqual(part, b"", text)
            text += part
        return text

    def events(self, text):
        self.assertIn("text/event-stream", text)
        found = [json.loads(line[6:]) for line in text.splitlines() if line.startswith('data: {"')]
        self.assertTrue(all(not schema.check(self.document, {"$ref": "#/components/schemas/TraceEvent"}, e) for e in found), found)
        return found

    def test_l_trace(self):
        self.call("trace", 422)
        self.call("putUser", 201, {"password": "c", "rules": ["allow publish open/#", "deny publish #"]}, user="traced")
        self.read_until(self.begin_trace("client=nobody&seconds=1")[0], b"event: end")
        s, text = self.begin_trace("client=traced&seconds=60")
        client = self.client("traced", user="traced", password="c")
        client.publish("open/a", b"x", 1)
        client.publish("secret/a", b"x", 1)
        client.send(mqtt.disconnect())
        found = self.events(self.read_until(s, rb'"closed".*\n\n', text).decode())
        kinds = [(e["event"], e.get("topic")) for e in found]
        for kind in (("connected", ""), ("accepted", "open/a"), ("denied", "secret/a"), ("closed", "")):
            self.assertIn(kind, kinds)
        self.SEEN.add(("trace", 200))

    def test_m_traces_say_what_queues_do(self):
        self.call("putUser", 201, {"password": "c", "rules": ["allow all queue/#"]}, user="queues")
        sleeper = self.persistent("sleeps", user="queues", password="c")
        sleeper.subscribe(("queue/#", 1))
        sleeper.send(mqtt.disconnect())
        await_true("it sleeps", lambda: self.call("getSession", 200, client="sleeps")["state"] == "disconnected")
        of_client, seen = self.begin_trace("client=sleeps&seconds=60")
        of_topic, seen_of_topic = self.begin_trace("topic=queue/%2B&seconds=60")
        speaker = self.client("speaks", user="queues", password="c")
        for i in range(5):  # the queue holds three
            speaker.publish(f"queue/{i}", b"x", 1, retain=i == 4)
        seen = self.events(self.read_until(of_client, rb'"dropped".*\n(.*\n)*.*"dropped".*\n\n', seen).decode())
        self.assertEqual({(e["place"], e["client"]) for e in seen}, {("store", "sleeps")})
        self.assertEqual([(e["event"], e["topic"], e["detail"]) for e in seen if e["event"] == "queued"][:3],
                         [("queued", f"queue/{i}", f"the client is not connected; {i + 1} in the queue") for i in range(3)])
        self.assertEqual([(e["topic"], e["detail"]) for e in seen if e["event"] == "dropped"],
                         [("queue/0", "queue_full"), ("queue/1", "queue_full")])
        kept = self.events(self.read_until(of_topic, rb'"retained".*\n\n', seen_of_topic).decode())
        self.assertEqual([(e["place"], e["client"], e["topic"]) for e in kept if e["event"] == "retained"], [("store", "", "queue/4")])
        speaker.publish("queue/late", b"x", 1, props={"message_expiry": 0})
        late = self.events(self.read_until(of_topic, rb'"expired.*\n\n', b"text/event-stream").decode())
        self.assertIn(("dropped", "store", "queue/late"), [(e["event"], e["place"], e["topic"]) for e in late])
        self.call("deleteSession", 204, client="sleeps")
        ended = self.events(self.read_until(of_client, rb'"session_end.*\n\n', b"text/event-stream").decode())
        self.assertIn(("dropped", "session_end, 3 messages"), [(e["event"], e["detail"]) for e in ended])
        self.call("deleteRetained", 204, topic="queue/4")
        member = self.client("member", user="queues", password="c")
        member.subscribe(("$share/team/queue/#", 1))
        of_topic, picked = self.begin_trace("topic=queue/picked&seconds=60")
        speaker.publish("queue/picked", b"x", 1)
        picked = self.events(self.read_until(of_topic, rb'"picked",.*\n\n', picked).decode())
        self.assertIn(("core0", "queue/picked", "$share/team/queue/#: gateway0"),
                      [(e["place"], e["topic"], e["detail"]) for e in picked if e["event"] == "picked"])

    # ---- what is left

    def test_x_examples_of_bodies_have_been_sent(self):
        sent = {name for name, _ in self.EXAMPLES}
        wanted = {self.contract.body_name(node) for _, _, node in self.operations.values()} - {""}
        self.assertEqual(wanted - sent, set())
        for name, node in self.document["components"]["schemas"].items():
            for example in node.get("examples", []):
                self.assertEqual(schema.check(self.document, node, example), [], name)

    def test_w_another_copy_and_too_many_requests(self):
        """The copy takes one request a second of a key or user, and one sign-in a minute."""
        ports = [str(port) for port in free_ports(2)]
        limited = Program(self.cluster, "rest-limited", "rest", dict(
            self.cluster["rest"].env, SLUICE_PORT=ports[0], SLUICE_HTTP_PORT=ports[1], SLUICE_RATE_KEY="1", SLUICE_RATE_SIGN_IN="1"))
        self.addCleanup(limited.end)
        limited.start().await_ready()
        user = {"X-API-Key": None, **self.sign_in("walker", "walker-1")}
        there = f"http://{HOST}:{ports[0]}{PREFIX}/session"
        self.assertEqual(http(there, headers={"Cookie": user["Cookie"]})[0], 200)
        self.call("signOut", 204, headers=user)  # here: it has ended at every copy
        self.assertEqual(http(there, headers={"Cookie": user["Cookie"]})[0], 401)
        for operation, (verb, _, node) in self.operations.items():
            if "429" not in node["responses"]:
                continue
            body = self.contract.some_body(node)
            query = None if operation == "signIn" else {"unknown": "1"}  # changes nothing while it is not refused yet
            url = self.contract.url(operation, query, **self.contract.path_of(operation)).replace(
                f":{self.cluster['rest'].env['SLUICE_PORT']}/", f":{ports[0]}/")

            def is_refused():
                status, text, headers = http(url, verb, None if body is None else json.dumps(body),
                                             {"X-API-Key": API_KEY, "Content-Type": "application/json"})
                if status == 429:
                    self.assertEqual(json.loads(text)["code"], "too_many_requests")
                    self.assertGreaterEqual(int(headers["Retry-After"]), 1)
                return status == 429
            await_true(f"429 of {operation}", is_refused, every=0)
            self.SEEN.add((operation, 429))

    def test_y_nobody_is_there(self):
        user = {"X-API-Key": None, **self.sign_in("boss", "boss-1")}
        self.cluster["core0"].kill()
        try:
            await_true("the store to notice", lambda: "peer_down service=core" in self.cluster["store"].log())
            self.assertEqual(self.call("publish", 202, {"topic": "a", "payload": "x", "qos": 1}), {"state": "queued", "matched": None})
            self.assertEqual(self.call("putRetained", 202, {"payload": "x"}, topic="late")["state"], "queued")
            self.cluster["store"].kill()
            await_true("rest to notice", lambda: self.cluster["rest"].probe("/readyz")[0] == 503)
            await_true("and of the core", lambda: not self.cluster["rest"].health()["cores"][0]["up"])
            for operation, (_, _, node) in self.operations.items():
                if "503" not in node["responses"]:
                    continue
                path = self.contract.path_of(operation)
                query = {"listSubscriptions": {"topic": "x"}, "trace": {"client": "x"},
                         "listPrograms": {"service": "gateway"}}.get(operation)
                if operation in ("whoAmI", "signOut", "getOverview"):  # asks nobody, unless to know who asks
                    self.call(operation, 204 if operation == "signOut" else 200)
                    self.call(operation, 503, headers=user if operation == "signOut" else {"X-API-Key": self.reader})
                    continue
                key = None if not node["x-roles"] else API_KEY
                if "key" in path:
                    self.call(operation, 503, self.contract.some_body(node), query, **path)
                else:
                    self.call(operation, 503, self.contract.some_body(node), query, key=key, **path)
            self.assertEqual(len(self.call("getOverview", 200)["unreachable"]), 2)
            self.call("listPrograms", 200)
        finally:
            self.cluster["store"].kill()  # no matter how far this came
            self.cluster["store"].restart()
            self.cluster["core0"].restart()
            for name in ("store", "core0", "gateway0", "rest"):
                self.cluster[name].await_ready()
        await_true("it is retained", lambda: "late" in json.dumps(self.call("listRetained", 200)))

    def test_z_all_that_the_document_names_has_been_seen(self):
        wanted = {(operation, int(status)) for operation, (_, _, node) in self.operations.items()
                  for status in node["responses"] if status != "default"}
        self.assertEqual(sorted(wanted - self.SEEN), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
