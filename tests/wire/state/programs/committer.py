"""Commits to the database of a state folder for ever: committer FOLDER; prints each committed number.

Now and then it is much at once, so that the log is moved into the database. It ends when its disk is gone.
"""

import sys
from pathlib import Path

from provisioner.domain.event import Event
from provisioner.domain.events.service import ServiceReplaced
from provisioner.errors import ProvisionError
from provisioner.state.database import Database

database = Database(Path(sys.argv[1]))
database.migrate()
number = 0
while True:
    number += 1
    text = f"{number} " + "x" * (200_000 if number % 40 == 0 else 500)
    event = ServiceReplaced(service=str(number), sentence=text)
    try:
        with database.writing():
            database.events.add(Event.of_network(event, source="test", now=float(number)))
    except ProvisionError:
        sys.exit(1)
    print(number, flush=True)
