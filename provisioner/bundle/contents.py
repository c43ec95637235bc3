"""What lies where in a bundle, and what its manifest says."""

from provisioner.state.sealed_file import Kind, Manifest, SealedFile

PACKAGES, RAMDISK, IMAGES, MIRROR, KEYS, DOCS = "packages", "ramdisk", "images", "mirror", "keys", "docs"
SBOM, PROVENANCE, SUMS, LOCK = "sbom.cdx.json", "provenance.json", "SHA256SUMS", "requirements.lock"
FOLDERS = (PACKAGES, RAMDISK, IMAGES, MIRROR, KEYS, DOCS)
FILES = (SBOM, PROVENANCE, SUMS, f"{SUMS}.minisig", LOCK)
CODES = (685, 686, 687)


class BundleManifest(Manifest):
    """What a bundle holds: for which system (`suite`, `architecture`), and the names of its images' packs."""

    suite: str
    architecture: str
    package: str  # our own .deb, its file name
    images: tuple[str, ...]
    has_ramdisk: bool
    has_mirror: bool


def is_place(name: str) -> bool:
    """Whether a file of this path may be in a bundle."""
    return name in FILES or name.split("/", maxsplit=1)[0] in FOLDERS


Bundle = SealedFile[BundleManifest]
BUNDLE = Kind("bundle", BundleManifest, CODES, is_place, again="make another: provision bundle make")
