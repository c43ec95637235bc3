"""What a partition's type says of it: a table by GUID, by the first group of one, by an MBR's number.

Only types of parts of something larger, or of what must not be lost unasked; none is a plain file system.
"""

LVM, MD, ZFS, LUKS = "LVM", "RAID (md)", "ZFS", "encrypted data (LUKS)"
LDM, CEPH, VMFS = "Windows dynamic disk (LDM)", "Ceph storage", "VMware storage (VMFS)"
VSAN = "VMware storage (vSAN)"
SPACES, GPFS, APPLE = "Windows Storage Spaces", "IBM Spectrum Scale (GPFS)", "Apple RAID or Core Storage"
BY_GUID = {
    "e6d6d379-f507-44c2-a23c-238f2a3df928": LVM,
    "a19d880f-05fc-4d3b-a006-743f0f84911e": MD,
    "be9067b9-ea49-4f15-b4f6-f36f8c9e1818": MD,  # of Container Linux
    "6a898cc3-1dd2-11b2-99a6-080020736631": ZFS,
    "516e7cba-6ecf-11d6-8ff8-00022d09712b": ZFS,
    "85d5e45d-237c-11e1-b4b3-e89a8f7fc3a7": ZFS,
    "516e7cb8-6ecf-11d6-8ff8-00022d09712b": "RAID (FreeBSD vinum)",
    "85d5e45c-237c-11e1-b4b3-e89a8f7fc3a7": "RAID (MidnightBSD vinum)",
    "49f48daa-b10e-11dc-b99b-0019d1879648": "RAID (NetBSD)",
    "2db519c4-b10f-11dc-b99b-0019d1879648": "RAID (NetBSD ccd)",
    "2db519ec-b10f-11dc-b99b-0019d1879648": "encrypted data (NetBSD)",
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": LUKS,
    "7ffec5c9-2d00-49b7-8941-3ea10a5586b7": "encrypted data (dm-crypt)",
    "8c8f8eff-ac95-4770-814a-21994f2dbc8f": "encrypted data (VeraCrypt)",
    "d9fd4535-106c-4cec-8d37-dfc020ca87cb": "encrypted data (Fuchsia)",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": LDM,
    "af9b60a0-1431-4f62-bc68-3311714a69ad": LDM,
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": SPACES,
    "558d43c5-a1ac-43c0-aac8-d1472b2923d1": "Windows Storage Replica",
    "37affc90-ef7d-4e96-91c3-2d7ae055b174": GPFS,
    "aa31e02a-400f-11db-9590-000c2911d1b8": VMFS,
    "9d275380-40ad-11db-bf97-000c2911d1b8": "VMware ESXi",
    "9198effc-31c0-11db-8f78-000c2911d1b8": "VMware ESXi",
    "381cfccc-7288-11e0-92ee-000c2911d0b2": VSAN,
    "77719a0c-a4a0-11e3-a47e-000c29745a24": VSAN,
    "52414944-0000-11aa-aa11-00306543ecac": APPLE,
    "52414944-5f4f-11aa-aa11-00306543ecac": APPLE,
    "53746f72-6167-11aa-aa11-00306543ecac": APPLE,
}
# Ceph has a type for each purpose and way of encryption; the first group is the purpose
CEPH_GROUPS = (
    *("4fbd7e29", "45b0969e", "89c57f98", "cafecafe", "30cd0809", "5ce17fce", "fb3aabf9", "01b41e1b"),
    *("7f4a666a", "ec6d6385", "86a32090", "93b0052d", "306e8683", "166418da"),
)
BY_NUMBER = {"0x42": LDM, "0x8e": LVM, "0xe8": LUKS, "0xfb": VMFS, "0xfc": "VMware ESXi", "0xfd": MD}


def kind(partition_type: str) -> str:
    """What a partition of that type belongs to, in words; empty for a type that says nothing of the kind."""
    known = BY_GUID.get(partition_type) or BY_NUMBER.get(partition_type)
    return known or (CEPH if partition_type.partition("-")[0] in CEPH_GROUPS else "")
