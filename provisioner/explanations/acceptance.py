"""What the codes of verification, sealing and certificates mean; the others are in `codes.py`."""

ACCEPTANCE: dict[int, tuple[str, str]] = {
    501: ("The host is not what its profile says.", "Mend the hardware or the profile; provision retry."),
    502: ("The verification could not be run.", "provision status HOST; then provision retry HOST."),
    503: ("The host reported no usable SSH host key.", "provision retry HOST; its image may lack openssh."),
    504: (
        "What the profile demands was not checked, so nobody knows whether the host is as it must be.",
        "The message names it and says what to do; then provision retry HOST.",
    ),
    510: ("The verification did not end in time.", "Check that SSH reaches the host."),
    520: ("The sealing did not end in time.", "provision retry HOST."),
    521: ("The host could not be sealed.", "provision status HOST; then provision retry HOST."),
    560: (
        "This is no certificate, or not all of it.",
        "Take the file as it was handed over, not printed again, converted or cut short on its way.",
    ),
    561: (
        "The certificate's signature is missing, or is not written as ours are.",
        "A report FILE.json needs FILE.json.minisig beside it, as both were written.",
    ),
    562: (
        "The report was changed after it was signed.",
        "Do not rely on it; get the certificate anew from the site.",
    ),
    563: (
        "The certificate is signed by a key that is not known here.",
        "Ask the site for its public key (provision certificate key), then --key NAME.pub.",
    ),
    564: (
        "The signed data are right, but what the file shows is something else: it was changed.",
        "Do not rely on it; provision certificate export FILE --to NEW.pdf shows what was signed.",
    ),
    565: (
        "The signed data are right; what the file shows was drawn by another release.",
        "provision certificate export FILE --to NEW.pdf draws it anew from the signed data.",
    ),
    566: (
        "The scanned text is no statement of a certificate, not all of it, or was changed.",
        "Scan the code again and give all of the text in single quotes: --qr 'TEXT'.",
    ),
    567: (
        "The scanned text and the report are both signed, and do not belong together.",
        "Compare host and serial with the unit; get report and certificate from the site again.",
    ),
    568: (
        "No public key is known here, or the one that was given is none.",
        "--key NAME.pub, which provision certificate key prints at the site.",
    ),
    569: (
        "The certificate is right, and it says that the unit was not accepted.",
        "Do what the certificate names first; then let the unit be accepted again.",
    ),
    570: (
        "The host is being deployed or verified, so what was asked for cannot be done now.",
        "Wait until it is at rest: provision watch HOST; or provision cancel HOST.",
    ),
    571: (
        "The SSH key that was given cannot be used: it is no private key, or has a passphrase.",
        "Give the private half without a passphrase: ssh-keygen -p -N '' -f COPY.",
    ),
    572: (
        "The host's SSH host key is not known, so nobody can say that it is the host; or its address is not.",
        "Deploy it, or provision verify --local on the host itself; --address IP says where it is.",
    ),
    573: (
        "The worker was started again during a verification, and the SSH key was in its memory alone.",
        "Give the key once more: provision verify HOST --key FILE.",
    ),
    574: (
        "A profile is learned from accepted reports only, and this one is not.",
        "provision certificate list HOST shows others; or mend the host and verify it again.",
    ),
    575: (
        "There is no such verification, or it was forgotten by now.",
        "provision certificate list HOST shows what was signed.",
    ),
    576: (
        "A verification is not retried, since retry would erase the host's disk.",
        "provision verify HOST once more; provision deploy HOST if its disk is meant.",
    ),
    577: (
        "The host was never deployed, so nobody knows which disk and image are its own.",
        "Deploy it; or provision verify --local on the host itself.",
    ),
    578: (
        "The verification was cancelled, so nothing was signed.",
        "Once more: provision verify HOST --key FILE.",
    ),
}
