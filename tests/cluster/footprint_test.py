# SPDX-License-Identifier: Apache-2.0
"""Ten thousand connections with one subscription each: what all four programs grow by."""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import Cluster, TOP  # noqa: E402

CONNECTIONS = 10000
BYTES_EACH = 2048


class Footprint(unittest.TestCase):
    def test_ten_thousand_connections_cost_at_most_2_KiB_each(self):
        with Cluster() as c:
            # A first thousand that leaves again: what is allocated once is not counted.
            self.load(c, 1000, [])
            pids = [p.pid for p in c.programs.values()]
            each = self.load(c, CONNECTIONS, pids)
            print(f"{each} bytes per connection")
            self.assertLessEqual(each, BYTES_EACH)

    def load(self, cluster, n, pids):
        command = [os.path.join(TOP, "build/release/mqload"), "-p", str(cluster.port()), "-P", "0", "-S", str(n),
                   "-G", str(n), "-c", "-t", "120"] + (["-W", ",".join(map(str, pids))] if pids else [])
        out = subprocess.run(command, capture_output=True, text=True, timeout=180)
        self.assertEqual(out.returncode, 0, out.stdout + out.stderr)
        print(out.stdout.strip())
        found = re.search(r"bytes_per_connection (\d+)", out.stdout)
        return int(found.group(1)) if found else None


if __name__ == "__main__":
    unittest.main(verbosity=2)
