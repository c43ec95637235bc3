"""Image bytes for the agent that was ordered to write them."""

from flask import Response, abort, request

from provisioner.errors import NotFoundError
from provisioner.state import image_files
from provisioner.web.machines import files
from provisioner.web.machines.download_slots import download_slots
from provisioner.web.machines.token import AGENT_STAGES, token_owner
from provisioner.web.patient_worker import on_sent
from provisioner.web.request import the_site


def image_part(ident: str, part: str) -> Response:
    """Manifest, signature and pack of the image that the token's deployment was ordered to write."""
    row, settings = token_owner(), the_site().settings
    if row.image != ident or row.stage not in AGENT_STAGES:
        abort(404)
    try:
        path = image_files.part_file(settings.state, ident, part)
    except NotFoundError:
        abort(404)
    if part != "pack" or request.method == "HEAD":
        return files.send(path)
    slots = download_slots()
    if wait := slots.ask(row.id):
        return Response(str(wait), 503, {"Retry-After": f"{wait.ask_again:.1f}"}, mimetype="text/plain")
    if settings.images.accel:
        return files.hand_over(f"{settings.images.accel}/{path.relative_to(settings.state / 'images')}")
    response = files.send(path)
    slots.begin(row.id)
    # the answer ends when its last byte has left, which is after the application has done with it
    if not on_sent(request.environ.get("gunicorn.socket"), lambda: slots.end(row.id)):
        response.call_on_close(lambda: slots.end(row.id))
    return response
