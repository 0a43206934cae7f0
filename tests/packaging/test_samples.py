import pytest

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.packaging.samples import COLUMNS, from_parquet, rows_of, to_parquet


def test_every_raw_pair_comes_back_exactly(evidence):
    rows = rows_of(evidence["baseline"].calibration, evidence["attempts"])
    assert from_parquet(to_parquet(rows)) == rows


def test_all_attempts_and_the_calibration_are_in_the_table(evidence):
    rows = rows_of(evidence["baseline"].calibration, evidence["attempts"])
    assert {row.attempt for row in rows} == {None, 1, 2}
    assert {row.metric for row in rows if row.attempt is None} == {"cpu", "wall"}
    accepted = evidence["accepted"].attempt.comparison
    assert [row.sample for row in rows if row.attempt == 2 and row.metric == "cpu"] == list(accepted.samples)
    assert [row.sample for row in rows if row.attempt == 2 and row.metric == "wall"] == list(accepted.wall_samples)


def test_an_analyst_finds_named_columns_with_types(evidence, tmp_path):
    import duckdb

    rows = rows_of(evidence["baseline"].calibration, evidence["attempts"])
    (tmp_path / "samples.parquet").write_bytes(to_parquet(rows))
    found = duckdb.connect().execute(f"DESCRIBE SELECT * FROM '{tmp_path}/samples.parquet'").fetchall()
    assert [column[0] for column in found] == list(COLUMNS)
    assert {column[0]: column[1] for column in found}["baseline"] == "DOUBLE"


def test_without_rows_there_is_an_empty_table():
    assert from_parquet(to_parquet([])) == []
    assert rows_of(None, []) == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 50, b"\x00" * 1000])
def test_what_is_no_table_is_refused(content):
    with pytest.raises(InvalidInput, match="raw samples"):
        from_parquet(content)
