"""What the error codes of the state folder, backups and bundles mean, and what to do."""

STATE: dict[int, tuple[str, str]] = {
    617: (
        "A process was started without a parent on a state folder that was not made ready.",
        "systemctl restart provisioner-prepare; by hand: provision serve --prepare --settings FILE.",
    ),
    618: (
        "systemd has opened the web service's port by older settings.",
        "systemctl daemon-reload; systemctl restart provisioner-web.socket provisioner-web.",
    ),
    680: ("The file is no backup.", "provision backup FILE writes one; one that was cut off is none."),
    681: ("The backup is damaged.", "Copy it again from where it is kept, or take another one."),
    682: (
        "The backup is not signed by that key.",
        "Give the site's key (secrets/site.pub), or another backup.",
    ),
    683: (
        "The state folder is not empty, so nothing is restored into it.",
        "Stop the service, move the folder away, restore again.",
    ),
    684: (
        "The order was under way when the backup was made from which the service was restored.",
        "Look at the host: it may be deployed by now. Then provision retry HOST.",
    ),
    685: ("The file is no bundle.", "provision bundle make writes one; one that was cut off is none."),
    686: (
        "The bundle is damaged.",
        "Copy it again; provision bundle verify FILE --key PUB before it travels.",
    ),
    687: ("The bundle is not signed by that key.", "Give the key that was told to you by another way."),
    688: (
        "The bundle's packages cannot be installed on this machine.",
        "It was made for the release and architecture that the message names; install as root.",
    ),
}
