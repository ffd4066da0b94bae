"""Brings the store's schema up to date, and ends: the step before a new version of backend and ingest is started.

The address comes from DYNASPLIT_DATABASE_URL, DATABASE_URL, or DYNASPLIT_DATA_DIR where the store is SQLite's.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from cloud.database.engine import Database
from cloud.settings import load_database_url
from protocol.errors import DynaSplitError


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m cloud.database.migrate`: 0 when the schema is up to date, 2 without an address, 4 when the database is away."""
    parser = argparse.ArgumentParser(
        prog="python -m cloud.database.migrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        database = Database(load_database_url(os.environ))
        database.migrate()
    except DynaSplitError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return error.exit_code
    database.close()
    sys.stdout.write("the schema is up to date\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
