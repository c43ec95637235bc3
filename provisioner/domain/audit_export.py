"""An audit as a file: a line that says what it is, the lines as they are kept, and a signed head.

The head says which is the last line, its hash, and how many there are; so a file from which the end was cut
off is found. It is signed by the site's audit key (Ed25519); the file names the key, but whether that is the
site's is for whoever verifies to know: `--key`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from provisioner.domain.audit import FORMAT, NOTHING, Hash, Time
from provisioner.domain.audit_chain import Chain
from provisioner.domain.values import FrozenModel
from provisioner.errors import AuditError
from provisioner.system import canonical_json, ed25519

Number = Annotated[int, Field(ge=0)]
Format = Literal["vaultcube.audit/1"]
KEEP = "compare with an earlier export, and ask who could write there"


class Head(FrozenModel):
    """What a site's audit comes to: lines `first` to `number`, `count` of them; `time` in seconds since 1970.

    `previous` is the hash before the first line, `hash` that of the last one, `key` the public key.
    """

    format: Format = FORMAT
    key: Hash
    first: Number
    previous: Hash
    number: Number
    hash: Hash
    count: Number
    time: Time

    @classmethod
    def of(cls, chain: Chain, *, key: str, now: float) -> Self:
        """What a chain has come to."""
        return cls(
            key=key,
            first=chain.first,
            previous=chain.previous,
            number=chain.number,
            hash=chain.hash,
            count=chain.count,
            time=now,
        )

    def to_bytes(self) -> bytes:
        """What is signed."""
        return canonical_json.dump(self.model_dump(mode="json"))


class SignedHead(FrozenModel):
    """A head and its signature, 128 hexadecimal digits."""

    head: Head
    signature: str

    def to_bytes(self) -> bytes:
        """As it is kept and exported."""
        return canonical_json.dump(self.model_dump(mode="json"))

    def require_signed(self, keys: Sequence[str] = ()) -> None:
        """Raises AuditError: signed by none of `keys` (PV-691), or not by the key that it names (PV-693)."""
        if keys and self.head.key not in keys:
            raise AuditError(
                f"the audit is signed by the key {self.head.key[:16]}…, which is not the one that was given",
                hint="provision audit key prints the site's; take it from the site itself",
                code=691,
            )
        if not ed25519.has_signed(self.head.key, self.head.to_bytes(), self.signature):
            raise AuditError(
                "the audit's head is not what its key has signed: it was changed since", hint=KEEP, code=693
            )


class _Title(FrozenModel):
    format: Format = FORMAT
    key: Hash


def write(lines: Iterable[bytes], head: SignedHead) -> Iterator[bytes]:
    """The lines of the file, each with its line feed; `lines` are those that the head tells of."""
    yield canonical_json.dump(_Title(key=head.head.key).model_dump(mode="json"))
    yield from lines
    yield head.to_bytes()


def verify(file: Iterable[bytes], keys: Sequence[str] = (), earlier: Sequence[Head] = ()) -> Head:
    """Read a file line by line; what is proven. `keys` are public keys that are trusted, if any are known.

    `earlier` are heads that somebody has kept: the chain has to come by each. Raises AuditError: PV-690
    (a line), 691 (another key), 692 (lines are missing at the end), 693 (the head), 694 (no audit).
    """
    lines = iter(file)
    title = _title(next(lines, b""))
    chain, passed = Chain(), Passing(earlier)
    newest = next(lines, b"")
    for following in lines:
        chain.add(newest)
        passed.look(chain)
        newest = following
    signed = read_head(newest)
    signed.require_signed(keys)
    told = Head.of(chain, key=title.key, now=signed.head.time)
    if told != signed.head:
        raise _otherwise(chain, signed.head)
    chain.end()
    passed.end(chain)
    return signed.head


def verify_lines(
    lines: Iterable[bytes], heads: Sequence[SignedHead], keys: Sequence[str], earlier: Sequence[Head] = ()
) -> Head:
    """Read all lines of a running service, beside the heads that it has signed; what they come to, unsigned.

    Raises as `verify`.
    """
    for signed in heads:
        signed.require_signed(keys)
    chain, passed = Chain(), Passing([*(signed.head for signed in heads), *earlier])
    for line in lines:
        chain.add(line)
        passed.look(chain)
    chain.end()
    passed.end(chain)
    key, when = (heads[-1].head.key, heads[-1].head.time) if heads else (NOTHING, 0.0)
    return Head.of(chain, key=key, now=when)


class Passing:
    """Sees that a chain comes by heads that were signed before, or goes on from one.

    Those that end before its beginning prove nothing: what was between was forgotten.
    """

    def __init__(self, heads: Sequence[Head]) -> None:
        self._heads = {head.number: head.hash for head in heads}

    def look(self, chain: Chain) -> None:
        """After each line. Raises AuditError (PV-690): another line was there when a head was signed."""
        number = chain.number
        if chain.count == 1 and self._heads.get(chain.first - 1, chain.previous) != chain.previous:
            number = chain.first - 1
        elif self._heads.get(number, chain.hash) == chain.hash:
            return
        raise AuditError(
            f"line {number} of the audit is not the one that was there when its hash was signed",
            hint=KEEP,
        )

    def end(self, chain: Chain) -> None:
        """No line follows. Raises AuditError (PV-692): a head was signed when there were more."""
        if (most := max(self._heads, default=0)) > chain.number:
            raise AuditError(
                f"the audit ends with line {chain.number}, and line {most} was signed: its end is missing",
                hint=KEEP,
                code=692,
            )


def _title(line: bytes) -> _Title:
    try:
        return _Title.model_validate(canonical_json.read(line))
    except (ValueError, RecursionError) as fault:
        raise AuditError(
            "this is no audit that was exported", hint="provision audit export --to FILE", code=694
        ) from fault


def read_head(line: bytes) -> SignedHead:
    """Raises AuditError (PV-692): that is no head, so the end of the file is missing."""
    try:
        return SignedHead.model_validate(canonical_json.read(line))
    except ValidationError as fault:
        raise _cut() from fault
    except (ValueError, RecursionError) as fault:
        raise _cut() from fault


def _cut() -> AuditError:
    return AuditError(
        "the audit does not end with its signed head: its end is missing, or was changed", hint=KEEP, code=692
    )


def _otherwise(chain: Chain, head: Head) -> AuditError:
    if chain.number < head.number:
        return AuditError(
            f"the audit ends with line {chain.number}, and its head was signed with {head.number}",
            hint=KEEP,
            code=692,
        )
    return AuditError(
        f"its head was signed for {head.count} lines up to number {head.number}, and the file has"
        f" {chain.count} up to number {chain.number}, or others",
        hint=KEEP,
        code=693,
    )
