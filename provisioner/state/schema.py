"""The database's schema with every migration since the first release."""

from sqlite_utils import Database, Migrations

from provisioner.domain.stage import RESTING
from provisioner.system.checksum import sha256_text

SCHEMA_VERSION = 17  # raised with every migration; a newer folder is refused
DEPLOYMENTS = {  # the columns of the first release; what follows adds and renames
    "id": str,
    "host": str,
    "mac": str,
    "image": str,
    "stage": str,
    "stage_since": float,
    "deadline": float,
    "created": float,
    "expires": float,
    "attempt": int,
    "armed_by": str,
    "serial": str,
    "erase": int,
    "stop_after": str,
    "nonce": str,
    "token_hash": str,
    "phone_hash": str,
    "agent_boot_id": str,
    "last_sign": float,
    "sign": str,
    "progress": str,
    "power_on": float,
    "reboot": int,
    "disk": str,
    "address": str,
    "host_keys": str,
    "code": int,
    "reason": str,
    "hint": str,
    "verdict": str,
}
migrations = Migrations("provisioner")


@migrations()
def first(db: Database) -> None:
    """Everything that the first release keeps."""
    db.table("profiles").create({"name": str, "body": str}, pk="name")
    db.table("hosts").create({"name": str, "body": str, "facts": str, "facts_at": float}, pk="name")
    db.table("macs").create({"mac": str, "host": str, "address": str, "role": str}, pk="mac")
    db.table("macs").create_index(["address"], unique=True)
    db.table("images").create({"id": str, "body": str}, pk="id")
    db.table("deployments").create(DEPLOYMENTS, pk="id")
    db.table("deployments").create_index(["host", "stage"])
    event = {"id": int, "time": float, "host": str, "deployment": str, "attempt": int}
    db.table("events").create({**event, "kind": str, "source": str, "data": str}, pk="id")
    db.table("events").create_index(["deployment"])
    # two deployments of one host can never be under way: the database itself refuses
    resting = ", ".join(f"'{stage}'" for stage in sorted(RESTING))
    db.execute(f"CREATE UNIQUE INDEX one_under_way ON deployments(host) WHERE stage NOT IN ({resting})")
    db.table("sightings").create(
        {"mac": str, "first_seen": float, "last_seen": float, "count": int, "address": str, "data": str},
        pk="mac",
    )
    db.table("leases").create({"mac": str, "address": str, "expires": float, "bound": int}, pk="mac")
    db.table("requests").create(
        {
            "id": int,
            "created": float,
            "host": str,
            "action": str,
            "argument": str,
            "state": str,
            "result": str,
        },
        pk="id",
    )
    db.table("service").create({"key": str, "value": str}, pk="key")


@migrations()
def second(db: Database) -> None:
    """Runs: one order for many hosts."""
    db.table("runs").create({"id": str, "created": float, "body": str}, pk="id")
    db.table("deployments").add_column("run", str, not_null_default="")
    db.table("deployments").create_index(["run"])


@migrations()
def third(db: Database) -> None:
    """Deployments that boot an installer; images need nothing, for what is not said of one is a pack."""
    db.table("deployments").add_column("iso", str, not_null_default="")


@migrations()
def fourth(db: Database) -> None:
    """What machines that nobody knows said of themselves; state/surveys.py reads and writes it."""
    times = {"served": float, "released": float, "reported": float}
    row = {"mac": str, "uuid": str, "macs": str, "address": str, **times, "body": str}
    db.table("surveys").create(row, pk="mac")


@migrations()
def fifth(db: Database) -> None:
    """How a deployment writes the disk, and whether it may lose what is somebody else's."""
    db.table("deployments").add_column("write_mode", str, not_null_default="delta")
    db.table("deployments").add_column("erase_foreign", int, not_null_default=0)


@migrations()
def sixth(db: Database) -> None:
    """What each address last fetched by TFTP, or did not get."""
    last = {"time": float, "count": int, "name": str, "result": str, "bytes": int}
    db.table("transfers").create({"address": str, **last}, pk="address")


@migrations()
def seventh(db: Database) -> None:
    """The last sign of life is called what it is: the last event, and when it came.

    Each event keeps the version of its fields, as whoever wrote it knew them.
    """
    db.execute("ALTER TABLE deployments RENAME COLUMN sign TO last_event")
    db.execute("ALTER TABLE deployments RENAME COLUMN last_sign TO last_event_at")
    db.table("events").add_column("version", int, not_null_default=1)


