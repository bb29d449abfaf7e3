"""Hashes of tags and metadata, so that one partial index serves every filter on them."""

from hashlib import blake2b
from uuid import UUID


def labels_of(tenant_id: UUID, tags: tuple[str, ...], metadata: dict[str, str]) -> list[int]:
    """One signed 64-bit hash per tag and metadata entry, salted with the tenant."""
    return [tag_label(tenant_id, tag) for tag in tags] + [
        metadata_label(tenant_id, key, value) for key, value in metadata.items()
    ]


def tag_label(tenant_id: UUID, tag: str) -> int:
    """The hash that a record with this tag carries."""
    return _hash(tenant_id, f"tag\0{tag}")


def metadata_label(tenant_id: UUID, key: str, value: str) -> int:
    """The hash that a record with this metadata entry carries."""
    return _hash(tenant_id, f"metadata\0{key}\0{value}")


def _hash(tenant_id: UUID, text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8, key=tenant_id.bytes).digest(), "big", signed=True)
