"""Takes every secret out of text that leaves this machine: those that we know, and what looks like one.

A word too many that is taken out costs little; so what only may be a secret goes, too.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from provisioner.state.known_secrets import GONE, KnownSecrets
from provisioner.state.redaction import redact_text
from provisioner.state.secrets import secrets_folder

NAMES = (
    r"passw(?:or)?ds?|passwd|pwd|passphrase|passcode|secrets?|tokens?|nonce|credentials?|community|psk"
    r"|(?<!by)(?<!com)pass(?![a-z])|(?<![a-z])pw(?![a-z])"
    r"|private[_-]?key|api[_-]?key|access[_-]?key|auth[_-]?key|session[_-]?(?:id|key)|cookie"
)
# of `password = …`, `bmc_password: …`, `"token": …`, with quotes that are quoted themselves, too
KEY = rf"(?:{NAMES})[\w.-]{{0,40}}"  # all is bounded: no text may take for ever
QUOTED_KEY = rf"{KEY}\\{{0,9}}[\"'][ \t]{{0,9}}[=:][ \t]{{0,9}}"
PLAIN_KEY = rf"{KEY}[ \t]{{0,9}}[=:][ \t]{{0,9}}"
ANY_KEY = rf"{KEY}(?:\\{{0,9}}[\"'])?[ \t]{{0,9}}[=:][ \t]{{0,9}}"
# of `passphrase "…"`, `community string …`, where only a blank divides them
SAID = (
    r"\b[\w-]{0,40}(?:passw(?:or)?d|passphrase|passcode|community|psk)(?:[ \t]{1,9}(?:string|is|was|name))?"
)
ARGUMENT = r"[\s\"',\\=]{0,9}"  # what divides an option and its value, on a line or in a list
STRING = r"\"(?:[^\"\\\n]|\\.)*\""
# pattern → what stays of it
PATTERNS = (
    # PEM (RFC 7468) and OpenSSH, whole or cut, its lines as they are or as JSON has them
    (r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:\\{1,9}[nr]|[A-Za-z0-9+/=\s:,-])*", GONE),
    (
        r"(?i)(untrusted comment:[^\n]{0,80}secret key[^\n\\]{0,80}(?:\n|\\{1,9}n))[A-Za-z0-9+/=]+",
        rf"\1{GONE}",
    ),  # minisign
    (r"AGE-SECRET-KEY-1[A-Z0-9]+", GONE),
    # crypt(5): `$6$salt$hash`, yescrypt, bcrypt, argon2
    (r"\$(?:1|2[abxy]?|5|6|7|y|gy|sha1|md5|argon2\w*|scrypt|pbkdf2[\w-]*)\$[./\w$=,+-]{8,}", GONE),
    (r"(?i)(\b(?:bearer|basic|digest)\s+)[\w.~+/=-]{6,}", rf"\1{GONE}"),  # RFC 9110, 11.4
    (r"(?i)((?:set-)?cookie:[ \t]*)[^\r\n]+", rf"\1{GONE}"),
    (
        r"(\b[a-z][\w+.-]{0,20}://[^\s/:@\"']{0,80}:)[^\s/@\"']{1,200}(?=@)",
        rf"\1{GONE}",
    ),  # https://user:password@host
    (r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", GONE),  # JSON web tokens (RFC 7519)
    (r"(/autoinstall/[0-9A-Fa-f:-]{17}/)[^\s/\"'?]+", rf"\1{GONE}"),  # an installer's seed
    (rf"(?i)({ANY_KEY}\")(?:[^\"\\\n]|\\.)*", rf"\1{GONE}"),
    (rf"(?i)({ANY_KEY}(\\{{1,9}})\")(?:(?!\2\").)*", rf"\1{GONE}"),
    (rf"(?i)({ANY_KEY}')[^'\n]*", rf"\1{GONE}"),
    (
        rf"(?i)({QUOTED_KEY})(?:\[(?:{STRING}|[^\[\]\"]){{0,500}}\]|\{{(?:{STRING}|[^{{}}\"]){{0,500}}\}})",
        rf'\1"{GONE}"',
    ),
    (rf"(?i)({QUOTED_KEY})(?!null|true|false)[^\s\"'\\,;&}}\])\[{{]+", rf'\1"{GONE}"'),
    (
        rf"(?im)^([ \t-]{{0,40}}[\w.-]{{0,40}}{KEY}:[ \t]*[|>][+-]?[ \t]*\n)(?:[ \t]+[^\n]*(?:\n|\Z))+",
        rf"\1  {GONE}\n",
    ),  # YAML
    (rf"(?i)({PLAIN_KEY})[^\s\"'\\,;&}}\])]+", rf"\1{GONE}"),
    (rf"(?i)(--?[\w-]{{0,40}}{KEY}[ \t]{{1,9}})(?!-)[^\s\"']+", rf"\1{GONE}"),  # --password x
    (rf"((?<![\w.-])-[PK]{ARGUMENT})[^\s\"'\\,]+", rf"\1{GONE}"),  # ipmitool -P x, -Px
    (
        rf"((?<![\w-])(?:-[uU]|--(?:proxy-)?user){ARGUMENT}[^\s:%\"'\\]{{1,80}}[:%])[^\s\"'\\]+",
        rf"\1{GONE}",
    ),  # curl -u user:password, smbclient -U user%password
    (
        r"((?<![\w-])(?:-[uU]|--(?:proxy-)?user)[ \t=]{0,9}([\"'])[^\s:%\"'\\]{1,80}[:%])"
        r"(?:(?!\2)[^\n])+",
        rf"\1{GONE}",
    ),  # in quotes, with blanks
    (rf"(\bsshpass[\s\"',]{{1,9}}-p{ARGUMENT})[^\s\"'\\,]+", rf"\1{GONE}"),
    (r"(\bmysql\w{0,20}\b[^\n]{0,200}?\s-p)[^\s\"'\\,]+", rf"\1{GONE}"),
    (r"(\bsnmp\w{1,20}\b[^\n]{0,200}?\s-c[ \t]{0,9})[^\s\"'\\,]+", rf"\1{GONE}"),
    (
        rf"(?i)((?:<|&lt;)[\w.:-]{{0,40}}{KEY}(?:\s[^<>\n]{{0,200}})?(?:>|&gt;))(?:<!\[CDATA\[)?[^<&]+(?:\]\]>)?",
        rf"\1{GONE}",
    ),  # XML, as it is or escaped
    (
        rf"(?i)(\b(?:name|key)[\"']?\s{{0,9}}[=:]\s{{0,9}}[\"'][\w.-]{{0,40}}{KEY}[\"'],?\s{{0,9}}"
        r"[\"']?value[\"']?\s{0,9}[=:]\s{0,9}[\"'])[^\"'\n]*",
        rf"\1{GONE}",
    ),  # a name and its value, as XML and JSON have properties
    (rf"(?i)({SAID}[ \t]{{1,9}}\\{{0,9}}([\"']))(?:(?!\2)[^\n\\])+", rf"\1{GONE}"),
    (rf"(?i)({SAID}[ \t]{{1,9}})(?=[a-z_-]{{0,80}}[0-9@#$%!])[^\s\"'\\,;()]+", rf"\1{GONE}"),
    (
        r"(?i)(\b(?:community|login[ \t]+\S{1,80}[ \t]+password)[ \t]+)"
        r"(?!(?:string|is|was|name)\b)[\w.@#$%!+-]+",
        rf"\1{GONE}",
    ),  # of SNMP, and of ~/.netrc
)
COMPILED = tuple((re.compile(pattern), stays) for pattern, stays in PATTERNS)


class Scrubber:
    """Knows the secrets of one state folder."""

    def __init__(self, known: Iterable[str], hashes: Iterable[str] = ()) -> None:
        """`known` are secrets themselves, `hashes` (SHA-256, hexadecimal) of others."""
        self._known = KnownSecrets(known)
        self._hashes = tuple(hashes)

    def scrub(self, text: str) -> str:
        """The text without secrets."""
        text = self._known.cut(text)
        for pattern, stays in COMPILED:
            text = pattern.sub(stays, text)
        return redact_text(text, *self._hashes)


# of keys: they are in every key of the kind, and by them one that is not known is recognised
HEADINGS = ("-----", "untrusted comment:")


def known_secrets(state: Path) -> Iterator[str]:
    """What the files of STATE/secrets hold: tokens, keys line by line, users and passwords, one by one.

    Public keys and certificates are no secrets. Raises OSError.
    """
    for path in sorted(secrets_folder(state).iterdir()):
        if path.suffix in (".pub", ".crt") or path.name.endswith(".bmc.sha256") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        if path.suffix == ".json":
            yield from _login(text)
        else:
            yield from (line.strip() for line in text.splitlines() if not line.startswith(HEADINGS))


def _login(text: str) -> Iterator[str]:
    """The password of a BMC; its user only together with it, as HTTP's basic login has them."""
    try:
        login = json.loads(text)
        user, password = str(login["user"]), str(login["password"])
    except (ValueError, KeyError, TypeError):
        yield text.strip()
        return
    yield password
    yield f"{user}:{password}"
