# SPDX-License-Identifier: Apache-2.0
"""The REST endpoints of the replaced server with their exact bodies, on the four
running programs. The key goes by each of its three headers."""

import hashlib
import json
import unittest

from base import ClusterTest, mqtt, await_true
from cluster import API_KEY

NOT_FOUND = '{"code":404,"message":"User does not found"}'
INVALID = '{"code":400,"message":"Invalid request"}'


class Rest(ClusterTest):
    OPTIONS = {"anonymous": False}

    def ask(self, method, path, body=None, headers=None):
        status, text, _ = self.cluster.rest(method, "/rest" + path, None if body is None else json.dumps(body), headers)
        return status, text

    def test_users_are_created_read_updated_and_deleted(self):
        user = {"password": "aaaaaaa", "roles": ["ADMIN", "USER"]}
        self.assertEqual(self.ask("POST", "/user/Alexei", user), (201, "{}"))
        self.assertEqual(self.ask("POST", "/user/Alexei", user), (400, '{"code":400,"message":"Already exists."}'))
        self.assertEqual(self.ask("GET", "/user/Alexei"), (200, '{"roles":["ADMIN","USER"]}'))
        self.assertEqual(self.ask("GET", "/user/Alexei/status"), (200, '{"id":"Alexei","status":"off"}'))
        self.assertEqual(self.ask("PUT", "/user/Alexei", {"password": "bbbbbbb", "roles": ["GUEST", "USER"]}), (200, "{}"))
        self.assertEqual(self.ask("GET", "/user/Alexei"), (200, '{"roles":["GUEST","USER"]}'))
        self.assertEqual(self.ask("PUT", "/user/Alexei", {}), (415, INVALID))
        self.assertEqual(self.ask("POST", "/user/login/Alexei", {"password": "bbbbbbb"}),
                         (200, '{"success":true,"roles":["GUEST","USER"]}'))
        self.assertEqual(self.ask("DELETE", "/user/Alexei"), (200, "{}"))
        self.assertEqual(self.ask("GET", "/user/Alexei"), (404, NOT_FOUND))
        self.assertEqual(self.ask("DELETE", "/user/Alexei"), (404, NOT_FOUND))

    def test_put_creates_who_is_absent(self):
        self.assertEqual(self.ask("PUT", "/user/fresh", {"password": "x"}), (201, "{}"))
        self.assertEqual(self.ask("GET", "/user/fresh"), (200, '{"roles":[]}'))

    def test_unknown_users_are_not_found(self):
        for path in ("/user/nobody", "/user/nobody/status"):
            self.assertEqual(self.ask("GET", path), (404, NOT_FOUND))
        self.assertEqual(self.ask("POST", "/user/login/nobody", {"password": "x"}), (404, NOT_FOUND))

    def test_login_gives_a_cookie_that_checksession_believes(self):
        self.cluster.add_user("cookie", "right", ["ADMIN"])
        self.assertEqual(self.ask("POST", "/user/login/cookie", {"password": "wrong"}),
                         (200, '{"success":false,"roles":[]}'))
        status, text, headers = self.cluster.rest("POST", "/rest/user/login/cookie", '{"password":"right"}')
        self.assertEqual((status, text), (200, '{"success":true,"roles":["ADMIN"]}'))
        cookie = headers["Set-Cookie"]
        for part in ("sessionid=", "Max-Age=21600", "Path=/rest", "HttpOnly"):
            self.assertIn(part.lower(), cookie.lower())
        value = cookie.split(";")[0]
        self.assertEqual(self.ask("GET", "/server/checksession", headers={"Cookie": value}),
                         (200, '{"user":"cookie","roles":["ADMIN"]}'))
        self.assertEqual(self.ask("GET", "/server/checksession", headers={"Cookie": value[:-6] + "AAAAAA"}), (200, "{}"))
        self.assertEqual(self.ask("GET", "/server/checksession"), (200, "{}"))

    def test_statuses_come_in_the_order_asked_for(self):
        for name in ("st-one", "st-two"):
            self.cluster.add_user(name, "pw")
        client = self.client("whatever", user="st-two", password="pw")
        self.assertEqual(self.ask("GET", "/user/status?users=st-two,sam,st-one"),
                         (200, '[{"id":"st-two","status":"on"},{"id":"sam","status":"notFound"},'
                               '{"id":"st-one","status":"off"}]'))
        client.send(mqtt.disconnect())
        client.expect_closed()
        await_true("the user to be off", lambda: self.ask("GET", "/user/st-two/status")[1].endswith('"off"}'))
        self.client("st-one", user="st-two", password="pw")
        self.assertEqual(self.ask("GET", "/user/st-one/status"), (200, '{"id":"st-one","status":"on"}'))
        self.assertEqual(self.ask("GET", "/user/status"), (400, INVALID))

    def test_lists_are_cut_by_indexes(self):
        names = [f"list-{i:04}" for i in range(5)]
        for name in names:
            self.cluster.add_user(name, "pw", ["USER"])
        status, text = self.ask("GET", "/user/list?indexes=0,1000")
        self.assertEqual(status, 200)
        everybody = json.loads(text)
        self.assertEqual([u for u in everybody if u["user_name"] in names],
                         [{"user_name": n, "roles": ["USER"], "status": "off"} for n in names])
        self.assertEqual(json.loads(self.ask("GET", "/user/list?indexes=1,3")[1]), everybody[1:3])
        for bad in ("", "?indexes=", "?indexes=1", "?indexes=3,1", "?indexes=a,b", "?indexes=0,99999999"):
            self.assertEqual(self.ask("GET", "/user/list" + bad), (400, INVALID), bad)

    def test_the_key_is_needed_in_any_of_its_headers(self):
        for headers in ({"X-API-Key": API_KEY}, {"X-API-Key": None, "Authorization": API_KEY},
                        {"X-API-Key": None, "Authorization": "Bearer " + API_KEY}):
            self.assertEqual(self.ask("GET", "/user/nobody", headers=headers)[0], 404)
        for headers in ({"X-API-Key": None}, {"X-API-Key": "wrong"}, {"X-API-Key": ""},
                        {"X-API-Key": None, "Authorization": "Bearer wrong"}):
            self.assertEqual(self.ask("GET", "/user/nobody", headers=headers)[0], 401)

    def test_wrong_requests_get_their_status(self):
        self.assertEqual(self.ask("GET", "/nothing")[0], 404)
        self.assertEqual(self.ask("GET", "/user/list/x/y")[0], 404)
        self.assertEqual(self.ask("DELETE", "/user/list/status")[0], 405)
        status, _, headers = self.cluster.rest("PATCH", "/rest/user/x")
        self.assertEqual((status, headers["Allow"]), (405, "POST, GET, PUT, DELETE"))
        self.assertEqual(self.ask("GET", "/user/x", headers={"Accept": "text/html"})[0], 406)
        self.assertEqual(self.ask("POST", "/user/x", {"password": "x"}, {"Content-Type": "text/plain"})[0], 415)
        self.assertEqual(self.ask("POST", "/user/x", {"password": "x" * 100000})[0], 413)
        for body in ("", "{", "[]", '{"password":1}', '{"password":"x","roles":"ADMIN"}', "[" * 10000):
            self.assertEqual(self.cluster.rest("POST", "/rest/user/x", body)[:2], (400, INVALID), body[:40])
        self.assertEqual(self.ask("POST", "/user/" + "x" * 2000, {"password": "x"})[0], 400)

    def test_names_may_hold_any_character(self):
        for name in ("J%C3%BCrgen", "a%20b", "%27%20OR%201%3D1", "%F0%9F%9A%B0"):
            self.assertEqual(self.ask("POST", f"/user/{name}", {"password": "x"})[0], 201, name)
            self.assertEqual(self.ask("GET", f"/user/{name}")[0], 200, name)

    def test_an_md5_of_the_replaced_server_still_signs_in(self):
        digest = hashlib.md5(b"old-password").hexdigest()
        self.assertEqual(self.ask("POST", "/user/mover", {"password_md5": digest, "roles": ["USER"]})[0], 201)
        self.client(self.name(), user="mover", password="old-password")
        self.assertEqual(self.ask("POST", "/user/login/mover", {"password": digest})[1], '{"success":false,"roles":[]}')

    def test_without_the_store_the_answer_is_503(self):
        self.cluster["store"].kill()
        try:
            await_true("rest to notice", lambda: self.cluster["rest"].probe("/readyz")[0] == 503)
            status, text, headers = self.cluster.rest("GET", "/rest/user/Alexei")
            self.assertEqual(status, 503)
            self.assertIn("Retry-After", headers)
            self.assertEqual(json.loads(text)["code"], 503)
        finally:
            self.cluster["store"].restart()
            self.cluster["rest"].await_ready()


if __name__ == "__main__":
    unittest.main(verbosity=2)
