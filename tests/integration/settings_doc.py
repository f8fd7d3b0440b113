# SPDX-License-Identifier: Apache-2.0
"""Makes docs/settings.md from the programs' own --help, so that it cannot lie:

    python3 tests/integration/settings_doc.py > docs/settings.md
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import FLAVOUR, TOP  # noqa: E402

HEAD = """# Settings

Made from `--help` of the programs (`tests/integration/settings_doc.py`). A setting is read from its
flag `--name`, then from `SLUICE_<NAME>` in the environment, then from the file of `--config` or
`SLUICE_CONFIG` (`name = value` lines), then it has its default. Secrets are also read from the file
that `SLUICE_<NAME>_FILE` names. `--check` validates and exits; all mistakes are said at once.
"""


def rows(service):
    text = subprocess.run([os.path.join(TOP, "build", FLAVOUR, "sluice-" + service), "--help"], capture_output=True,
                          text=True, check=True).stdout
    return re.findall(r"^  --([a-z0-9-]+)  \(SLUICE_\w+\)\n      (.*)\n      (.*)$", text, re.M)


def table(title, entries):
    lines = ["", f"## {title}", "", "| name | what | values |", "|---|---|---|"]
    return lines + ["| `{}` | {} | {} |".format(n, *(t.replace("|", "\\|") for t in (what, values)))
                    for n, what, values in entries]


def document():
    services = {s: rows(s) for s in ("gateway", "core", "store", "rest")}
    shared = [r for r in services["gateway"] if all(r[:2] in [x[:2] for x in v] for v in services.values())]
    lines = [HEAD.rstrip()]
    lines += table("Every program", [(n, w, re.sub(r'; default "9\d01"', "; default 9101 (gateway), 9201 (core), "
                                                   "9301 (store), 9401 (rest)", v)) for n, w, v in shared])
    for service, entries in services.items():
        lines += table(f"sluice-{service}", [r for r in entries if r[0] not in [s[0] for s in shared]])
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
