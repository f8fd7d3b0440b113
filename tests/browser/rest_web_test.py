# SPDX-License-Identifier: Apache-2.0
"""(Here because it fetches Swagger UI from npm.) What rest serves beside data: Swagger UI and the documents, files of the console, headers that
browsers obey, other origins, TLS with a certificate that is renewed, limits of requests."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", f) for f in ("lib", "integration")]
from base import ClusterTest, await_true, http  # noqa: E402
from certs import Authority  # noqa: E402
from cluster import API_KEY, HOST, TOP, free_ports  # noqa: E402


def make_web():
    """The directory of pages: Swagger UI as `make web` gets it, and a console of two files."""
    directory = tempfile.mkdtemp(prefix="sluice-web-")
    subprocess.run([os.path.join(TOP, "services", "web.sh")], check=True)
    assert os.path.exists(os.path.join(TOP, "build/web/swagger-ui/version")), "make web could not fetch Swagger UI"
    shutil.copytree(os.path.join(TOP, "build/web/swagger-ui"), os.path.join(directory, "swagger-ui"))
    os.makedirs(os.path.join(directory, "console", "img"))
    for name, text in (("index.html", "<!DOCTYPE html>console"), ("img/a.svg", "<svg/>"), (".secret.txt", "no")):
        with open(os.path.join(directory, "console", name), "w") as f:
            f.write(text)
    with open(os.path.join(directory, "outside.txt"), "w") as f:
        f.write("outside")
    return directory


class Web(ClusterTest):
    WEB = None

    @classmethod
    def setUpClass(cls):
        cls.WEB = make_web()
        cls.ca, cls.port = Authority(), free_ports(1)[0]
        cls.cert, cls.key = cls.ca.issue("rest-one", san="IP:127.0.0.1")
        cls.OPTIONS = {"per": {"rest": {
            "SLUICE_WEB_DIR": cls.WEB, "SLUICE_CORS_ORIGINS": "https://ops.example", "SLUICE_HTTPS_PORT": cls.port,
            "SLUICE_HTTPS_CERT": cls.cert, "SLUICE_HTTPS_KEY": cls.key}}}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.WEB)

    def get(self, path, headers=None, method="GET"):
        return http(f"http://{HOST}:{self.cluster['rest'].env['SLUICE_PORT']}{path}", method, None, headers or {})

    def test_swagger_ui_and_its_files_need_no_key(self):
        status, text, headers = self.get("/rest/v3/swagger-ui")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("script-src 'self';", headers["Content-Security-Policy"])
        for part in ("swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-initializer.js"):
            self.assertIn(f"/rest/v3/{part}", text)
            status, body, headers = self.get(f"/rest/v3/{part}")
            self.assertEqual(status, 200, part)
            self.assertGreater(len(body), 300)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertNotIn("http://", text)
        self.assertNotIn("https://", text)

    def test_the_documents_are_there(self):
        status, text, headers = self.get("/rest/v3/swagger-spec")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertEqual(len(json.loads(text)["paths"]), 7)
        status, text, _ = self.get("/api/v1/openapi.json")
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(text)["openapi"], "3.1.0")

    def test_a_file_that_is_known_is_not_sent_again(self):
        status, text, headers = self.get("/")
        self.assertEqual((status, text), (200, "<!DOCTYPE html>console"))
        self.assertIn("connect-src 'self' ws://127.0.0.1:* wss://127.0.0.1:*", headers["Content-Security-Policy"])
        status, text, _ = self.get("/", {"If-None-Match": headers["ETag"]})
        self.assertEqual((status, text), (304, ""))
        self.assertEqual(self.get("/img/a.svg")[2]["Content-Type"], "image/svg+xml")
        self.assertEqual(self.get("/", method="POST")[0], 405)

    def test_nothing_outside_the_directory_is_served(self):
        for path in ("/../outside.txt", "/%2e%2e/outside.txt", "/img/../../outside.txt", "/.secret.txt", "/img/", "/img",
                     "/nothing.txt", "//etc/passwd", "/..%2foutside.txt", "/img/%00.svg", "/rest/v3/", "/rest/v3/../../x",
                     "/rest/v3/version", "/" + "a" * 3000 + ".txt"):
            self.assertEqual(self.get(path)[0], 404, path)

    def test_a_hostile_host_header_gets_nowhere(self):
        csp = self.get("/", {"Host": "x;script-src *"})[2]["Content-Security-Policy"]
        self.assertNotIn("script-src *", csp)
        self.assertIn("connect-src 'self' ws://x:*", csp)

    def test_only_listed_origins_may_ask(self):
        preflight = {"Origin": "https://ops.example", "Access-Control-Request-Method": "PUT"}
        status, _, headers = self.get("/api/v1/users", preflight, "OPTIONS")
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, "https://ops.example"))
        self.assertIn("PUT", headers["Access-Control-Allow-Methods"])
        self.assertIsNone(headers["Access-Control-Allow-Credentials"])
        headers = self.get("/rest/user/x", {"Origin": "https://ops.example", "X-API-Key": API_KEY})[2]
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://ops.example")
        preflight["Origin"] = "https://evil.example"
        status, _, headers = self.get("/api/v1/users", preflight, "OPTIONS")
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (405, None))

    def test_server_config_masks_secrets(self):
        status, text, _ = self.cluster.rest("GET", "/rest/server/config?app=mqtt_rest,mnesia")
        self.assertEqual(status, 200)
        rest, other = json.loads(text)
        self.assertEqual(other, {"config": {}, "app": "mnesia"})
        self.assertEqual((rest["app"], list(rest)), ("mqtt_rest", ["config", "app"]))
        self.assertEqual(rest["config"]["port"], int(self.cluster["rest"].env["SLUICE_PORT"]))
        self.assertEqual((rest["config"]["api-key"], rest["config"]["cluster-secret"]), ("***", "***"))
        self.assertNotIn(API_KEY, text)
        server, common = json.loads(self.cluster.rest("GET", "/rest/server/config?app=mqtt_server,mqtt_common")[1])
        self.assertEqual(server["config"]["mqtt-port"], self.cluster.port())
        self.assertEqual((common["app"], common["config"]["cluster-secret"]), ("mqtt_common", "***"))
        self.assertEqual(self.cluster.rest("GET", "/rest/server/config")[:2], (400, '{"code":400,"message":"Invalid request"}'))

    def subject(self):
        context = ssl.create_default_context(cafile=self.ca.pem)
        request = urllib.request.Request(f"https://{HOST}:{self.port}/rest/server/checksession",
                                         headers={"X-API-Key": API_KEY})
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            self.assertEqual(answer.read(), b"{}")
            self.assertIn("max-age", answer.headers["Strict-Transport-Security"])
        pem = ssl.get_server_certificate((HOST, self.port))
        return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, text=True, capture_output=True).stdout

    def test_a_renewed_certificate_is_used_and_a_bad_one_is_not(self):
        self.assertIn("rest-one", self.subject())
        cert, key = self.ca.issue("rest-two", san="IP:127.0.0.1")
        os.replace(key, self.key)
        os.replace(cert, self.cert)
        await_true("the new certificate", lambda: "rest-two" in self.subject())
        with open(self.cert, "w") as f:
            f.write("no certificate")
        await_true("the log to say it", lambda: "certificate_not_renewed" in self.cluster["rest"].log())
        self.assertIn("rest-two", self.subject())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, OSError)):
            urllib.request.urlopen(f"https://{HOST}:{self.port}/", timeout=10, context=context)


if __name__ == "__main__":
    unittest.main(verbosity=2)
