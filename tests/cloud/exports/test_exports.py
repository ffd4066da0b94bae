"""Records as CSV and Parquet."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace

import pytest

from cloud.exports import columns
from cloud.exports.csv_text import csv_pieces
from cloud.exports.parquet import parquet_pieces
from cloud.store.records.port import Kept
from protocol.configuration import Provenance
from protocol.errors import InvalidInput
from protocol.measurement import FIGURES
from protocol.samples import Sample

SAMPLE = Sample(1_700_000_000.0, True, 30.0, 3.1, None, 93_000.0, Provenance.MEASURED, 1_500_000, 51.5, False)


@pytest.fixture
def kept(inference) -> Kept:
    return Kept("pi-1", "boot", 7, 123.5, inference.to_json())


def rows_of(pieces) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(pieces).decode())))


def table_of(pieces):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install '.[export]'")
    return parquet.read_table(io.BytesIO(b"".join(pieces)))


def test_csv_says_what_the_record_says(kept):
    (row,) = rows_of(csv_pieces(columns.INFERENCES, [kept]))

    assert (row["device"], row["sequence"], row["received_at"]) == ("pi-1", "7", "123.5")
    assert (row["network"], row["cut"], row["codec"], row["violation"]) == ("digits", "3", "raw", "false")
    assert (row["head_ms"], row["head_ms_provenance"]) == ("4.5", "emulated")
    assert (row["cloud_active_mj"], row["predicted_ms"], row["predicted_ms_provenance"]) == ("", "", "")


def test_parquet_says_the_same_with_types(kept):
    (row,) = table_of(parquet_pieces(columns.INFERENCES, [kept])).to_pylist()

    assert (row["sequence"], row["at"], row["violation"], row["cut"]) == (7, 1_700_000_000.25, False, 3)
    assert (row["cloud_active_mj"], row["head_mj"], row["refused"]) == (None, 12.0, "")


def test_a_refused_inference_has_empty_columns(kept, inference):
    refused = Kept("pi-1", "boot", 8, 1.0, {**inference.to_json(), "configuration": None, "cost": None})

    (row,) = rows_of(csv_pieces(columns.INFERENCES, [refused]))
    first, second = table_of(parquet_pieces(columns.INFERENCES, [refused, kept])).to_pylist()

    assert (row["cut"], row["head_ms"], row["head_ms_provenance"]) == ("", "", "")
    assert (first["cut"], first["head_ms"], second["cut"]) == (None, None, 3)


@pytest.mark.parametrize("table", [columns.INFERENCES, columns.MEASUREMENTS], ids=["inferences", "measurements"])
def test_each_figure_has_its_provenance_beside_it(table):
    names = [column.name for column in table]

    for figure in FIGURES:
        assert names[names.index(figure) + 1] == f"{figure}_provenance"
    assert len(set(names)) == len(names)


def test_a_sample_says_by_whom_it_was_metered():
    (row,) = rows_of(csv_pieces(columns.SAMPLES, [Kept("pi-1", "boot", 1, 2.0, SAMPLE.to_json())]))

    assert (row["mean_w"], row["mean_w_provenance"], row["max_w"], row["energy_mj_provenance"]) == (
        "3.1",
        "measured",
        "",
        "measured",
    )


@pytest.mark.parametrize(
    ("provenance", "kind"),
    [(Provenance.MEASURED, "measured"), (Provenance.ESTIMATED, "measured"), (Provenance.EMULATED, "emulated")],
)
def test_how_long_a_sample_lasted_is_measured_where_there_was_a_device(provenance, kind):
    sample = replace(SAMPLE, provenance=provenance)

    (row,) = rows_of(csv_pieces(columns.SAMPLES, [Kept("pi-1", "boot", 1, 2.0, sample.to_json())]))

    assert (row["seconds"], row["seconds_provenance"]) == ("30.0", kind)


@pytest.mark.parametrize(
    ("transfer", "kind"), [(None, "estimated"), ("measured", "estimated"), ("emulated", "emulated")]
)
def test_a_link_is_an_estimate_or_emulated_as_its_transfers_were(measurement, transfer, kind):
    body = measurement.to_json()
    body["cost"]["provenance"] = {"transfer_ms": transfer} if transfer else {}

    (row,) = rows_of(csv_pieces(columns.MEASUREMENTS, [Kept("pi-1", "boot", 1, 2.0, body)]))

    assert {row[f"link_{name}_provenance"] for name in ("rtt_ms", "up_bytes_per_ms", "down_bytes_per_ms")} == {kind}


@pytest.mark.parametrize("table", [columns.INFERENCES, columns.MEASUREMENTS, columns.SAMPLES])
def test_no_figure_of_time_energy_or_rate_is_without_its_provenance(table):
    names = [column.name for column in table]
    wishes = {"deadline_ms"}

    figures = [name for name in names if name.endswith(("_ms", "_mj", "_w", "seconds")) and name not in wishes]

    assert [name for name in figures if names[names.index(name) + 1] != f"{name}_provenance"] == []
    assert figures


def test_a_measurement_has_its_link_and_circumstances(measurement):
    (row,) = rows_of(csv_pieces(columns.MEASUREMENTS, [Kept("pi-1", "boot", 1, 2.0, measurement.to_json())]))

    assert (row["link_rtt_ms"], row["repeats"], row["accuracy"], row["runtime"]) == ("2.3", "1", "", "fake")


def test_text_that_needs_care_comes_back(kept, inference):
    awkward = Kept("pi-1", "boot", 8, 1.0, {**inference.to_json(), "fallback": 'a "b",\nc \ud800', "run": "é"})

    (row,) = rows_of(csv_pieces(columns.INFERENCES, [awkward]))
    (same,) = table_of(parquet_pieces(columns.INFERENCES, [awkward])).to_pylist()

    assert (row["fallback"], row["run"]) == ('a "b",\nc \\ud800', "é")
    assert (same["fallback"], same["run"]) == (row["fallback"], "é")


@pytest.mark.parametrize("name", ["at", "deadline_ms", "predicted_ms"])
def test_a_number_that_came_as_a_large_integer_breaks_no_file(kept, inference, name):
    body = {**inference.to_json(), name: 2**60 + 1}

    (row, _) = table_of(parquet_pieces(columns.INFERENCES, [Kept("pi-1", "boot", 8, 1.0, body), kept])).to_pylist()

    assert row[name] == 2.0**60


def test_nothing_is_a_file_without_rows():
    assert rows_of(csv_pieces(columns.INFERENCES, [])) == []
    assert table_of(parquet_pieces(columns.INFERENCES, [])).num_rows == 0


def test_without_pyarrow_parquet_is_refused_in_one_line(monkeypatch, kept):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(InvalidInput, match="export"):
        parquet_pieces(columns.INFERENCES, [kept])
