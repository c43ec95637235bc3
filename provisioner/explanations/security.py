"""What the codes of secrets and of the audit mean; the others are in `codes.py`."""

SECURITY: dict[int, tuple[str, str]] = {
    240: (
        "The BMC takes neither the password before nor the new one.",
        "Set one on the BMC's own page, then: provision bmc secret NAME --user USER --host HOST.",
    ),
    241: (
        "The BMC said that it took another password, and does not take it.",
        "The one before is still in use; the BMC may have rules for passwords: see its own page.",
    ),
    695: (
        "The key that opens the site's secrets is missing, or cannot be used.",
        "Put it back from where you keep it; a backup of the state folder does not have it"
        " (docs/secrets-and-audit.md).",
    ),
    696: (
        "This is not the key that the site's secrets were encrypted for.",
        "Give the one that provision check names; to change it: the new key on the first line, then the old.",
    ),
    697: (
        "A secret cannot be decrypted: it was changed, or moved from another place.",
        "Give it anew (provision bmc secret NAME --user USER); find out who writes in the database.",
    ),
    698: ("No such secret is kept.", "The next start of the service makes the keys that it lacks."),
    690: (
        "A line of the audit is not as it was written: it was changed, lost, added or moved.",
        "What stands before it is whole. Compare with an export that you kept; ask who could write there.",
    ),
    691: (
        "The audit is signed by another key than the one that was given.",
        "Take the key from the site itself: provision audit key.",
    ),
    692: (
        "The end of the audit is missing.",
        "Compare with an export that you kept (--earlier); was an old backup restored?",
    ),
    693: ("The audit's signed head was changed.", "Do not rely on this file; export it anew."),
    694: ("This is no exported audit.", "Give a file that provision audit export wrote, whole."),
}
