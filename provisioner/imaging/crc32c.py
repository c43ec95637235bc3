"""CRC-32C (Castagnoli, RFC 3720 appendix B.4) as ext4 has it: without the last inversion."""

_POLYNOMIAL = 0x82F63B78  # reflected


def _row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(_row(byte) for byte in range(256))


def crc32c(data: bytes, before: int = 0xFFFFFFFF) -> int:
    """The checksum of `data`; `before` is that of what comes before it, or a seed. About 10 MB/s."""
    table = _TABLE
    for byte in data:
        before = table[(before ^ byte) & 0xFF] ^ before >> 8
    return before
