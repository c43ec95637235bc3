"""Images: the catalogue, and the files beside it that belong to none."""

from pydantic import Field, StrictBool

from provisioner.api.answer import Resource, ServiceAnswer
from provisioner.domain.plan import CatalogueImage
from provisioner.domain.values import FrozenModel


class ImageSource(FrozenModel):
    """A pack, or with `iso` Ubuntu's live-server ISO, which the caller has opened and sends (SCM_RIGHTS).

    `file` is its name, for sentences alone; of a pack three files come: itself, manifest, signature, and with
    `bill` a fourth one, the build's bill of materials (CycloneDX, JSON). `name`
    and `version` are for an ISO that does not say them, `sha256` is what Ubuntu publishes of it.
    """

    file: str = Field(pattern=r"^[^/\x00]{1,200}$")
    iso: StrictBool = False
    bill: StrictBool = False
    name: str = ""
    version: str = ""
    sha256: str = Field("", pattern=r"^([0-9a-fA-F]{64})?$")


class ImageList(ServiceAnswer):
    """The catalogue."""

    images: tuple[CatalogueImage, ...]


class ImageAnswer(ServiceAnswer):
    """One image of the catalogue."""

    image: CatalogueImage


class ImageRemoved(ServiceAnswer):
    """The id of an image that the catalogue no longer has, and the bytes on the disk that are free now."""

    image: str
    freed: int


class ImageVerified(ServiceAnswer):
    """The id of an image whose stored bytes are right, and of how many chunks they are."""

    image: str
    chunks: int


class StrayFile(Resource):
    """A file or folder that belongs to no image: `name` below images/, `size` in bytes, `why` in words."""

    name: str
    size: int
    why: str


class StrayFileList(ServiceAnswer):
    """What is there, or what was removed."""

    garbage: tuple[StrayFile, ...]


class StrayFileSelection(FrozenModel):
    """The names of what was shown and may go."""

    names: tuple[str, ...]
