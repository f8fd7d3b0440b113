# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made with the openssl command in a directory of their own."""

import os
import subprocess
import tempfile


class Authority:
    """A CA that issues and revokes. Paths are attributes of what issue() returns."""

    def __init__(self, directory=None, name="test-ca"):
        self.directory = directory or tempfile.mkdtemp(prefix="sluice-certs-")
        self.name, self.pem, self.key = name, self.path(name + ".pem"), self.path(name + ".key")
        self.openssl("req", "-x509", *self.new_key(), "-days", "30", "-subj", f"/CN={name}", "-keyout", self.key,
                     "-out", self.pem, "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                     "-addext", "basicConstraints=critical,CA:TRUE")
        self.write(name + ".cnf", f"""[ca]
default_ca = it
[it]
database = {self.path(name + '.index')}
new_certs_dir = {self.directory}
certificate = {self.pem}
private_key = {self.key}
serial = {self.path(name + '.serial')}
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
copy_extensions = none
unique_subject = no
[any]
commonName = optional
""")
        self.write(name + ".index", "")
        self.write(name + ".serial", "1000\n")

    @staticmethod
    def new_key():
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def openssl(self, *args):
        out = subprocess.run(["openssl", *args], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return out.stdout

    def issue(self, name, subject=None, san=None, usage="serverAuth", days=None, start=None, end=None):
        """(certificate, key) paths; start and end as YYYYMMDDHHMMSSZ."""
        cert, key, csr = (self.path(name + e) for e in (".pem", ".key", ".csr"))
        self.openssl("req", *self.new_key(), "-subj", subject or f"/CN={name}", "-keyout", key, "-out", csr)
        lines = [f"extendedKeyUsage={usage}"] + ([f"subjectAltName={san}"] if san else [])
        ext = self.write(name + ".ext", "\n".join(lines) + "\n")
        args = ["-days", str(days)] if days else []
        if end:
            args = ["-startdate", start or "20200101000000Z", "-enddate", end]
        self.openssl("ca", "-batch", "-notext", "-config", self.path(self.name + ".cnf"), "-extfile", ext, "-in", csr,
                     "-out", cert, *args)
        return cert, key

    def crl(self, *revoked):
        """Path of a list on which all revoked so far stand."""
        for cert in revoked:
            self.openssl("ca", "-config", self.path(self.name + ".cnf"), "-revoke", cert)
        out = self.path(self.name + ".crl")
        self.openssl("ca", "-config", self.path(self.name + ".cnf"), "-gencrl", "-out", out)
        return out
