# SPDX-License-Identifier: Apache-2.0
"""The store and its Redis are killed at random (database_kills.py). REDIS_KILL_SECONDS (30; 300 by hand) is
how long, REDIS_KILL_SEED repeats a schedule."""

import unittest

import database_kills  # finds tests/lib
from redis_server import Redis


class Kills(unittest.TestCase):
    def test_store_and_database_are_killed_at_random(self):
        self.assertGreater(database_kills.run(Redis, "REDIS"), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
