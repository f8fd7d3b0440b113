# SPDX-License-Identifier: Apache-2.0
"""npm packages that a test needs: fetched in the versions of the folder's package-lock.json into
build/, once."""

import filecmp
import os
import shutil
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NODE = "node"


def node_modules(folder):
    """The node_modules with what TOP/folder/package-lock.json names."""
    source = os.path.join(TOP, folder)
    out = os.path.join(TOP, "build", "npm", folder.replace("/", "-"))
    lock = os.path.join(out, "package-lock.json")
    done = os.path.join(out, "done")
    if not (os.path.exists(done) and filecmp.cmp(lock, os.path.join(source, "package-lock.json"), shallow=False)):
        os.makedirs(out, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(source, name), out)
        subprocess.run(["npm", "--prefix", out, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], check=True)
        open(done, "w").close()
    return os.path.join(out, "node_modules")