@migrations()
def eighth(db: Database) -> None:
    """An order says what machine and disk it is for, and whether it was consumed; nonces are kept as hashes.

    Orders of the version before have no hints and no disk of their own. What has begun to write was consumed.
    """
    for name in ("uuid", "nonce_hash", "hints", "target", "agent_address"):
        db.table("deployments").add_column(name, str)
    for name in ("consumed", "paused"):
        db.table("deployments").add_column(name, float, not_null_default=0)
    for ident, nonce in db.execute("SELECT id, nonce FROM deployments WHERE nonce <> ''").fetchall():
        db.execute("UPDATE deployments SET nonce_hash = ? WHERE id = ?", [sha256_text(nonce), ident])
    begun = "stage NOT IN ('queued', 'powering', 'netbooting')"
    db.execute(f"UPDATE deployments SET consumed = power_on WHERE {begun} OR attempt > 1")  # noqa: S608  ours
    db.execute(f"UPDATE deployments SET nonce = '' WHERE {begun}")  # noqa: S608  ours


@migrations()
def ninth(db: Database) -> None:
    """An armed order remembers who has read its host's boot script, and how often."""
    db.table("deployments").add_column("script", str)


@migrations()
def tenth(db: Database) -> None:
    """Several machines may boot by one card, as by a dock: a survey has an id of its own, not its card's."""
    columns = "mac, uuid, macs, address, served, released, reported, body"
    db.execute("ALTER TABLE surveys RENAME TO surveys_by_card")
    times = {"served": float, "released": float, "reported": float}
    row = {"id": int, "mac": str, "uuid": str, "macs": str, "address": str, **times, "body": str}
    db.table("surveys").create(row, pk="id")
    db.table("surveys").create_index(["mac"])
    db.execute(f"INSERT INTO surveys ({columns}) SELECT {columns} FROM surveys_by_card")  # noqa: S608  ours
    db.execute("DROP TABLE surveys_by_card")


@migrations()
def eleventh(db: Database) -> None:
    """A deployment of a machine that was removed is not that of the next one of its name."""
    db.table("deployments").add_column("of_former_host", int, not_null_default=0)
    resting = ", ".join(f"'{stage}'" for stage in sorted(RESTING))
    gone = "host NOT IN (SELECT name FROM hosts)"
    db.execute(f"UPDATE deployments SET of_former_host = 1 WHERE {gone} AND stage IN ({resting})")  # noqa: S608  ours


@migrations()
def twelfth(db: Database) -> None:
    """Acceptance reports; state/acceptance_reports.py reads and writes them."""
    row = {"id": str, "host": str, "deployment": str, "created": float, "level": str, "verdict": str}
    more = {"body": str, "signature": str, "of_former_host": int}
    db.table("acceptance_reports").create({**row, **more}, pk="id", defaults={"of_former_host": 0})
    db.table("acceptance_reports").create_index(["host", "created"])
    db.table("acceptance_reports").create_index(["deployment"])


@migrations()
def thirteenth(db: Database) -> None:
    """Verifications after a deployment; state/verifications.py reads and writes them."""
    row = {"id": str, "created": float, "state": str, "body": str}
    db.table("verifications").create(row, pk="id")
    db.table("verifications").create_index(["state"])


@migrations()
def fourteenth(db: Database) -> None:
    """What an order is for: every one of before was a deployment."""
    db.table("deployments").add_column("purpose", str, not_null_default="deploy")


@migrations()
def fifteenth(db: Database) -> None:
    """The audit, and secrets at rest: state/audit.py, sealed_secrets.py, rotations.py."""
    db.table("audit").create({"number": int, "body": str}, pk="number")
    times = {"first": float, "last": float, "count": int, "due": float}
    db.table("audit_repeats").create({"key": str, "kind": str, "body": str, **times}, pk="key")
    db.table("audit_heads").create({"number": int, "body": str}, pk="number")
    row = {"kind": str, "name": str, "public": str, "body": str, "changed": float}
    db.table("secrets").create(row, pk=("kind", "name"))
    texts = dict.fromkeys(("host", "secret", "login", "next", "state"), str)
    db.table("bmc_rotations").create({**texts, "changed": float}, pk="host")


@migrations()
def sixteenth(db: Database) -> None:
    """People and their tokens; state/users.py and state/access_tokens.py read and write them."""
    user = {"name": str, "role": str, "password": str, "created": float, "created_by": str}
    db.table("users").create(user, pk="name")
    token = {"id": str, "user": str, "role": str, "kind": str, "note": str, "hash": str}
    db.table("access_tokens").create({**token, "created": float, "expires": float}, pk="id")
    db.table("access_tokens").create_index(["hash"], unique=True)


@migrations()
def seventeenth(db: Database) -> None:
    """How a host is started from its disk; until now that was the firmware's to do, always."""
    db.table("deployments").add_column("restart", str, not_null_default="firmware")
    db.table("deployments").add_column("started_by", str, not_null_default="")
    db.table("deployments").add_column("firmware_boot", float, not_null_default=0)
