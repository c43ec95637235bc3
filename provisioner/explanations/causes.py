"""What the codes mean by which the diagnosis names why a deployment waits; the others are in `codes.py`."""

NAMED: dict[int, tuple[str, str]] = {
    207: (
        "The BMC refuses the cipher suites that the service speaks, 17 and 3.",
        "Switch suite 17 on for LAN at the BMC's own page, or use Redfish.",
    ),
    217: (
        "The host booted the system on its own disk, not the network.",
        "Put the network, by the port of the inventory, first in its firmware's boot order; then retry.",
    ),
    218: (
        "The BMC did not set the boot device to network.",
        "Put the network first in the firmware's own boot order; then provision retry HOST.",
    ),
    219: (
        "A host without a BMC was never switched on, or its cable is in another port.",
        "Press its power button; check that its cable is in the port that the inventory names.",
    ),
    225: (
        "The host asks for an address again and again, and takes none that is offered.",
        "Our answers do not reach it: VLAN, DHCP snooping or port security at its switch port.",
    ),
    226: (
        "The host has an address, and fetched no boot file.",
        "Let firewalls pass UDP 69 and above 1023; provision bmc console HOST shows what it waits for.",
    ),
    227: (
        "Who asked for the host's boot script is not what was ordered, so it was given its own disk.",
        "The message says how they differ: correct MAC, serial or UUID, or put the right machine there.",
    ),
    228: (
        "iPXE has its script, and did not fetch the kernel or the ramdisk.",
        "provision bmc console HOST: iPXE says why there. HTTP must pass, the ramdisk fit its memory.",
    ),
    229: (
        "Ubuntu's installer was begun and never read its seed.",
        "provision bmc console HOST: it needs memory for the whole ISO, and a driver for the card.",
    ),
    230: (
        "Ubuntu's installer has read its seed and never reported.",
        "provision bmc console HOST: cloud-init or the installer may have refused the seed.",
    ),
    342: (
        "The agent that writes the disk says nothing any more.",
        "Look at the host's power and network cable; it is powered again by itself a moment later.",
    ),
    343: (
        "The agent reports, but no byte reaches the disk any more.",
        "provision check; the agent's log says whether it waits for the service or for the disk.",
    ),
    344: (
        "The writing was broken off again and again.",
        "Check power supplies and network cable; provision bmc console HOST: what resets it?",
    ),
    345: (
        "The host writes far slower than others of its profile.",
        "Look at the speed of its switch port, change the cable; its disk may be failing.",
    ),
    411: (
        "The host boots from the network again, and not from the disk that was written.",
        "Put the disk before the network in the firmware's boot order; see its console.",
    ),
    412: (
        "The BMC did not set the disk as boot device, and the system on it never reported.",
        "Put the disk that was written first in the firmware's boot order; then provision retry HOST.",
    ),
    413: (
        "A system with another name came up: it booted another disk.",
        "Put the disk that was written first in the boot order; the console shows which one it booted.",
    ),
    414: (
        "The firmware starts in another mode (UEFI, BIOS) than that in which the disk was written.",
        "Set its firmware to the one mode; then provision retry HOST.",
    ),
    415: (
        "The disk is written, but the host was not restarted.",
        "provision bmc power HOST reset, or reset it by hand.",
    ),
    416: (
        "The new system is up and has an address, but never reported.",
        "provision bmc console HOST: what does cloud-init say? HTTP must pass to the service.",
    ),
    417: (
        "A system reported that is not the one that was written, and was refused.",
        "It may have booted another disk with an older image: take that disk out, or wipe it.",
    ),
    511: (
        "Another SSH host key answers than the host reported.",
        "Another machine may have its address. If it is the host: provision retry HOST.",
    ),
    512: (
        "sshd on the host does not take the deployment's key.",
        "The image or its seed takes away the user provision: provision profile render HOST.",
    ),
    513: (
        "Nothing answers SSH at the address from which the host reported.",
        "Look at its firewall, its address, its console.",
    ),
    514: (
        "Ansible runs for longer than it may.",
        "Look on the host what hangs; then provision retry HOST.",
    ),
    530: ("The verification found another image.", "Has it booted another disk? provision retry HOST."),
    531: (
        "The verification found the root file system on another disk than was written.",
        "Take the other disk out, or wipe it; then provision retry HOST.",
    ),
    532: (
        "The verification found less memory than the profile wants.",
        "Reseat the memory, look into the BMC's event log; or correct the profile.",
    ),
    533: (
        "The verification misses a network card.",
        "Reseat the card, or correct the MACs in the inventory.",
    ),
    534: (
        "The verification found another number of PCI devices than the profile wants.",
        "Reseat the card; is its slot switched on in the firmware?",
    ),
    535: (
        "The GPU driver is missing, silent, or of another branch than the profile's.",
        "Take an image with that driver, or correct the profile.",
    ),
    536: ("NVML shows another number of GPUs.", "Reseat the GPU and its power cables."),
    537: (
        "A GPU is on the PCI bus and does not answer NVML, or the other way round.",
        "Power the host off and on; a GPU that stays away is broken.",
    ),
    538: ("A GPU does not tell what it is asked.", "Power the host off and on; if it stays: broken."),
    539: ("Two GPUs have one UUID.", "Report it to their maker."),
    540: ("A GPU has less memory than the profile wants.", "Is it the GPU that is meant? Replace it."),
    541: ("A GPU has fewer PCIe lanes than the profile wants.", "Reseat the GPU and its riser."),
    542: (
        "ECC of a GPU is not as the profile wants it.",
        "nvidia-smi -e sets it; restart the host; then provision retry HOST.",
    ),
    543: (
        "A GPU has memory errors, or rows and pages of memory that wait to be replaced.",
        "Reset it or restart the host; if it comes back, replace the GPU.",
    ),
    544: ("Heat or too little power slows a GPU.", "Look at fans, air baffles, power cables."),
    545: (
        "The power limit, persistence mode or MIG of a GPU is not as the profile wants it.",
        "Take an image that sets it, or correct the profile.",
    ),
    546: (
        "GPUs do not reach each other as they should: NVLinks, NCCL.",
        "Reseat the module or the NVLink bridge; look at the fabric manager.",
    ),
    547: (
        "An error of NVIDIA's driver (Xid, SXid) is in the kernel's log.",
        "The finding says which it is and what to do about it.",
    ),
    548: (
        "The way over PCIe to a GPU is too narrow, too slow, or has errors.",
        "Reseat the GPU, its riser and its cables.",
    ),
    549: (
        "A container does not see the GPUs, or loses them after systemctl daemon-reload.",
        "Look at the NVIDIA container toolkit and at docker's cgroup driver in the image.",
    ),
    550: (
        "The firmware of a part is none that the profile accepts.",
        "Update it by its maker's tool, or accept it in the profile.",
    ),
    551: ("The burn-in failed, or was not made whole.", "The finding says on which GPU, and why."),
    552: (
        "A GPU is slower than the profile wants.",
        "Reseat it; look at heat and power limit; compare it with its siblings.",
    ),
    553: ("DCGM's diagnosis failed or left tests out.", "dcgmi diag on the host says more."),
    554: ("A check of the site's own failed.", "The finding has its sentence."),
    555: (
        "A GPU is another than in the host's last report, or shares its serial.",
        "Was it exchanged? Then it is in order.",
    ),
    675: (
        "The host took the address that another DHCP server offered.",
        "Unplug that server: the message names it; provision net check.",
    ),
}
