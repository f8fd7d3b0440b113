# SPDX-License-Identifier: Apache-2.0
"""What the service answers when an address asks too often, and when there are no pages."""

import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "integration")]
from base import ClusterTest, http  # noqa: E402
from cluster import HOST  # noqa: E402


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
