"""Certificates against the minisign program: any byte that is changed is found, whatever file it is in."""

import functools
import random
import resource
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner import run
from provisioner.certificate import canonical, files, rendering, signing, verifying
from provisioner.certificate.files import Kind
from provisioner.certificate.rendering import SignedReport
from provisioner.errors import CertificateError, FileError, InputError, PackError, ProvisionError
from tests.certificates import healthy, make_key, rejected

EDITS = 1000
SEED = 20261129
KINDS: tuple[Kind, ...] = ("json", "pdf", "html")


class Made:
    """A site's key, another's, and both samples in all three forms."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret, self.public = make_key(folder)
        self.other_secret, self.other = make_key(folder, "other")
        for name, report in (("good", healthy()), ("bad", rejected())):
            data = canonical.render(report)
            for kind in KINDS:
                files.write(data, signing.sign(data, self.secret), self.path(name, kind))

    def path(self, name: str, kind: str) -> Path:
        """One of the files."""
        return self.folder / f"{name}.{kind}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same signature of the same bytes is checked once, and the same data are drawn once."""
    drawn: dict[tuple[bytes, str, Kind], bytes] = {}
    render = files.render

    def remembered(signed: SignedReport, kind: Kind) -> bytes:
        key = (signed.data, signed.signature.text(), kind)
        if key not in drawn:
            drawn[key] = render(signed, kind)
        return drawn[key]

    monkeypatch.setattr(files, "render", remembered)
    monkeypatch.setattr(signing, "check", functools.cache(signing.check))
    monkeypatch.setattr(signing, "check_statement", functools.cache(signing.check_statement))
    yield


def code_of(act: Callable[[], object]) -> int:
    """The code with which something is refused."""
    with pytest.raises(ProvisionError) as refused:
        act()
    assert refused.value.hint or refused.value.code == 150
    return refused.value.code


def refusal(path: Path, *keys: Path) -> int:
    return code_of(lambda: verifying.verify(path, keys))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "verdict"), [("good", "accepted"), ("bad", "rejected")])
def test_what_was_written_is_right(made: Made, kind: str, name: str, verdict: str) -> None:
    found = verifying.verify(made.path(name, kind), (made.other, made.public))
    assert (found.form, found.verdict, found.host, found.serial) == (
        *(kind, verdict, "vc-0042", "S411795X4A12345"),
    )
    assert (found.signed_by, found.is_accepted) == ("site", name == "good")
    assert found.key_id in made.public.read_text(), "minisign prints the same number in the key's file"
    report = made.path(name, "json")
    assert found.sha256 == run.text(["sha256sum", report]).split()[0]


@pytest.mark.parametrize("name", ["good", "bad"])
def test_minisign_alone_checks_a_report_and_shows_what_it_comes_to(made: Made, name: str) -> None:
    said = run.text(["minisign", "-V", "-p", made.public, "-m", made.path(name, "json")])
    assert "Signature and comment signature verified" in said
    assert "Trusted comment: vaultcube.gpu-statement/1;a-20261129-vc-0042" in said


@pytest.mark.parametrize("kind", ["pdf", "html"])
def test_what_is_in_a_file_can_be_taken_out_and_checked_by_others(
    made: Made, tmp_path: Path, kind: str
) -> None:
    if kind == "pdf":  # by poppler, which is not ours
        run.run(["pdfdetach", "-saveall", "-o", tmp_path, made.path("good", kind)])
    else:
        opened = files.read(made.path("good", kind))
        (tmp_path / "a-1.json").write_bytes(opened.report)
        (tmp_path / "a-1.json.minisig").write_text(opened.signature)
    [report] = tmp_path.glob("*.json")
    assert report.read_bytes() == made.path("good", "json").read_bytes()
    run.run(["minisign", "-V", "-p", made.public, "-m", report])


def edited(data: bytes, chance: random.Random) -> bytes:
    """With one byte that is another."""
    place = chance.randrange(len(data))
    return data[:place] + bytes((data[place] ^ chance.randrange(1, 256),)) + data[place + 1 :]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(300)
