"""Operations: long work that was asked for, and can be gone on with under its name."""

from datetime import datetime

import msgspec

from billsmith.core.ids import OperationId


class Operation(msgspec.Struct, frozen=True, gc=False):
    """Long work under its name: so far, an import. The fields stand in the order of the table's columns."""

    id: OperationId
    kind: str
    name: str
    status: str
    created_at: datetime
    finished_at: datetime | None
