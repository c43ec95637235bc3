"""Looks at a state folder's database as every start does: examiner FOLDER; prints the numbers in it."""

import sys
from pathlib import Path

from provisioner.state import integrity
from provisioner.state.database import Database

database = Database(Path(sys.argv[1]))
integrity.bring_up(database, lambda text: None)
assert database.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
for (number,) in database.tuples("SELECT CAST(time AS INTEGER) FROM events ORDER BY id"):
    print(number)
