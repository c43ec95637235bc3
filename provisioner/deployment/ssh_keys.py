"""The SSH key of each deployment: made when it is armed, gone when it has ended.

The private half is readable for the worker alone; the public half is in the host's seed until it is sealed.
"""

from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import Stage
from provisioner.errors import FileError
from provisioner.site.site import Site
from provisioner.state.sealed_secrets import SITE, SSH_KEY
from provisioner.system import ed25519

# where a host may still have the public half, and somebody may want to look: until it is ordered again
KEPT = frozenset({Stage.FAILED, Stage.REJECTED})


def make(site: Site, deployment: str, host: str) -> None:
    """A key for a deployment, inside its transaction; those that earlier ones of the host have left go."""
    private, public = ed25519.make_ssh(f"provisioner {deployment}")
    site.database.secrets.remove_ssh_keys_of(host)
    site.database.secrets.put(SSH_KEY, deployment, private, public=public, now=site.clock())


def public(site: Site, row: Deployment) -> str:
    """The public half, as authorized_keys has it. Raises FileError (PV-150) where it is lost."""
    found = site.database.secrets.public(SSH_KEY, row.id) or site.database.secrets.public(SSH_KEY, SITE)
    if not found:
        raise FileError(
            f"{row.id} lacks the SSH key by which its host would be verified",
            hint=f"provision retry {row.host} makes another one",
        )
    return found


def end(site: Site, row: Deployment) -> None:
    """Forget the key of a deployment that rests, inside the transaction in which it came to rest."""
    if row.stage not in KEPT:
        site.database.secrets.remove(SSH_KEY, row.id)
