"""Raw pairs as Parquet: the table from which every number of a proposal can be computed again."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from selfopt_pipelines.domain.attempt import StoredAttempt
from selfopt_pipelines.domain.baseline import Calibration
from selfopt_pipelines.domain.comparison import MetricName, PairSample
from selfopt_pipelines.domain.errors import InvalidInput

COLUMNS = ("attempt", "stage", "metric", "index", "order", "baseline", "candidate")


@dataclass(frozen=True)
class SampleRow:
    """One pair in one metric; `attempt` is the ordinal of the attempt, None for the A/A calibration."""

    attempt: int | None
    metric: MetricName
    sample: PairSample


def rows_of(calibration: Calibration | None, attempts: Iterable[StoredAttempt]) -> list[SampleRow]:
    """All raw pairs of a run, in the order measured."""
    rows: list[SampleRow] = []
    if calibration is None:
        return rows
    rows += [SampleRow(None, calibration.metric, sample) for sample in calibration.samples]
    for metric, samples in calibration.other_samples.items():
        rows += [SampleRow(None, metric, sample) for sample in samples]
    for stored in attempts:
        comparison = stored.attempt.comparison
        if comparison is not None:
            rows += [SampleRow(stored.ordinal, calibration.metric, sample) for sample in comparison.samples]
            rows += [SampleRow(stored.ordinal, "wall", sample) for sample in comparison.wall_samples]
    return rows


def to_parquet(rows: Sequence[SampleRow]) -> bytes:
    """The rows as one Parquet file; times are float64, in the metric's unit (seconds)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (pa.int32(), pa.string(), pa.string(), pa.int32(), pa.string(), pa.float64(), pa.float64())
    schema = pa.schema([pa.field(name, kind) for name, kind in zip(COLUMNS, kinds, strict=True)])
    records = [{"attempt": row.attempt, "metric": row.metric, **row.sample.model_dump(mode="python")} for row in rows]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def from_parquet(content: bytes) -> list[SampleRow]:
    """The rows of a file that `to_parquet` made.

    Raises
    ------
    InvalidInput
        When it is no such file, or a row is no pair.
    """
    import pyarrow.parquet as pq

    try:
        records: list[dict[str, Any]] = pq.read_table(io.BytesIO(content), columns=list(COLUMNS)).to_pylist()
        return [
            SampleRow(record.pop("attempt"), record.pop("metric"), PairSample.model_validate(record))
            for record in records
        ]
    except Exception as error:
        # Arrow raises errors of many kinds on damaged files; none of them leaves samples to trust.
        raise InvalidInput("The table of raw samples cannot be read.") from error
