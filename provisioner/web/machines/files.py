"""Sends files whole or by Range so that the server can use sendfile."""

from pathlib import Path

from flask import Response, request
from werkzeug.http import parse_range_header


def hand_over(place: str) -> Response:
    """Let nginx, which asked for it, send the file of its internal location `place`, ranges too."""
    return Response(headers={"X-Accel-Redirect": place}, mimetype="application/octet-stream")


def send(path: Path, *, mimetype: str = "application/octet-stream") -> Response:
    """The file, or the one range that was asked for (RFC 9110 §14); 416 where it lies outside.

    werkzeug's own Range handling wraps the file and loses sendfile, so the file is positioned here and
    given to the server's file wrapper, which honours Content-Length.
    """
    size = path.stat().st_size
    wanted = parse_range_header(request.headers.get("Range")) if request.method == "GET" else None
    if "If-Range" in request.headers:
        wanted = None  # RFC 9110 13.1.5: it names a state of the file, and we told of none
    if wanted and (wanted.units != "bytes" or len(wanted.ranges) > 1):
        wanted = None  # RFC 9110 14.2: what a server does not understand, it ignores
    bounds = wanted.range_for_length(size) if wanted else None
    if wanted and bounds is None:
        return Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    first, last = bounds or (0, size)
    headers = {"Content-Length": str(last - first), "Accept-Ranges": "bytes"}
    if bounds:
        headers["Content-Range"] = f"bytes {first}-{last - 1}/{size}"
    status = 206 if bounds else 200
    if request.method == "HEAD":
        return Response(status=status, headers=headers, mimetype=mimetype)
    file = path.open("rb")
    file.seek(first)
    body = request.environ["wsgi.file_wrapper"](file, 1 << 18)
    response = Response(body, status, headers, mimetype=mimetype, direct_passthrough=True)
    response.call_on_close(file.close)
    return response
