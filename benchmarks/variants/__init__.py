"""The products and set-ups that can be compared, in the order of the report's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.variants.dbos_sqlite import DBOS, DBOS_ASYNC
from benchmarks.variants.durakit_dev import (
    DURAKIT,
    DURAKIT_ASYNC,
    DURAKIT_STANDARD,
    DURAKIT_UNARY,
    MICROSOFT_ON_DURAKIT,
)
from benchmarks.variants.embedded import EMBEDDED, EMBEDDED_ASYNC
from benchmarks.variants.microsoft import PEER
from benchmarks.variants.sidecar import SIDECAR_GO
from benchmarks.variants.temporal import TEMPORAL, TEMPORAL_ASYNC

if TYPE_CHECKING:
    from benchmarks.variants.base import Variant

VARIANTS: dict[str, Variant] = {
    variant.key: variant
    for variant in (
        PEER,
        DURAKIT,
        DURAKIT_STANDARD,
        DURAKIT_UNARY,
        DURAKIT_ASYNC,
        EMBEDDED,
        EMBEDDED_ASYNC,
        MICROSOFT_ON_DURAKIT,
        SIDECAR_GO,
        DBOS,
        DBOS_ASYNC,
        TEMPORAL,
        TEMPORAL_ASYNC,
    )
}
