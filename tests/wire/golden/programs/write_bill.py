"""Prints the bill of materials of fifty packages; the same bytes in every process."""

from provisioner.golden import sbom

packages = [sbom.InstalledPackage("deb", f"p{n}", f"{n}:1", "amd64", "source") for n in range(50)]
print(sbom.document(packages, image="os", version="1", raw_sha256="0" * 64, epoch=0, distribution="debian"))
