"""Secrets in the clear, for the worker, which alone has the key; each use is a line of the audit.

A file that a program wants is one in memory (memfd_create(2)): it is on no disk, and ends with its block.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.domain.audit import Entry, Kind
from provisioner.errors import SecretKeyError
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.state.scrubber import HEADINGS
from provisioner.state.sealed_secrets import AUDIT_KEY, BMC_LOGIN, CERTIFICATE_KEY, SITE, SSH_KEY
from provisioner.state.secrets import BmcLogin, missing_login
from provisioner.state.ssh_keys import MemoryFile


def read(site: Site, kind: str, name: str, *, host: str = "", by: str = "worker") -> str:
    """One secret; that it is read is written down before, and `by` which of our programs.

    Raises SecretKeyError: there is no key here (PV-695), it does not open (PV-697); NotFoundError (PV-698).
    """
    if site.opener is None:
        raise SecretKeyError(
            "this process may not read secrets",
            hint="only the worker is given the key; this is a fault of ours",
        )
    text = site.database.secrets.open(kind, name, site.opener)
    used = Entry(kind=Kind.SECRET_READ, time=site.clock(), by=by, door=by, host=host, what=f"{kind} {name}")
    with site.database.writing():
        audit.record(site.database, used)
    return text


def bmc_login(site: Site, name: str, host: str) -> BmcLogin:
    """The login that is kept under a name, for a host's BMC. Raises PowerError (PV-205): never given."""
    if not site.database.secrets.has(BMC_LOGIN, name):
        raise missing_login(name, host)
    body = json.loads(read(site, BMC_LOGIN, name, host=host))
    return BmcLogin(body["user"], body["password"])


@contextmanager
def ssh_key(site: Site, deployment: str, host: str) -> Iterator[Path]:
    """The private key of a deployment as a file; of one that an earlier release armed, the site's."""
    name = deployment if site.database.secrets.has(SSH_KEY, deployment) else SITE
    with MemoryFile(read(site, SSH_KEY, name, host=host)) as file:
        yield file.path


@contextmanager
def certificate_key(site: Site, host: str = "", by: str = "worker") -> Iterator[Path]:
    """The key that signs reports and backups, as a file."""
    with MemoryFile(read(site, CERTIFICATE_KEY, SITE, host=host, by=by)) as file:
        yield file.path


def words(site: Site) -> Iterator[str]:
    """All that is secret in them, for whoever looks for it elsewhere; one line of the audit says so.

    Raises what `read` raises; DiskFullError (PV-609).
    """
    if site.opener is None:
        return
    used = Entry(kind=Kind.SECRET_READ, time=site.clock(), by="support-dump", what="all, to take them out")
    with site.database.writing():
        audit.record(site.database, used)
    for row in site.database.secrets.all():
        text = site.database.secrets.open(row.kind, row.name, site.opener)
        if row.kind == BMC_LOGIN:
            login = json.loads(text)
            yield from (login["password"], f"{login['user']}:{login['password']}")
        else:
            yield from (line for line in text.splitlines() if line and not line.startswith(HEADINGS))


def audit_key(site: Site) -> tuple[str, str]:
    """The key that signs the audit's head, private and public. That it is used is what the head says."""
    if site.opener is None:
        raise SecretKeyError("this process may not sign the audit")
    private = site.database.secrets.open(AUDIT_KEY, SITE, site.opener)
    return private, site.database.secrets.public(AUDIT_KEY, SITE)
