# SPDX-License-Identifier: Apache-2.0
"""Users, roles and bans of a cluster through its HTTP API, in one line each."""

import json
import urllib.parse


class People:
    def __init__(self, cluster):
        self.cluster = cluster

    def ask(self, method, path, body=None, expected=(200, 201, 204), headers=None):
        status, text, _ = self.cluster.rest(method, "/api/v1" + path, None if body is None else json.dumps(body), headers)
        assert status in expected, (method, path, status, text)
        return json.loads(text) if text else None

    @staticmethod
    def _name(name):
        return urllib.parse.quote(name, safe="")

    def user(self, name, password=None, roles=(), rules=()):
        body = {"roles": list(roles), "rules": list(rules)}
        if password is not None:
            body["password"] = password
        self.ask("PUT", "/users/" + self._name(name), body)

    def password(self, name, password):
        self.ask("PUT", f"/users/{self._name(name)}/password", {"password": password})

    def rules(self, name, *rules):
        self.ask("PUT", f"/users/{self._name(name)}/rules", {"rules": list(rules)})

    def delete_user(self, name):
        self.ask("DELETE", "/users/" + self._name(name))

    def role(self, name, *rules):
        self.ask("PUT", "/roles/" + self._name(name), {"rules": list(rules)})

    def delete_role(self, name):
        self.ask("DELETE", "/roles/" + self._name(name))

    def ban(self, name, reason="a test", seconds=None):
        """name: kind:subject. Returns the name under which it is kept."""
        body = {"reason": reason}
        if seconds is not None:
            body["seconds"] = seconds
        return self.ask("PUT", "/bans/" + self._name(name), body)["name"]

    def unban(self, name):
        self.ask("DELETE", "/bans/" + self._name(name))
