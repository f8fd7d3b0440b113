# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document of a running service as tests use it: operations by id, an example body for
each, and something for every parameter of a path."""

import json
import urllib.parse

from cluster import HOST, http

PREFIX = "/api/v1"


def quote(text):
    return urllib.parse.quote(text, safe="")


class Contract:
    def __init__(self, cluster):
        self.base = f"http://{HOST}:{cluster['rest'].env['SLUICE_PORT']}"
        self.document = json.loads(http(self.base + PREFIX + "/openapi.json")[1])
        self.operations = {o["operationId"]: (verb.upper(), path, o)
                           for path, verbs in self.document["paths"].items() for verb, o in verbs.items()}

    def url(self, operation, query=None, **path):
        filled = self.operations[operation][1].format(**{k: quote(v) for k, v in path.items()})
        return self.base + PREFIX + filled + ("?" + urllib.parse.urlencode(query) if query else "")

    def path_of(self, operation):
        """Something for each parameter of the path; nothing of it exists."""
        known = {"service": "core", "program": "nobody", "ban": "user:nobody", "topic": "no/body"}
        return {part[1:-1]: known.get(part[1:-1], "nobody")
                for part in self.operations[operation][1].split("/") if part.startswith("{")}

    @staticmethod
    def body_name(node):
        """The schema of an operation's body; "" when it takes none."""
        reference = node.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        return reference.get("$ref", "").rsplit("/", 1)[-1]

    def example(self, name):
        return self.document["components"]["schemas"][name]["examples"][0]

    def some_body(self, node):
        name = self.body_name(node)
        return self.example(name) if name else None
