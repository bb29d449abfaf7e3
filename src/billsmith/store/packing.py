"""Values in the form that COPY sends, made once where thousands of rows hold them."""

from uuid import UUID

from asyncpg.pgproto import pgproto


def packed_id(id_: UUID) -> UUID:
    """The id as the driver itself keeps ids: it is sent as it is, where any other is packed for every row anew."""
    return pgproto.UUID(id_.bytes)
