"""The catalogue of images: versions, signatures, where each runs, how two differ, what may go."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from flask import Response, request

from provisioner.api.answer import Removal
from provisioner.api.images import StrayFileSelection
from provisioner.deployment import image_uses, plan
from provisioner.deployment.image_uses import ImageUses
from provisioner.domain.image import version_key
from provisioner.domain.person import Role
from provisioner.domain.plan import CatalogueImage
from provisioner.errors import ProvisionError, RefusedError
from provisioner.golden import package_difference
from provisioner.golden.package_difference import MaterialsBill, PackageChange
from provisioner.state import image_contents, image_files, image_folders
from provisioner.web.operators import images
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import status_of, the_caller, the_site

MOST_STRAYS = 200  # files that belong to no image, of which one page shows so many
MOST_PACKAGES = 500  # changes of packages that one page shows


def list_all() -> Shown:
    """Every image, the versions of one name together, and what lies beside them."""
    found = sorted(images.list_all().images, key=lambda each: (each.name, version_key(each.version)))
    groups = [(name, list(reversed(list(versions)))) for name, versions in groupby(found, attrgetter("name"))]
    strays = images.list_garbage().garbage
    values = {
        "groups": groups,
        "uses": image_uses.of_all(the_site()),
        "strays": strays[:MOST_STRAYS],
        "all_strays": len(strays),
        "may_remove": the_caller().role.covers(Role.OPERATOR),
    }
    return Shown("images.html", values)


def show(name: str) -> Shown:
    """One image in full. Raises NotFoundError (PV-125)."""
    image, uses = _found(name)
    bill, bill_fault = _bill(image)
    contents, fault = None, ""
    if image.kind == "pack":
        try:
            contents = image_contents.contents(the_site().settings.state, image.id)
        except ProvisionError as broken:
            fault = f"{broken}. {broken.hint}".rstrip(". ") + "."
    role = the_caller().role
    values = {
        "image": image,
        "uses": uses,
        "contents": contents,
        "fault": fault,
        "bill": bill,
        "bill_fault": bill_fault,
        "others": _others(image),
        "may_verify": role.covers(Role.TECHNICIAN),
        "may_remove": role.covers(Role.OPERATOR),
    }
    return Shown("image.html", values)


def _found(name: str) -> tuple[CatalogueImage, ImageUses]:
    site = the_site()
    image = plan.in_catalogue(site, plan.find_image(site, name))
    return image, image_uses.of_all(site).get(image.id, ImageUses())


def _others(image: CatalogueImage) -> list[str]:
    """The packs that it can be held against, versions of its own name first."""
    packs = [each for each in images.list_all().images if each.kind == "pack" and each.id != image.id]
    packs.sort(key=lambda each: version_key(each.version), reverse=True)
    return [each.id for each in sorted(packs, key=lambda each: each.name != image.name)]


def _bill(image: CatalogueImage) -> tuple[MaterialsBill | None, str]:
    """Its bill of materials, or why that cannot be used; neither where none is kept."""
    path = image_files.bill_file(the_site().settings.state, image.id)
    if path is None:
        return None, ""
    try:
        bill = package_difference.read_bill(path)
    except ProvisionError as fault:
        return None, str(fault)
    if not image.raw_sha256:
        return None, (
            "one lies beside it, but the pack does not say of which raw image it is: image pack --raw-sha256"
        )
    if bill.raw_sha256 != image.raw_sha256:
        return None, "the bill of materials that lies beside it is another image's"
    return bill, ""


def verify(name: str) -> Shown:
    """Read all chunks of it again; what is wrong is told on a page."""
    image, _ = _found(name)
    try:
        done = images.verify(image.id)
    except ProvisionError as fault:
        note_fault_of_people(fault)
        sentence = f"{image.id} is not as it was signed."
        return _done("Verified", sentence, image.id, fault)
    return _done("Verified", f"What is stored of {done.image} is right: {_chunks(done.chunks)}.", image.id)


def _chunks(number: int) -> str:
    return "its one chunk" if number == 1 else f"all of its {number} chunks"


def _done(title: str, sentence: str, ident: str = "", fault: ProvisionError | None = None) -> Shown:
    values = {"title": title, "sentence": sentence, "ident": ident, "fault": fault}
    return Shown("image_done.html", values, status_of(fault) if fault else 200)


def ask_removal(name: str) -> Shown:
    """What would go, and who needs it: nothing is removed yet."""
    return _removal(_found(name)[0])


def _removal(image: CatalogueImage, told: ProvisionError | None = None) -> Shown:
    refused: ProvisionError | None = None
    try:
        images.remove(image.id, Removal(dry_run=True))
    except RefusedError as fault:
        refused = fault
    values = {
        "image": image,
        "uses": image_uses.of_all(the_site()).get(image.id, ImageUses()),
        "freed": image_folders.used_by(the_site().settings.state, image.id),
        "refused": refused,
        "told": told,
    }
    return Shown("image_removal.html", values, status_of(told) if told else 200)


def remove(name: str) -> Shown:
    """Take it out of the catalogue, once its id was typed."""
    image, _ = _found(name)
    try:
        if request.form.get("confirmation", "").strip() != image.id:
            hint = f"type {image.id}, as it stands above"
            raise RefusedError("it was not confirmed, so nothing was removed", hint=hint, code=133)
        gone = images.remove(image.id, Removal())
    except RefusedError as fault:
        note_fault_of_people(fault)
        return _removal(image, fault)
    return _removed(f"{gone.image} is removed", gone.freed)


def _removed(what: str, freed: int) -> Shown:
    return Shown("image_done.html", {"title": "Removed", "sentence": what, "freed": freed})


def compare() -> Shown:
    """How two images differ, and what of the second a host would fetch that holds the first."""
    before, after = (request.args.get(name, "")[:200] for name in ("a", "b"))
    packs = [each.id for each in images.list_all().images if each.kind == "pack"]
    values: dict[str, object] = {"a": before, "b": after, "packs": packs, "fault": None, "found": None}
    status = 200
    if before and after:
        try:
            values |= _difference(_found(before)[0], _found(after)[0])
        except ProvisionError as fault:
            values["fault"], status = fault, status_of(fault)
    return Shown("image_diff.html", values, status)


def _difference(old: CatalogueImage, new: CatalogueImage) -> dict[str, object]:
    found = image_contents.difference(the_site().settings.state, old.id, new.id)
    packages, missing = _packages(old, new)
    return {
        "a": old.id,
        "b": new.id,
        "found": found,
        "packages": packages[:MOST_PACKAGES] if packages is not None else None,
        "all_packages": len(packages or ()),
        "missing": missing,
    }


def _packages(
    old: CatalogueImage, new: CatalogueImage
) -> tuple[Sequence[PackageChange] | None, Sequence[str]]:
    """What changed; or None, and of which images no bill of materials can be read."""
    before, after = _bill(old)[0], _bill(new)[0]
    if before and after:
        return package_difference.package_changes(before.packages, after.packages), ()
    return None, [image.id for image, bill in ((old, before), (new, after)) if bill is None]


def remove_garbage() -> Shown | Response:
    """Remove the files that were ticked, as far as they still belong to no image."""
    names = request.form.getlist("names")
    if not names:
        return go("/images#strays")
    gone = images.remove_garbage(StrayFileSelection(names=tuple(names))).garbage
    what = (
        f"{len(gone)} of {len(names)} that were ticked" if len(gone) < len(names) else "All that was ticked"
    )
    return _removed(f"{what} is removed", sum(each.size for each in gone))


PAGES = (
    Page("GET", "/images", list_all, Role.VIEWER),
    Page("GET", "/images/diff", compare, Role.VIEWER),
    Page("POST", "/images/garbage/remove", remove_garbage, Role.OPERATOR),
    Page("GET", "/images/<name>", show, Role.VIEWER),
    Page("POST", "/images/<name>/verify", verify, Role.TECHNICIAN),
    Page("GET", "/images/<name>/remove", ask_removal, Role.OPERATOR),
    Page("POST", "/images/<name>/remove", remove, Role.OPERATOR),
)
