"""The build's own key and the seeds that Packer serves, made from packer/http/*.yml and checked."""

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from provisioner.cloudinit.autoinstall.storage_layout import ImageAnswers, ImageUserData
from provisioner.cloudinit.cloud_config import HEAD, MetaData, dump
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
    for system, user_data in (("ubuntu", dump(ubuntu(public))), ("debian", dump(debian(public)))):
        place = folder / "http" / system
        place.mkdir(parents=True, exist_ok=True)
        (place / "user-data").write_text(HEAD + user_data)
        (place / "meta-data").write_text(dump(MetaData(instance_id=INSTANCE)))
        (place / "vendor-data").write_text("")
    return key


def ubuntu(public_key: str) -> ImageUserData:
    """The live installer's cloud-config: the answers of packer/http/ubuntu.yml and the build's key.

    Raises InputError (PV-665) naming the answer that is wrong.
    """
    answers = _load("ubuntu")
    ssh = answers.get("ssh")
    answers["ssh"] = {**(ssh if isinstance(ssh, dict) else {}), "authorized-keys": (public_key,)}
    try:
        return ImageUserData(autoinstall=ImageAnswers.model_validate(frozen(answers)))
    except ValidationError as fault:
        first = fault.errors()[0]
        raise InputError(
            f"packer/http/ubuntu.yml: {'.'.join(map(str, first['loc']))}: {first['msg']}", code=665
        ) from fault


def debian(public_key: str) -> Mapping[str, object]:
    """The base image's cloud-config, packer/http/debian.yml, with the key of its one user.

    Raises InputError (PV-665) where it has other users.
    """
    config = _load("debian")
    users = config.get("users")
    if not isinstance(users, list) or len(users) != 1 or users[0].get("name") != "packer":
        raise InputError("packer/http/debian.yml: users must be the one user packer", code=665)
    users[0]["ssh_authorized_keys"] = [public_key]
    return config


def _load(system: str) -> dict[str, object]:
    path = shipped.file("packer", f"http/{system}.yml")
    try:
        config = yaml.safe_load(path.read_text())
    except yaml.YAMLError as fault:
        raise InputError(f"packer/http/{system}.yml is no YAML: {fault}", code=665) from fault
    if not isinstance(config, dict):
        raise InputError(f"packer/http/{system}.yml holds no settings", code=665)
    return config


def frozen(value: object) -> object:
    """Plain data with tuples in place of lists, which is what the strict models take."""
    if isinstance(value, list):
        return tuple(frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return value


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
