"""Image bytes for the agent that was ordered to write them."""

from flask import Response, abort, request
from werkzeug.http import parse_range_header

from provisioner.agent.possession import LARGEST_PIECE
from provisioner.errors import NotFoundError
from provisioner.state import image_files
from provisioner.web.machines import files
from provisioner.web.machines.download_slots import MOST_STREAMS, TRY_AGAIN, download_slots
from provisioner.web.machines.refusals import note_refused
from provisioner.web.machines.swarm_board import swarm_board
from provisioner.web.machines.token import AGENT_STAGES, token_owner
from provisioner.web.patient_worker import on_sent
from provisioner.web.request import the_site


def image_part(ident: str, part: str) -> Response:
    """Manifest, signature and pack of the image that the token's deployment was ordered to write."""
    row, settings = token_owner(), the_site().settings
    if row.image != ident or row.stage not in AGENT_STAGES:
        note_refused(row.host, request.path, f"its order is {row.image}, {row.stage}", mac=row.mac)
        abort(404)
    try:
        path = image_files.part_file(settings.state, ident, part)
    except NotFoundError:
        abort(404)
    if part != "pack" or request.method == "HEAD":
        return files.send(path)
    slots = download_slots()
    if not _is_for_all(row.id) and (wait := slots.ask(row.id)):
        return _later(str(wait), wait.ask_again)
    if settings.images.accel:
        return files.hand_over(f"{settings.images.accel}/{path.relative_to(settings.state / 'images')}")
    if not slots.begin(row.id):
        return _later(f"{MOST_STREAMS} streams of this host are under way already", TRY_AGAIN)
    response = files.send(path)
    # the answer ends when its last byte has left, which is after the application has done with it
    if not on_sent(request.environ.get("gunicorn.socket"), lambda: slots.end(row.id)):
        response.call_on_close(lambda: slots.end(row.id))
    return response


def _is_for_all(who: str) -> bool:
    """Whether it is a piece for a host that gives it to others: all gain by it, so it stands in no line."""
    wanted = parse_range_header(request.headers.get("Range"))
    if wanted is None or len(wanted.ranges) != 1 or not swarm_board().has_others(who):
        return False
    first, behind = wanted.ranges[0]
    return behind is not None and 0 <= behind - first <= LARGEST_PIECE


def _later(words: str, seconds: float) -> Response:
    """The agent shows the words and asks again (RFC 9110, 10.2.3)."""
    return Response(words, 503, {"Retry-After": f"{seconds:.1f}"}, mimetype="text/plain")
