"""What hosts that write the same image are told of each other, and what they say of each other."""

import logging

from provisioner.agent import protocol
from provisioner.deployment.record import try_record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.agent import PeerLied
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.secrets import swarm_token
from provisioner.web.machines.swarm_board import Place, swarm_board
from provisioner.web.request import client_address, the_site

log = logging.getLogger(__name__)
MBIT = 125_000  # bytes a second
SOON = (Stage.POWERING, Stage.NETBOOTING, Stage.WRITING)


def terms(site: Site, row: Deployment) -> protocol.SwarmTerms:
    """Part of the order: the token of its image, and how many others there will be.

    Without its key there is no swarm, and the service gives all: no order is refused for that.
    """
    if not site.settings.images.swarm:
        return protocol.SwarmTerms()
    try:
        token = swarm_token(site.settings.state, row.image)
    except OSError as fault:
        log.warning("hosts cannot feed each other: %s: %s", fault.filename, fault.strerror)
        return protocol.SwarmTerms()
    others = [
        other
        for other in site.database.deployments.under_way()
        if other.id != row.id and other.image == row.image and other.stage in SOON
    ]
    return protocol.SwarmTerms(token, len(others))


def report(row: Deployment, port: int) -> None:
    """It gives its pieces at this port of the address that it reports from, which no message can claim."""
    port = port if 0 < port < 1 << 16 else 0
    known = the_site().database.hosts.hardware(row.host) if port else None
    switch = next((near.chassis for near in known.neighbours if near.chassis), "") if known else ""
    swarm_board().report(row.id, Place(row.host, row.image, client_address(), port, switch))


def news(row: Deployment) -> protocol.SwarmNews:
    """Who else writes its image now, and how much it may give them."""
    images, board = the_site().settings.images, swarm_board()
    if not images.swarm:
        return protocol.SwarmNews()
    peers = [protocol.PeerAddress(place.address, place.port) for place in board.others(row.id, row.image)]
    return protocol.SwarmNews(
        peers, int(board.share(row.id, images.host_mbit * MBIT, images.switch_mbit * MBIT))
    )


def note_liars(row: Deployment, addresses: list[str]) -> None:
    """Each becomes an event of the host that found out; that it says so again is none."""
    site = the_site()
    for address in addresses:
        event = PeerLied(address=address, host=swarm_board().host_at(address))
        if swarm_board().is_news(row.id, address):
            log.warning("%s: %s", row.host, event.describe())
            try_record(site, row.id, event, source="agent")
