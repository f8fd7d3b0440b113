# SPDX-License-Identifier: Apache-2.0
"""Chaos (tests/cluster/chaos_test.py) over two stores. STORES_CHAOS_SECONDS (60) is how long."""

import os
import subprocess
import sys
import unittest

CHAOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster", "chaos_test.py")


class StoresChaos(unittest.TestCase):
    def test_nothing_is_lost_with_two_stores(self):
        seconds = os.environ.get("STORES_CHAOS_SECONDS", "60")
        out = subprocess.run([sys.executable, CHAOS], env={**os.environ, "STORES": "2", "CHAOS_SECONDS": seconds},
                             timeout=float(seconds) + 600, capture_output=True, text=True)
        self.assertEqual(out.returncode, 0, out.stdout + out.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
