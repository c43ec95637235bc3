"""Images: add, list, verify, and remove what belongs to none."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from pydantic import ValidationError

from provisioner.api.answer import Removal
from provisioner.api.images import (
    ImageAnswer,
    ImageList,
    ImageRemoved,
    ImageSource,
    ImageVerified,
    StrayFile,
    StrayFileList,
    StrayFileSelection,
)
from provisioner.deployment import plan, removal
from provisioner.domain.audit import Entry, Kind
from provisioner.domain.image import Image
from provisioner.errors import InputError
from provisioner.imaging.manifest import pack_files
from provisioner.site.site import Site
from provisioner.state import image_files, image_folders, iso_files
from provisioner.validation import sentences
from provisioner.web.operators import open_files
from provisioner.web.request import the_caller, the_site


def add(body: ImageSource) -> ImageAnswer:
    """Check the pack whose open files are sent, copy it into the state folder, register it."""
    site = the_site()
    state = site.settings.state
    names = (body.file,) if body.iso else tuple(path.name for path in pack_files(Path(body.file)))
    names += (image_files.BILL,) if body.bill else ()
    with image_folders.changing(state), open_files.received(names, state / "images") as folder:
        path = str(folder / body.file)
        with _added_iso(site, body, path) if body.iso else _added_pack(site, path) as image:
            sentence = f"{image.id} signed by {image.signed_by or 'nobody'}"
            site.database.images.put(image, _entry(site, sentence))
    return ImageAnswer(image=plan.in_catalogue(site, image))


def _entry(site: Site, sentence: str) -> Entry:
    """That the catalogue was changed, and by whom."""
    return the_caller().origin.entry(Kind.IMAGE, site.clock(), what="added", sentence=sentence)


def _added_pack(site: Site, path: str) -> AbstractContextManager[Image]:
    return image_files.added_pack(site.settings.state, path, site.clock())


@contextmanager
def _added_iso(site: Site, source: ImageSource, path: str) -> Iterator[Image]:
    described = iso_files.describe_iso(Path(path))
    name, version = source.name or described[0], source.version or described[1]
    if not (name and version):
        raise InputError(f"{source.file} does not say what it is", hint="give --name and --version", code=329)
    state, now = site.settings.state, site.clock()
    try:
        with iso_files.added_iso(state, path, now, name=name, version=version, sha256=source.sha256) as image:
            yield image
    except ValidationError as fault:
        raise InputError(f"the image cannot be called so: {sentences(fault)}") from fault


def list_all() -> ImageList:
    """The catalogue."""
    site = the_site()
    return ImageList(images=tuple(plan.in_catalogue(site, image) for image in site.database.images.all()))


def list_garbage() -> StrayFileList:
    """Files beside the images that belong to none of them."""
    site = the_site()
    rows = image_folders.garbage(site.settings.state, _ids(site))
    return StrayFileList(garbage=tuple(StrayFile.model_validate(row) for row in rows))


def remove_garbage(body: StrayFileSelection) -> StrayFileList:
    """Remove such files, as far as they still belong to no image; what was removed."""
    site = the_site()
    state = site.settings.state
    with image_folders.changing(state, alone=True):
        rows = image_folders.remove_garbage(state, _ids(site), body.names)
    return StrayFileList(garbage=tuple(StrayFile.model_validate(row) for row in rows))


def _ids(site: Site) -> list[str]:
    return [image.id for image in site.database.images.all()]


def remove(name: str, body: Removal) -> ImageRemoved:
    """Take an image that no deployment and no profile needs out of the catalogue, with its files."""
    image, freed = removal.remove_image(the_site(), name, the_caller().origin, dry_run=body.dry_run)
    return ImageRemoved(image=image.id, freed=freed)


def verify(name: str) -> ImageVerified:
    """Read every chunk of the stored image again. An error names the first bad one."""
    site = the_site()
    image, state = plan.find_image(site, name), site.settings.state
    is_iso = image.kind == "iso"
    chunks = iso_files.verify_iso(state, image) if is_iso else image_files.verify_pack(state, image.id)
    return ImageVerified(image=image.id, chunks=chunks)
