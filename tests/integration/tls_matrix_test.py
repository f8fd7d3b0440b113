# SPDX-License-Identifier: Apache-2.0
"""What openssl s_client sees of the TLS listener: versions, ciphers, names, and for each client
certificate that is no good the alert that says why."""

import re
import shutil
import subprocess
import unittest

from base import await_true, mqtt
from certs import Authority
from tls_test import TlsTest

# RFC 8446, 6
HANDSHAKE_FAILURE, UNSUPPORTED_CERTIFICATE, CERTIFICATE_REVOKED, CERTIFICATE_EXPIRED = 40, 43, 44, 45
UNKNOWN_CA, DECRYPT_ERROR, PROTOCOL_VERSION, CERTIFICATE_REQUIRED = 48, 51, 70, 116
VERSIONS = ("-tls1_2", "-tls1_3")


class Seen:
    """Of one s_client: the server's name, version, cipher, alert number (None: none came), and whether a
    CONNACK came."""

    def __init__(self, out):
        text = out.decode(errors="replace")

        def first(pattern):
            found = re.search(pattern, text)
            return found and found.group(1)
        self.text = text
        self.name = first(r"subject=.*?CN ?= ?(\S+)")
        self.version, self.cipher = first(r"New, (TLSv[\d.]+), Cipher"), first(r"Cipher is (\S+)")
        alert = first(r"SSL alert number (\d+)")
        self.alert = int(alert) if alert else None
        self.is_welcome = b"\x20\x02\0\0" in out


class Matrix(TlsTest):
    CLIENT_CERT = "required"
    NAMES = ("localhost", "two.example", "*.three.example")

    @classmethod
    def more(cls):
        cls.good = cls.ca.issue("device-1", usage="clientAuth")
        cls.revoked = cls.ca.issue("device-2", usage="clientAuth")
        cls.other = Authority(name="other-ca")
        cls.addClassCleanup(shutil.rmtree, cls.other.directory)
        return {"tls_crl": cls.ca.crl(cls.revoked[0]),
                "tls_ciphers": "ECDHE+AESGCM", "tls_ciphersuites": "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"}

    def look(self, *args, cert=None, name="localhost"):
        cert = cert or self.good
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.cluster.port(0, 'tls')}", "-CAfile", self.ca.pem,
                   "-ign_eof", *(["-servername", name] if name else ["-noservername"]),
                   *(["-cert", cert[0], "-key", cert[1]] if cert != "none" else []), *args]
        out = subprocess.run(command, input=mqtt.connect("matrix", version=4) + mqtt.disconnect(version=4),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=70).stdout
        return Seen(out)

    def test_versions(self):
        for args, version in ((["-tls1_2"], "TLSv1.2"), (["-tls1_3"], "TLSv1.3"), ([], "TLSv1.3")):
            seen = self.look(*args)
            self.assertTrue(seen.is_welcome, seen.text)
            self.assertEqual((seen.version, seen.alert), (version, None), seen.text)
        for args in (["-tls1"], ["-tls1_1"]):
            seen = self.look(*args, "-cipher", "ALL:@SECLEVEL=0")
            self.assertFalse(seen.is_welcome)
            self.assertEqual(seen.alert, PROTOCOL_VERSION, seen.text)

    def test_ciphers(self):
        for args, want in ((["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], "ECDHE-ECDSA-AES256-GCM-SHA384"),
                           (["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], "TLS_AES_128_GCM_SHA256"),
                           (["-tls1_3"], "TLS_AES_256_GCM_SHA384")):
            seen = self.look(*args)
            self.assertTrue(seen.is_welcome, seen.text)
            self.assertEqual(seen.cipher, want)
        for args in (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], ["-tls1_2", "-cipher", "AES128-SHA"],
                     ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
                     ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"]):
            seen = self.look(*args)
            self.assertFalse(seen.is_welcome)
            self.assertEqual(seen.alert, HANDSHAKE_FAILURE, seen.text)

    def test_names(self):
        for name, want in (("localhost", "localhost"), ("two.example", "two.example"), ("TWO.example", "two.example"),
                           ("x.three.example", "*.three.example"), ("unknown.example", "localhost"), (None, "localhost")):
            for version in VERSIONS:
                seen = self.look(version, name=name)
                self.assertTrue(seen.is_welcome, seen.text)
                self.assertEqual(seen.name, want)

    def test_a_client_certificate_that_is_no_good_is_refused_with_the_alert_that_says_why(self):
        issue = self.ca.issue
        for what, cert, want in (
                ("revoked", self.revoked, CERTIFICATE_REVOKED),
                ("expired", issue("device-3", usage="clientAuth", end="20210101000000Z"), CERTIFICATE_EXPIRED),
                ("foreign", self.other.issue("device-1", usage="clientAuth"), UNKNOWN_CA),
                ("a server's", issue("device-4", usage="serverAuth"), UNSUPPORTED_CERTIFICATE)):
            for version in VERSIONS:
                with self.subTest(what=what, version=version):
                    seen = self.look(version, cert=cert)
                    self.assertFalse(seen.is_welcome)
                    self.assertEqual(seen.alert, want, seen.text)
        for version, want in (("-tls1_2", HANDSHAKE_FAILURE), ("-tls1_3", CERTIFICATE_REQUIRED)):
            seen = self.look(version, cert="none")
            self.assertFalse(seen.is_welcome)
            self.assertEqual(seen.alert, want, seen.text)

    def test_a_new_authority_counts_without_a_restart(self):
        third = Authority(name="third-ca")
        self.addCleanup(shutil.rmtree, third.directory)
        cert = third.issue("device-1", usage="clientAuth")
        self.assertEqual(self.look(cert=cert).alert, UNKNOWN_CA)
        for ours, theirs in ((self.ca.path("test-ca.crl"), third.crl()), (self.ca.pem, third.pem)):
            with open(ours, "a") as to, open(theirs) as added:
                to.write(added.read())
        await_true("its certificate is welcome", lambda: self.look(cert=cert).is_welcome)
        self.assertTrue(self.look().is_welcome)
        self.assertEqual(self.look(cert=self.revoked).alert, CERTIFICATE_REVOKED)

    def test_compression_and_renegotiation_are_refused(self):
        self.assertIn("Compression: NONE", self.look("-tls1_2").text)
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.cluster.port(0, 'tls')}", "-tls1_2",
                   "-cert", self.good[0], "-key", self.good[1]]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            process.stdin.write(b"R\n")  # s_client begins a renegotiation, is told no, and ends
            process.stdin.flush()
            out = process.stdout.read()
        self.assertIn(b"RENEGOTIATING", out)
        self.assertIn(b"no renegotiation", out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
