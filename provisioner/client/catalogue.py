"""Calls about images, profiles and certificates."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from provisioner.api.answer import Removal
from provisioner.api.certificates import Certificate, CertificateInfo, CertificateList
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
from provisioner.api.profiles import ProfileAnswer, ProfileLearned, ProfileLesson, ProfileList, ProfileStatus
from provisioner.client.request import request
from provisioner.client.transport import LONG, Transport, quoted
from provisioner.domain.plan import CatalogueImage
from provisioner.errors import InputError
from provisioner.imaging.manifest import pack_files
from provisioner.system import file_fault

BILL_SUFFIX = ".cdx.json"  # as `provision image build` calls it


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as fault:
        hint = "provision image pack RAW -o PACK --sign KEY; or --iso FILE"
        raise InputError(f"{path}: no such file", hint=hint, code=320) from fault
    except OSError as fault:
        raise file_fault.explained(fault, path) from fault


class CatalogueCalls(Transport):
    """Of `Client`: images, profiles and certificates."""

    def certificates(self, host: str) -> tuple[CertificateInfo, ...]:
        """The acceptance reports of a host by name, serial or MAC, the newest first."""
        return self.get(CertificateList, f"/hosts/{quoted(host)}/certificates").certificates

    def certificate(self, report: str) -> Certificate:
        """One of them as it was signed."""
        return self.get(Certificate, f"/certificates/{quoted(report)}")

    def images(self) -> tuple[CatalogueImage, ...]:
        """The catalogue."""
        return self.get(ImageList, "/images").images

    def add_image(
        self, path: Path, *, iso: bool = False, name: str = "", version: str = "", sha256: str = ""
    ) -> CatalogueImage:
        """Register a pack, or with `iso` an installer, whose files are opened here and sent as such.

        A pack's bill of materials comes, too, where the build left it beside it (NAME.pack, NAME.cdx.json).

        Raises FileError (PV-150) for one that cannot be read here, InputError (PV-320) where it is missing.
        """
        bill = path.with_suffix(BILL_SUFFIX)
        has_bill = not iso and bill.is_file()
        source = request(
            ImageSource,
            file=path.name,
            iso=iso,
            bill=has_bill,
            name=name,
            version=version,
            sha256=sha256,
        )
        with ExitStack() as stack:
            paths = (path,) if iso else pack_files(path)
            files = [stack.enter_context(_opened(each)) for each in (*paths, *[bill] * has_bill)]
            descriptors = tuple(file.fileno() for file in files)
            return self.post(ImageAnswer, "/images", source, patience=LONG, files=descriptors).image

    def verify_image(self, text: str) -> ImageVerified:
        """Read a stored image again."""
        return self.post(ImageVerified, f"/images/{quoted(text)}/verify", patience=LONG)

    def remove_image(self, text: str, *, dry_run: bool = False) -> ImageRemoved:
        """Take an image out of the catalogue, with its files; or only ask whether that can be."""
        body = Removal(dry_run=dry_run)
        return self.post(ImageRemoved, f"/images/{quoted(text)}/remove", body, patience=LONG)

    def image_garbage(self) -> tuple[StrayFile, ...]:
        """What lies beside the images and belongs to none."""
        return self.get(StrayFileList, "/images/garbage").garbage

    def remove_image_garbage(self, names: Sequence[str]) -> tuple[StrayFile, ...]:
        """Remove these, as far as they are still garbage; what was removed."""
        selection = StrayFileSelection(names=tuple(names))
        return self.post(StrayFileList, "/images/garbage", selection, patience=LONG).garbage

    def profiles(self) -> tuple[ProfileStatus, ...]:
        """Every profile with the names of its hosts."""
        return self.get(ProfileList, "/profiles").profiles

    def profile(self, name: str) -> ProfileStatus:
        """One profile."""
        return self.get(ProfileAnswer, f"/profiles/{quoted(name)}").profile

    def remove_profile(self, name: str, *, dry_run: bool = False) -> ProfileStatus:
        """Forget a profile that no host has, or only ask whether that can be; what was known of it."""
        body = Removal(dry_run=dry_run)
        return self.post(ProfileAnswer, f"/profiles/{quoted(name)}/remove", body).profile

    def learn(self, lesson: ProfileLesson) -> ProfileLearned:
        """A profile from a machine."""
        return self.post(ProfileLearned, "/profiles/learn", lesson)
