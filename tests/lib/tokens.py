# SPDX-License-Identifier: Apache-2.0
"""JSON Web Tokens for tests, signed with openssl; nothing is checked here."""

import base64
import hashlib
import hmac
import json
import os
import subprocess


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _raw_signature(der):
    """r and s of an ECDSA signature in DER, 32 bytes each."""
    def number(at):
        length = der[at + 1]
        return der[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0"), at + 2 + length
    r, at = number(2)
    s, _ = number(at)
    return r + s


class Signer:
    """kind: HS256, RS256 or ES256. key_file is what a gateway checks with."""

    def __init__(self, directory, kind):
        self.kind = kind
        self.private = os.path.join(directory, f"{kind}.private")
        self.key_file = os.path.join(directory, f"{kind}.key")
        if kind == "HS256":
            self.secret = os.urandom(32).hex()
            with open(self.key_file, "w") as f:
                f.write(self.secret + "\n")
            return
        options = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "RS256" else \
            ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run(["openssl", "genpkey", *options, "-out", self.private], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", self.private, "-pubout", "-out", self.key_file], check=True,
                       capture_output=True)

    def token(self, claims, **head):
        text = ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": self.kind, "typ": "JWT", **head}, claims))
        if self.kind == "HS256":
            signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).digest()
        else:
            signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.private], input=text.encode(),
                                       check=True, capture_output=True).stdout
            if self.kind == "ES256":
                signature = _raw_signature(signature)
        return text + "." + _b64(signature)
