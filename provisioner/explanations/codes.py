"""What each error code means, and what to do."""

from provisioner.explanations.acceptance import ACCEPTANCE
from provisioner.explanations.boot_proofs import BOOT_PROOFS
from provisioner.explanations.causes import NAMED
from provisioner.explanations.people import PEOPLE
from provisioner.explanations.security import SECURITY
from provisioner.explanations.state import STATE

# code → (what has happened, what to do). A test fails where the program uses a code that is not here.
CODES: dict[int, tuple[str, str]] = {
    **NAMED,
    **BOOT_PROOFS,
    **ACCEPTANCE,
    **STATE,
    **SECURITY,
    **PEOPLE,
    100: ("Something typed or written cannot be used.", "The message names the word; correct it."),
    101: ("This is not a MAC address.", "Twelve hexadecimal digits in any notation, as on the label."),
    102: ("This is not a service's URL.", "Write --server https://ADDRESS[:PORT]."),
    103: ("The selection of hosts cannot be used.", "Terms as rack=B3,state!=ready; or --all."),
    105: (
        "The command has no such option or command, misses a word, or a value does not fit.",
        "The command with --help shows what it takes; what follows -- is no option.",
    ),
    104: ("No host fits the selection.", "provision host list shows what there is."),
    110: ("The inventory contradicts itself.", "Correct the named host or profile; nothing was applied."),
    111: (
        "A BMC is said to be at an address that is another machine's: the service's, or one that DHCP gives.",
        "Read it from the BMC's own page; or name its MAC in place of the address (bmc: {mac: …}).",
    ),
    120: ("Nothing is known by that name.", "List what is known: provision host list, image list."),
    121: ("No host has this name, serial or MAC.", "provision host list; add it with provision host add."),
    122: ("No profile has this name.", "Add it to profiles.yml and provision host apply inventory/."),
    123: ("There is no such deployment.", "provision status lists them."),
    124: ("There is no such request to a BMC.", "Ask again: provision bmc test HOST."),
    125: ("No image has this name.", "provision image list; add one with provision image add PACK."),
    126: ("Neither the order nor the profile names an image.", "provision deploy HOST --image NAME."),
    127: (
        "The image is not of the kind that the profile's method deploys.",
        "method: image wants a pack, method: autoinstall Ubuntu's ISO (provision image add --iso).",
    ),
    128: ("There is no such run.", "provision status lists what is under way."),
    129: (
        "No unknown machine with this MAC, UUID or serial was seen.",
        "provision host list --unknown; power it on with network boot enabled.",
    ),
    136: (
        "Nothing is known of the machine's hardware.",
        "Let it boot the ramdisk: deploy it, or set discovery.boot in the settings.",
    ),
    130: ("Safety forbids it.", "The message says why."),
    131: ("The host is locked: somebody protects it.", "Ask them; then provision host unlock HOST."),
    132: ("A deployment of this host is under way.", "provision watch HOST, or provision cancel HOST first."),
    133: ("It was not confirmed, so nothing was changed.", "Type what is asked, or --yes in a script."),
    134: (
        "Another number of hosts would be erased than was expected.",
        "Look at the list, then give the count.",
    ),
    137: (
        "The network card belongs to a host that is known.",
        "provision host show HOST; add the MAC to that host in the inventory.",
    ),
    135: ("There is a profile of that name.", "Give another --name, or --replace to change its hardware."),
    138: (
        "There is no recording of this host's serial console.",
        "The message says why; consoles are recorded by IPMI, from power-on until the deployment rests.",
    ),
    139: (
        "The disk holds what is not ours to erase: LVM, RAID, ZFS, another host's system.",
        "Look whether it is the right disk; --erase-foreign where it is.",
    ),
    140: (
        "An event or the order's end came at a stage that does not expect it.",
        "provision status HOST shows the stage; an expired order must be given again.",
    ),
    141: (
        "The host has a newer version of this image.",
        "Deploy that version or a later one; --allow-downgrade where the older one is meant.",
    ),
    142: (
        "The inventory was changed after the order, or that of a retry: another machine or disk now.",
        "provision deploy HOST --dry-run shows what would be erased now; then order again.",
    ),
    143: (
        "A host of the run that is retried was deployed since.",
        "provision status HOST shows it; provision deploy HOST where it is meant all the same.",
    ),
    144: (
        "Something else that is known still needs it, so it stays.",
        "The message names what does; change or remove that first.",
    ),
    145: (
        "The preflight found hosts whose deployment would fail.",
        "Mend what it names, leave those hosts out, or order without --preflight.",
    ),
    146: (
        "What would be done is not what was shown: a host, disk, image or terms are otherwise now.",
        "Look at what it is now (--dry-run); then give the command again.",
    ),
    147: (
        "No certificate of this host, or none of this id, is kept.",
        "One is signed at the end of each verification; provision certificate list HOST.",
    ),
    150: (
        "A file or folder cannot be read or written.",
        "The message names it and says why; nothing half-written was left.",
    ),
    151: ("There is no room for a file.", "Make room (df -h), or raise the limit; then run it again."),
    152: ("What a command prints could not be written.", "Give its output another place: it did the rest."),
    200: ("A BMC did not do what it was told.", "provision bmc test HOST."),
    201: ("The BMC does not answer.", "Check its cable, address and that IPMI over LAN is switched on."),
    202: ("The BMC refuses the login.", "Give it again: provision bmc secret NAME --user USER."),
    203: (
        "The BMC answered with an error, or refuses an order for good.",
        "The message has its own words. provision bmc test HOST; a BMC reset often helps.",
    ),
    204: ("The host has no BMC in the inventory.", "Press its button, or add the BMC's address."),
    205: ("The BMC's login was never given to the service.", "provision bmc secret NAME --user USER."),
    206: (
        "The BMC's address is not known.",
        "Add it to the host in the inventory, or the BMC's MAC; then it is known once it has asked by DHCP.",
    ),
    208: (
        "The BMC shows another TLS certificate than before.",
        "Compare it with the BMC's own page; then do as the message says. A firmware update may renew it.",
    ),
    209: (
        "The serial console of a host could not be recorded, or broke off; its deployment goes on.",
        "Switch Serial-over-LAN on in the BMC, for this user too, and console redirection in the firmware.",
    ),
    210: (
        "No network packet of this host came after power-on.",
        "Check cable, switch port, and that network boot is enabled in the firmware, and first in its order.",
    ),
    211: (
        "The BMC could not do it at that moment: busy, starting, full of sessions, or too slow.",
        "A deployment asks it again until its stage's deadline. Else wait a minute, or reset the BMC.",
    ),
    212: (
        "The BMC's user can do nothing before its password is changed.",
        "Change it at the BMC's own page, then provision bmc secret NAME --user USER.",
    ),
    213: (
        "The BMC's user lacks the rights for this order.",
        "Give it the role Operator or Administrator at the BMC, or give the service another user.",
    ),
    214: (
        "The BMC has several systems, and which of them is the host is not known.",
        "Name it in the inventory: bmc: {system: NAME}; the message lists them.",
    ),
    215: (
        "The BMC has locked its user out, mostly after too many wrong passwords.",
        "Unlock the user at the BMC's own page or wait; then provision bmc test HOST.",
    ),
    216: (
        "Another network card of the host asks for an address, the one that the inventory names does not.",
        "Move the cable to the port that is named, or correct the MAC in the inventory.",
    ),
    220: (
        "The host booted from the network, but its ramdisk never said hello.",
        "provision bmc console HOST: a missing network driver, Secure Boot, or a filtered port.",
    ),
    221: (
        "The host booted from the network again and again, and its ramdisk never said hello.",
        "provision bmc console HOST: what resets it? Mend that; then provision retry HOST.",
    ),
    222: (
        "The transfer of the boot file by TFTP broke off.",
        "Check cable, switch port and VLAN; firewalls must pass UDP 69 and above 1023.",
    ),
    223: (
        "The firmware asks by TFTP for a file that is not there.",
        "Another DHCP server names it, or an old setting of the firmware: provision net check.",
    ),
    224: (
        "The firmware has its boot file, but iPXE never asked for its script.",
        "Secure Boot may refuse iPXE, or it knows no driver for the card: provision bmc console HOST.",
    ),
    300: ("A deployment ended otherwise than ready.", "provision status HOST says at which stage and why."),
    301: (
        "The machine's serial is not the one that was ordered.",
        "Correct the MAC, if it is another machine; if its board was changed: provision host edit --serial.",
    ),
    302: (
        "The machine's system UUID is not the one that was ordered.",
        "Correct the MAC, if it is another machine; if its board was changed: provision host edit --uuid.",
    ),
    303: (
        "The disk that was confirmed is not in the machine. The disks that it showed are kept.",
        "Put it back, or correct the disk hints; or order again with the disk that deploy --dry-run shows.",
    ),
    310: ("The disk cannot be used.", "The message names it."),
    311: ("The disk is too small for the image.", "Take a larger disk or a smaller image."),
    312: ("No disk fits the hints.", "Correct the hints of host or profile, or check the cabling."),
    313: ("More than one disk fits the hints.", "Add a hint that tells them apart, such as the serial."),
    314: ("The disk's sector size is not the image's.", "Format the disk to 512-byte sectors."),
    315: ("The disk cannot be opened for writing.", "Something else uses it; see the agent's log."),
    316: ("The disk failed to read or write.", "It is probably broken: replace it, then provision retry."),
    317: ("The disk does not let go of its old content.", "Write protection or a broken disk: replace it."),
    318: ("The disk reads back other bytes than were written.", "Replace it, then provision retry."),
    319: ("The disk holds something and the order does not allow its loss.", "Order with consent."),
    320: ("The image or one of its files is missing.", "provision image pack RAW -o PACK --sign KEY."),
    321: ("The image is damaged.", "provision image verify; add it again from its source."),
    322: (
        "The image lacks a partition or its label, or they do not lie as hosts need them.",
        "Build the image again: hosts could not boot it.",
    ),
    323: (
        "The pack's manifest is damaged, of another format, or says otherwise than the image.",
        "Pack the image again.",
    ),
    324: (
        "There is no valid partition table, or one that no host can take.",
        "Give a raw disk image, not a partition or an archive; the message says what is wrong.",
    ),
    325: ("The pack could not be signed.", "Check the key that --sign names."),
    326: (
        "The signature is missing, wrong, or of a key that is not trusted here.",
        "provision image trust NAME.pub, or add the pack again from its source.",
    ),
    327: (
        "This is no raw disk image or whole qcow2, or it changes while it is read.",
        "Give a finished image; the message says what it is instead, or what is damaged.",
    ),
    328: ("The service gave another image than was ordered.", "provision image verify, then retry."),
    329: (
        "This is no live-server ISO of Ubuntu, or not the one that was meant.",
        "Download it again and compare SHA256SUMS.",
    ),
    330: ("The service refused what the agent asked for.", "The order was cancelled or has ended."),
    331: (
        "The service did not answer the agent for too long, or gave nothing usable.",
        "The message says what it did last. Check the network and the service.",
    ),
    332: (
        "What answers gives no image as we ask for it: a redirect, no ranges, compression.",
        "The message says what it does; give the address of the pack on a plain web server.",
    ),
    333: (
        "The disk is smaller than it says.",
        "It is a fake, or broken: replace it, then provision retry. It does not boot.",
    ),
    340: ("The disk was not written in time.", "See the agent's log; the network may be slow."),
    341: ("The agent fell silent in every attempt.", "Look at the host's power and network cable."),
    350: (
        "Ubuntu's installer stopped.",
        "The message has its last words; its console and /var/log/installer have all.",
    ),
    399: ("The agent met an error of its own.", "Report its log: it lies in the state folder's logs/."),
    410: (
        "The system on the disk never reported.",
        "provision bmc console HOST: it may have booted another disk, or its network does not work.",
    ),
    420: ("Another system came up than was written.", "A second bootable disk? Then provision retry."),
    600: ("The service met an error of its own.", "Its log has the details; please report them."),
    601: (
        "The service does not know the token, or none was shown.",
        "provision login https://ADDRESS; for programs: provision token create, then PROVISION_TOKEN.",
    ),
    602: ("A port is in use by another program.", "ss -lnp names it; stop it, or set another port."),
    603: ("The privilege to open a low port is missing.", "Run as root, or with the systemd unit's rights."),
    604: ("The interface does not have the address.", "ip address add ADDRESS/PREFIX dev INTERFACE."),
    605: ("There is no such interface.", "ip link shows the names."),
    606: ("Another service works on this state folder.", "Stop it, or give another --state."),
    607: (
        "The database is damaged, or the file is none.",
        "Restore a backup of the state folder; or, for a new start, move the folder away.",
    ),
    608: (
        "The database is missing, though the state folder was used.",
        "Restore a backup of the state folder; or, for a new start, move the folder away.",
    ),
    609: (
        "The disk of the state folder is full; nothing is lost, and what waits goes on when there is room.",
        "The message says what is how large; provision image gc, old images, [retention] in the settings.",
    ),
    610: ("The settings cannot be used.", "systemd/provisioner.toml shows every key."),
    611: ("The state folder belongs to a newer version.", "Install that version, or restore a backup."),
    612: (
        "A row of the database cannot be read; lists go on without it, and its host boots its disk.",
        "The message names it and what writes it anew; provision status lists them all.",
    ),
    613: ("The state folder cannot be used.", "Check its owner and the free space."),
    614: ("No fixed address is free for another host.", "Enlarge dhcp.hosts in the settings."),
    615: (
        "A service hung or ended five times within ten minutes, so all have stopped.",
        "Its lines in the log say why; systemd starts them again.",
    ),
    616: (
        "Another program, or a process that hangs, held the database for too long.",
        "fuser -v STATE/provisioner.db names it; what waits is tried again.",
    ),
    620: ("No service answers.", "Start it: provision serve; or check --state, --server."),
    621: ("What answers is not this service.", "Another program uses the port; check --server."),
    622: ("You may not enter the service's state folder.", "Be root; or provision login https://ADDRESS."),
    630: ("A program that is needed is missing or failed.", "The message names it and its package."),
    640: ("Programs or firmware for rehearsals are missing.", "Install the packages that the message names."),
    641: ("Virtual machines cannot be given a network here.", "Make /dev/net/tun usable: it says how."),
    642: ("This machine forbids user namespaces.", "Allow them, as the message says, or be root."),
    643: ("The rehearsal's own network could not be made.", "The message has the kernel's reason."),
    650: ("The mirror's lock file cannot be used.", "Do not edit it: provision mirror lock writes it anew."),
    651: (
        "A locked file has left its archive, which keeps only the newest.",
        "provision mirror lock again and commit the diff; or mirror make --from an older mirror.",
    ),
    652: (
        "What a mirror needs cannot be resolved or fetched.",
        "The message has the words of apt, pip or ansible-galaxy; they must work on this machine.",
    ),
    653: (
        "Other bytes came than are locked.",
        "Do not use them: find out who changes files, at the source or on the way.",
    ),
    654: (
        "A mirror is not what its lock and signature say.",
        "provision mirror make completes it; find out who changed it.",
    ),
    655: ("The mirror's key cannot be used.", "provision mirror keygen NAME, then --sign NAME.mirror-key."),
    656: ("This folder is no mirror.", "Give the folder that provision mirror make made, or a new one."),
    657: (
        "A command in the air gap asked for something else than the mirror.",
        "The message names it: lock what is needed, or configure the program to do without.",
    ),
    658: ("The air gap could not be made.", "The message has the kernel's reason."),
    659: ("The wheels' Python is not on this machine.", "Install that version, or name another by --python."),
    660: ("The golden image could not be built.", "The message has Packer's last words; its log has all."),
    661: ("The golden image is too large.", "provision image diff OLD NEW shows what was added."),
    662: ("A private key would be in every host.", "Remove it in its role, or name it in packer/scrub."),
    663: (
        "This is no per-file manifest, and no folder of one build.",
        "Give NAME.files.jsonl, its folder, or a raw image.",
    ),
    664: (
        "The same inputs gave another image than before.",
        "provision image diff names the files; compare the tools' versions in the records.",
    ),
    670: (
        "Another DHCP server answers on the deployment LAN.",
        "Unplug it; or, if it is the site's own, set dhcp.mode to proxy (docs/network.md).",
    ),
    671: ("Machines would not boot by what DHCP answers.", "provision net check names each fault."),
    672: (
        "A boot file does not come by TFTP as the service has it.",
        "provision net check says whether it is missing, refused, silent or another file.",
    ),
    673: ("Something of the service or its machine is not as it has to be.", "Do what its red lines say."),
    674: ("The worker does nothing.", "Its log says why; start the service again."),
    665: ("The answers for the installer of the image cannot be used.", "Correct packer/http/*.yml."),
}
