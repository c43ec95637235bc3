"""Where a link of a Redfish service leads: to the BMC itself, in whichever form it is written."""

from urllib.parse import quote, urljoin, urlsplit

ROOT = "/redfish/v1/"  # DSP0266, 6.3
SAFE = "/%:@!$&'()*+,;=~"  # what RFC 3986, 3.3, lets a path have; `%` since it may be quoted already


def local(reference: str) -> str:
    """Path and query of a URI reference (RFC 3986, 4.1), as a request has them.

    Whatever host it names is dropped: a login is sent to nobody but the BMC. What is relative is below the
    service's root, and so is what is no reference at all.
    """
    slashed = "/" + reference.strip()
    start = slashed.find("/redfish/")  # behind a host, behind two slashes, or with none before it
    try:
        parts = urlsplit(slashed[start:] if start >= 0 else urljoin(ROOT, reference.strip()))
    except ValueError:
        return ROOT
    query = f"?{quote(parts.query, safe=SAFE + '?')}" if parts.query else ""
    return quote(parts.path or "/", safe=SAFE) + query


def key(reference: str) -> str:
    """What all links to one resource have in common: BMCs vary letter case and the last slash."""
    return local(reference).rstrip("/").lower()
