# SPDX-License-Identifier: Apache-2.0
"""The store and its MariaDB are killed at random (database_kills.py). MYSQL_KILL_SECONDS (30; 300 by hand) is
how long, MYSQL_KILL_SEED repeats a schedule."""

import unittest

import database_kills  # finds tests/lib
from mariadb import MariaDB


class Kills(unittest.TestCase):
    def test_store_and_database_are_killed_at_random(self):
        self.assertGreater(database_kills.run(MariaDB, "MYSQL"), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