def test_every_byte_that_is_changed_is_found(made: Made, tmp_path: Path, kind: Kind) -> None:
    chance, found = random.Random(SEED), dict[int, int]()
    whole = made.path("good", kind).read_bytes()
    path = tmp_path / f"edited.{kind}"
    signature = made.path("good", "json").with_name("good.json.minisig").read_text()
    path.with_name(path.name + ".minisig").write_text(signature)
    for _ in range(EDITS):
        path.write_bytes(edited(whole, chance))
        code = refusal(path, made.public)
        found[code] = found.get(code, 0) + 1
    path.write_bytes(whole)
    assert verifying.verify(path, (made.public,)).is_accepted
    assert sum(found.values()) == EDITS and set(found) <= {560, 561, 562, 563, 564, 565}
    assert found[562] > 100, "the data, which are much of each file"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_so_it_is_with_nothing_remembered(made: Made, tmp_path: Path, kind: Kind) -> None:
    chance = random.Random(SEED + 1)
    path = tmp_path / f"edited.{kind}"
    path.with_name(path.name + ".minisig").write_bytes(
        made.path("bad", "json").with_name("bad.json.minisig").read_bytes()
    )
    for _ in range(20):
        path.write_bytes(edited(made.path("bad", kind).read_bytes(), chance))
        assert refusal(path, made.public) in {560, 561, 562, 563, 564, 565}


@pytest.mark.timeout(300)
def test_every_byte_of_a_signature_that_is_changed_is_found(made: Made, tmp_path: Path) -> None:
    """Its first line, too, which minisign itself does not look at, and unused bits of base64."""
    chance, report = random.Random(SEED), tmp_path / "r.json"
    report.write_bytes(made.path("good", "json").read_bytes())
    signature = made.path("good", "json").with_name("good.json.minisig").read_bytes()
    for _ in range(200):
        report.with_name("r.json.minisig").write_bytes(edited(signature, chance))
        assert refusal(report, made.public) in {561, 562, 563}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", ["pdf", "html"])
def test_what_people_read_is_what_was_signed(made: Made, tmp_path: Path, kind: Kind) -> None:
    """The data of a rejected unit in a file that shows an accepted one, and words that are exchanged."""
    good, bad = (made.path(name, kind).read_bytes() for name in ("good", "bad"))
    forged = tmp_path / f"forged.{kind}"
    opened = [files.read(made.path(name, kind)) for name in ("good", "bad")]
    if kind == "html":
        forged.write_bytes(bad.replace(b">REJECTED<", b">ACCEPTED<"))
        assert refusal(forged, made.public) == 564
        forged.write_bytes(good.replace(b"<title>", b"<style>main{display:none}</style><title>"))
        assert refusal(forged, made.public) == 564
    else:
        forged.write_bytes(bad + b"\n")
        assert refusal(forged, made.public) == 564
        update = b"\n1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF\n"  # an incremental one (ISO 32000-1, 7.5.6)
        forged.write_bytes(bad + update)
        assert refusal(forged, made.public) == 564
    one, other = rendered_data(opened[0], kind), rendered_data(opened[1], kind)
    assert one in good
    forged.write_bytes(good.replace(one, other))
    assert refusal(forged, made.public) in (560, 562), "the report alone is exchanged"


def rendered_data(opened: files.Opened, kind: Kind) -> bytes:
    if kind == "pdf":
        return opened.report
    import base64

    return base64.b64encode(opened.report)


