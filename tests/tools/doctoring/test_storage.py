"""The doctor looks at where the agent keeps what it must not lose."""

from __future__ import annotations

import pytest

from tools.doctoring.findings import Severity
from tools.doctoring.storage import check_storage

GIB = 1 << 30


@pytest.mark.parametrize(
    ("free", "severity"), [(5 * GIB, Severity.WELL), (GIB // 2, Severity.WARNING), (50 << 20, Severity.ERROR)]
)
def test_how_grave_a_full_disk_is_depends_on_what_is_left(tmp_path, free, severity):
    (finding,) = check_storage(tmp_path, free_bytes=lambda _path: free)

    assert finding.severity is severity
    assert "GiB free" in finding.seen


def test_a_folder_that_is_missing_or_is_a_file_is_an_error_that_names_it(tmp_path):
    file = tmp_path / "file"
    file.write_text("")

    for path in (tmp_path / "missing", file):
        (finding,) = check_storage(path)

        assert finding.severity is Severity.ERROR
        assert str(path) in finding.seen
        assert "data_dir" in finding.advice
