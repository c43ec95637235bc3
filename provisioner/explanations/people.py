"""What the error codes of people, their roles and their tokens mean, and what to do."""

PEOPLE: dict[int, tuple[str, str]] = {
    700: (
        "You have come in as a Linux user whom the service does not know.",
        "An admin adds you: provision user add NAME --role viewer (technician, operator, admin).",
    ),
    701: ("Your role may not do this.", "The message names who may: ask them. provision whoami shows yours."),
    702: ("User or password is wrong.", "An admin sets a new one: provision user password NAME."),
    703: (
        "Ten wrong passwords within a minute came from this address, or for this user.",
        "Wait for a minute; on the service's own machine no password is needed.",
    ),
    704: (
        "Plain HTTP serves machines alone.",
        "provision login https://ADDRESS; revoke a token that was sent in the clear.",
    ),
    705: (
        "The service's certificate is not known here yet.",
        "provision login URL, and compare its SHA-256 with the service's log; in scripts: "
        "PROVISION_FINGERPRINT.",
    ),
    706: (
        "Another certificate answers than the one that is known: another machine, or a new installation.",
        "Ask whoever runs the service for its SHA-256 before you log in again with --fingerprint.",
    ),
    707: ("The service is not called by this name.", "Use its address, or add the name to access.names."),
    708: ("The token has expired.", "provision login URL; for programs: provision token create."),
    709: ("No user or token is called so.", "provision user list; provision token list."),
    710: (
        "So many streams of events are followed by one caller, or by all, as may be.",
        "Close one; a client that comes again should close the one before.",
    ),
    711: (
        "A page of another site has sent this to the service; nothing was done.",
        "Open the service's own page and press the button there. If it was not you who pressed one: ask "
        "whoever runs the service.",
    ),
}