@pytest.mark.parametrize("kind", ["pdf", "html"])
def test_what_another_release_has_drawn_is_not_called_forged(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    older = tmp_path / f"older.{kind}"
    signed = verifying.open_signed(made.path("good", "json"), [made.public])
    monkeypatch.setattr(rendering, "RENDERING", rendering.RENDERING + 1)
    files.write(signed.data, signed.signature.text(), older)
    assert verifying.verify(older, [made.public]).is_accepted
    monkeypatch.undo()
    code = refusal(older, made.public)
    assert code == 565
    again = verifying.open_signed(older, [made.public])
    files.write(again.data, again.signature.text(), older)
    assert verifying.verify(older, [made.public]).is_accepted, "drawn anew from the signed data"


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_not_known_is_named(made: Made, kind: str) -> None:
    with pytest.raises(CertificateError, match="which is not known here") as refused:
        verifying.verify(made.path("good", kind), [made.other])
    assert refused.value.code == 563 and "other" in refused.value.hint


def test_without_a_key_nothing_can_be_said(made: Made, tmp_path: Path) -> None:
    assert refusal(made.path("good", "pdf")) == 568
    for name, text in (("empty.pub", ""), ("words.pub", "a\nb\n"), ("long.pub", "x\n" + "A" * 400)):
        (tmp_path / name).write_text(text)
        assert refusal(made.path("good", "pdf"), tmp_path / name) == 568, name
    (tmp_path / "half.pub").write_text(made.public.read_text()[:-30])
    assert refusal(made.path("good", "pdf"), tmp_path / "half.pub") == 568
    assert refusal(made.path("good", "pdf"), tmp_path / "none.pub") == 150


def test_a_signature_of_another_report_fits_none(made: Made, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    report.write_bytes(made.path("good", "json").read_bytes())
    assert refusal(report, made.public) == 561, "there is none"
    beside = report.with_name("r.json.minisig")
    beside.write_bytes(made.path("bad", "json").with_name("bad.json.minisig").read_bytes())
    assert refusal(report, made.public) == 562
    beside.write_bytes(beside.read_bytes()[:100])
    assert refusal(report, made.public) == 561
    data = report.read_bytes()
    theirs = signing.sign(data, made.other_secret)
    beside.write_text(theirs)
    assert refusal(report, made.public) == 563
    ours = signing.sign(data, made.secret).splitlines()
    mixed = theirs.splitlines()
    beside.write_text("\n".join([*ours[:2], *mixed[2:], ""]))
    assert refusal(report, made.public) == 562, "its own signature, another's comment"


def test_a_report_that_was_signed_without_its_statement_is_refused(made: Made, tmp_path: Path) -> None:
    """By the right key, but by hand: the QR code of such a certificate would say nothing."""
    from provisioner.certificate import minisig
    from provisioner.imaging import signature

    report = tmp_path / "r.json"
    report.write_bytes(made.path("good", "json").read_bytes())
    signature.sign(report, made.secret, comment=minisig.COMMENT)
    assert refusal(report, made.public) == 566
    other = signing.sign(made.path("bad", "json").read_bytes(), made.secret)
    said = minisig.read(other)
    assert said
    signature.sign(report, made.secret, comment=minisig.COMMENT, trusted=said.comment)
    assert refusal(report, made.public) == 567


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_file_is_none(made: Made, tmp_path: Path, kind: str) -> None:
    whole = made.path("good", kind).read_bytes()
    path = tmp_path / f"half.{kind}"
    path.with_name(path.name + ".minisig").write_bytes(
        made.path("good", "json").with_name("good.json.minisig").read_bytes()
    )
    chance = random.Random(SEED)
    for end in (0, 1, 4, 5, 20, len(whole) - 1, *chance.sample(range(len(whole)), 20)):
        path.write_bytes(whole[:end])
        assert refusal(path, made.public) in (560, 562, 564, 565), end


def test_what_is_something_else_is_said_to_be_no_certificate(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "x.pdf"
    for data in (b"", b"hello", b"%PDF-1.7\n%%EOF\n", b"<!DOCTYPE html><p>ACCEPTED</p>", b"\x00" * 5000):
        path.write_bytes(data)
        assert refusal(path, made.public) == 560
    assert refusal(tmp_path, made.public) == 150
    assert refusal(tmp_path / "gone.pdf", made.public) == 150


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_what_would_grow_to_gigabytes_is_refused_as_small_as_it_is(made: Made, tmp_path: Path) -> None:
    """A compressed stream in the place of the report, endless lengths, a file without an end."""
    before, begun = peak(), time.monotonic()
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 24)) for _ in range(128)) + packer.flush()  # 2 GiB
    whole = made.path("good", "pdf").read_bytes()
    report = files.read(made.path("good", "pdf")).report
    head = f"/Length {len(report)}\n/Params <</Size {len(report)}>>".encode()
    path = tmp_path / "bomb.pdf"
    for other in (f"/Filter /FlateDecode\n/Length {len(bomb)}", "/Length 999999999\n/Params <</Size 9>>"):
        path.write_bytes(whole.replace(head, other.encode()).replace(report, bomb))
        assert refusal(path, made.public) in (560, 562)
    assert refusal(Path("/dev/zero"), made.public) == 560
    path.write_bytes(b"%PDF-" + b"/Length 1\n/Params <</Size " * 2_000_000)
    assert refusal(path, made.public) == 560
    path.write_bytes(b"<!DOCTYPE html>" + b'<a download="' * 4_000_000)
    assert refusal(path, made.public) == 560
    assert peak() - before < 400 << 20, "two or three times what is read, however large the file says it is"
    assert time.monotonic() - begun < 60


