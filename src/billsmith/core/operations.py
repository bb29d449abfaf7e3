"""Operations: long work that was asked for, and can be gone on with under its name."""

from datetime import datetime
from typing import Any

import msgspec

from billsmith.core.ids import OperationId


class Operation(msgspec.Struct, frozen=True, gc=False):
    """Long work under its name: an import, or bulk work with items."""

    id: OperationId
    kind: str
    name: str
    status: str
    created_at: datetime
    finished_at: datetime | None
    input: dict[str, Any] | None = None
    """What was asked for, where workers carry it out."""
