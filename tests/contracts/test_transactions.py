"""What a transaction of the store may see."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.engine import Database


def test_a_reading_transaction_sees_one_state_of_the_database(database):
    read, written = Database(database), Database(database)
    names = sa.select(schema.devices.c.name)
    with written.writing() as connection:
        connection.execute(sa.insert(schema.devices).values(name="pi-1", token_sha256="1" * 64))

    with read.reading() as connection:
        before = connection.scalars(names).all()
        with written.writing() as other:
            other.execute(sa.insert(schema.devices).values(name="pi-2", token_sha256="2" * 64))
        after = connection.scalars(names).all()

    with read.reading() as connection:
        at_last = sorted(connection.scalars(names))
    read.close()
    written.close()
    assert (before, after, at_last) == (["pi-1"], ["pi-1"], ["pi-1", "pi-2"])
