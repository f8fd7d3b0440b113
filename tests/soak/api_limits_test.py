# SPDX-License-Identifier: Apache-2.0
"""What the API answers when it is asked too often, when there is no core, and when there are no pages."""

import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "integration")]
from base import ClusterTest, await_true, http  # noqa: E402
from cluster import API_KEY, HOST  # noqa: E402
from openapi import Contract  # noqa: E402


class TooMany(ClusterTest):
    """Every operation answers 429 when its key has asked too often."""

    OPTIONS = {"per": {"rest": {"SLUICE_RATE_KEY": "1", "SLUICE_RATE_SIGN_IN": "2"}}}

    def test_every_operation(self):
        contract = Contract(self.cluster)
        for operation, (verb, _, node) in contract.operations.items():
            if "429" not in node["responses"]:
                continue
            body = contract.some_body(node)
            for _ in range(20):
                status, text, headers = http(contract.url(operation, **contract.path_of(operation)), verb,
                                             None if body is None else json.dumps(body),
                                             {"X-API-Key": API_KEY, "Content-Type": "application/json"})
                if status == 429:
                    break
            self.assertEqual(status, 429, operation)
            self.assertEqual(json.loads(text)["code"], "too_many_requests")
            self.assertGreaterEqual(int(headers["Retry-After"]), 1)


class Alone(ClusterTest):
    def test_without_a_core_a_message_is_queued(self):
        self.cluster["core0"].kill()
        await_true("the store to notice", lambda: self.cluster["store"].metric("sluice_store_serving") == 0
                   or "peer_down service=core" in self.cluster["store"].log())
        status, text, _ = self.cluster.rest("POST", "/api/v1/messages", json.dumps({"topic": "a", "payload": "x", "qos": 1}))
        self.assertEqual((status, json.loads(text)), (202, {"state": "queued", "matched": None}))
        status, text, _ = self.cluster.rest("PUT", "/api/v1/retained/a", json.dumps({"payload": "x"}))
        self.assertEqual((status, json.loads(text)["state"]), (202, "queued"))
        self.cluster["core0"].restart()
        self.cluster["store"].await_ready()
        await_true("it is retained", lambda: self.cluster.rest("GET", "/api/v1/retained/a")[0] == 200)


class WithoutPages(ClusterTest):
    OPTIONS = {"per": {"rest": {"SLUICE_WEB_DIR": "/nonexistent", "SLUICE_RATE_ADDRESS": "5"}}}

    def test_pages_say_how_to_get_them_and_too_many_requests_are_refused(self):
        port = self.cluster["rest"].env["SLUICE_PORT"]
        status, text, _ = http(f"http://{HOST}:{port}/rest/v3/swagger-ui")
        self.assertEqual(status, 503)
        self.assertIn("make web", text)
        status, text, _ = http(f"http://{HOST}:{port}/")
        self.assertEqual(status, 200)
        answers = [self.cluster.rest("GET", "/rest/server/checksession") for _ in range(30)]
        refused = [a for a in answers if a[0] == 429]
        self.assertGreaterEqual(len(refused), 15)
        self.assertEqual(json.loads(refused[0][1])["code"], 429)
        self.assertGreaterEqual(int(refused[0][2]["Retry-After"]), 1)
        status, text, headers = self.cluster.rest("GET", "/api/v1/users")
        self.assertEqual((status, headers["Content-Type"]), (429, "application/problem+json"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