def test_streams_that_lie_in_one_another_are_not_taken_out_again_and_again(
    made: Made, tmp_path: Path
) -> None:
    """Each of 20,000 heads claims all that stands behind it: that would be 30 GiB."""
    before, head = peak(), b"/Length %09d\n/Params <</Size 1>>\n/Subtype /application#2Foctet-stream\n"
    head += b"/Type /EmbeddedFile\n>>\nstream\n"
    count, size, tail = 20_000, len(head % 0), b"\nendstream\n"
    rest = bytes(16 << 20)
    lengths = [(count - number - 1) * size + len(rest) for number in range(count)]
    path = tmp_path / "nested.pdf"
    path.write_bytes(b"%PDF-1.7\n" + b"".join(head % length for length in lengths) + rest + tail)
    assert refusal(path, made.public) == 560
    assert peak() - before < 300 << 20


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_may_be_a_link_and_what_is_beside_it_is_found_where_it_is_named(
    made: Made, tmp_path: Path, kind: str
) -> None:
    link = tmp_path / f"link.{kind}"
    link.symlink_to(made.path("good", kind))
    if kind == "json":
        assert refusal(link, made.public) == 561
        (tmp_path / "link.json.minisig").symlink_to(made.path("good", "json").with_suffix(".json.minisig"))
    assert verifying.verify(link, (made.public,)).is_accepted
    link.unlink()
    link.symlink_to(link)
    assert refusal(link, made.public) == 150


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.rstrip(b"\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.rstrip(b"\n") + b" \n\n",
    ],
    ids=["CRLF", "no end of line", "BOM", "blanks"],
)
def test_a_key_that_went_through_another_system_is_the_same_key(
    made: Made, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    """It must never be said of the certificate that it was changed."""
    key = tmp_path / "site.pub"
    key.write_bytes(change(made.public.read_bytes()))
    found = verifying.verify(made.path("good", "pdf"), (key,))
    assert (found.signed_by, found.is_accepted) == ("site", True)


def test_what_is_no_key_is_read_no_further_than_a_key_is_long(made: Made, tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), made.path("good", "pdf"), made.secret):
        assert refusal(made.path("good", "pdf"), path) == 568, path
    assert refusal(made.path("good", "pdf"), tmp_path) == 150


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_in_the_right_clothes_is_refused_in_words(made: Made, tmp_path: Path, kind: str) -> None:
    """Pieces of certificates in any order."""
    chance = random.Random(SEED)
    wholes = [made.path(name, kind).read_bytes() for name in ("good", "bad")]
    path = tmp_path / f"x.{kind}"
    path.with_name(path.name + ".minisig").write_bytes(
        made.path("good", "json").with_name("good.json.minisig").read_bytes()
    )
    for _ in range(100):
        cuts = sorted(chance.sample(range(len(wholes[0])), 4))
        parts = [wholes[0][a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
        parts[chance.randrange(1, 5)] = wholes[1][chance.randrange(len(wholes[1])) :]
        chance.shuffle(parts)
        path.write_bytes(wholes[0][:15] + b"".join(parts))
        assert refusal(path, made.public) in range(560, 568)


def test_a_file_of_another_suffix_is_not_written(made: Made, tmp_path: Path) -> None:
    signed = verifying.open_signed(made.path("good", "pdf"), [made.public])
    text = signed.signature.text()
    with pytest.raises(InputError, match="no such file"):
        files.write(signed.data, text, tmp_path / "x.docx")
    assert code_of(lambda: files.write(b"{}\n", text, tmp_path / "x.pdf")) == 560
    assert code_of(lambda: files.write(signed.data, "no signature", tmp_path / "x.pdf")) == 561
    with pytest.raises(FileError):
        files.write(signed.data, text, Path("/proc/x.json"))
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_sign_is_said(made: Made, tmp_path: Path) -> None:
    data = made.path("good", "json").read_bytes()
    with pytest.raises(PackError) as refused:
        signing.sign(data, made.public)
    assert refused.value.code == 325
    assert signing.sign(data, made.secret) == signing.sign(data, made.secret), "no time, nothing random"
