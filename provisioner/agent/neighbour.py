"""What a switch says of itself, as the agent's messages have it. Standard library only."""

from dataclasses import dataclass
from typing import Annotated

from provisioner.agent.fields import First


@dataclass(frozen=True)
class Neighbour:
    """The switch at the other end of a card's cable, by its own words (LLDP, IEEE 802.1AB)."""

    nic: str
    chassis: str = ""  # a MAC as a rule
    port: str = ""  # Ethernet1/17
    port_description: str = ""
    system: str = ""  # the switch's name
    vlan: int = 0  # of untagged frames; 0 where it does not say


Neighbours = Annotated[list[Neighbour], First(64)]
