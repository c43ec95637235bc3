"""The build's own key and the seeds that Packer serves, made from packer/http/*.yml and checked."""

import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from provisioner.cloudinit import nocloud
from provisioner.cloudinit.autoinstall.storage_layout import ImageAnswers
from provisioner.errors import InputError
from provisioner.run import run
from provisioner.system import shipped

KEY = "key"
INSTANCE = "image-build"


def write(folder: Path) -> Path:
    """Make `folder`: a new ed25519 key, and `http/{ubuntu,debian}/` as NoCloud wants them; the key's path.

    Raises InputError where the answers cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / KEY
    for old in (key, key.with_name(f"{KEY}.pub")):
        old.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", INSTANCE, "-f", key])
    public = key.with_name(f"{KEY}.pub").read_text().strip()
    for system, user_data in (("ubuntu", ubuntu(public)), ("debian", debian(public))):
        place = folder / "http" / system
        place.mkdir(parents=True, exist_ok=True)
        (place / "user-data").write_text("#cloud-config\n" + nocloud.dump(user_data))
        (place / "meta-data").write_text(nocloud.dump({"instance-id": INSTANCE}))
        (place / "vendor-data").write_text("")
    return key


def ubuntu(public_key: str) -> dict[str, Any]:
    """The live installer's cloud-config with the answers in it."""
    answers = _load("ubuntu")
    answers["ssh"] = {**answers.get("ssh", {}), "authorized-keys": (public_key,)}
    try:
        checked = ImageAnswers.model_validate(frozen(answers))
    except ValidationError as fault:
        first = fault.errors()[0]
        raise InputError(
            f"packer/http/ubuntu.yml: {'.'.join(map(str, first['loc']))}: {first['msg']}", code=665
        ) from fault
    return {"autoinstall": checked.model_dump(mode="json", by_alias=True, exclude_none=True)}


def debian(public_key: str) -> dict[str, Any]:
    """The base image's cloud-config with the key of its one user."""
    config = _load("debian")
    users = config.get("users")
    if not isinstance(users, list) or len(users) != 1 or users[0].get("name") != "packer":
        raise InputError("packer/http/debian.yml: users must be the one user packer", code=665)
    users[0]["ssh_authorized_keys"] = [public_key]
    return config


def _load(system: str) -> dict[str, Any]:
    path = shipped.file("packer", f"http/{system}.yml")
    try:
        found = yaml.safe_load(path.read_text())
    except yaml.YAMLError as fault:
        raise InputError(f"packer/http/{system}.yml is no YAML: {fault}", code=665) from fault
    if not isinstance(found, dict):
        raise InputError(f"packer/http/{system}.yml holds no settings", code=665)
    return found


def frozen(value: Any) -> Any:
    """Lists as tuples, which is what the strict model takes."""
    if isinstance(value, list):
        return tuple(frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return value


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
