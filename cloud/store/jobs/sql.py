"""Jobs in a database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess, changed_by
from cloud.store.jobs.port import StoredJob, Unfinished, job_ended, job_unknown
from protocol.jobs import Job, JobKind, JobList, JobReport, JobState

_FINAL = [state.value for state in JobState if state.final]


class SqlJobs(SqlAccess):
    """A `JobStore` in a database."""

    def add_job(self, device: str, job: Job, *, at: float) -> None:
        values = {**job.to_json(), "device": device, "state": JobState.QUEUED.value, "created_at": at}
        with self._database.writing() as connection:
            connection.execute(sa.insert(schema.jobs).values(**values, done=0, total=0, reason=""))
            self._note_change(connection, device)

    def jobs(
        self, device: str, *, before: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[StoredJob]:
        columns = schema.jobs.c
        query = sa.select(schema.jobs).where(columns.device == device)
        if before is not None:
            query = query.where(sa.tuple_(columns.created_at, columns.id) < sa.tuple_(*before))
        rows = self._all(query.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit))
        return [_stored(row) for row in rows]

    def job(self, device: str, job_id: str) -> StoredJob:
        rows = self._all(sa.select(schema.jobs).where(_is(device, job_id)))
        if not rows:
            raise job_unknown(device, job_id)
        return _stored(rows[0])

    def cancel_job(self, device: str, job_id: str) -> None:
        update = sa.update(schema.jobs).where(_is(device, job_id), _unfinished()).values(cancel=True)
        with self._database.writing() as connection:
            changed = changed_by(connection, update)
            if changed:
                self._note_change(connection, device)
        if not changed:
            raise job_ended(self.job(device, job_id))

    def note_job(self, device: str, report: JobReport, *, at: float) -> bool:
        values: dict[str, Any] = {name: getattr(report, name) for name in ("done", "total", "reason")}
        values["state"] = report.state.value
        if report.state is not JobState.QUEUED:
            values["started_at"] = sa.func.coalesce(schema.jobs.c.started_at, at)
        if report.state.final:
            values["ended_at"] = at
        here = (_is(device, report.id), _unfinished(), _behind(report))
        update = sa.update(schema.jobs).where(*here).values(**values)
        with self._database.writing() as connection:
            if changed_by(connection, update):
                if report.state.final:
                    self._note_change(connection, device)
                return True
            return bool(connection.execute(sa.select(schema.jobs.c.id).where(_is(device, report.id))).all())

    def unfinished_jobs(self, device: str) -> Unfinished:
        # The revision first: jobs that are newer than it only make the list go out once more.
        lists, columns = schema.job_lists.c, schema.jobs.c
        revisions = self._all(sa.select(lists.revision).where(lists.device == device))
        query = sa.select(schema.jobs).where(columns.device == device, _unfinished())
        rows = self._all(query.order_by(columns.created_at, columns.id))
        return Unfinished(JobList(tuple(_stored(row).job for row in rows)), revisions[0][0] if revisions else 0)

    def note_jobs_published(self, device: str, *, revision: int) -> None:
        lists = schema.job_lists.c
        mine = (lists.device == device) & (lists.published < revision)
        self._change(sa.update(schema.job_lists).where(mine).values(published=revision))

    def note_job_lists_lost(self) -> None:
        lists = schema.job_lists.c
        self._change(sa.update(schema.job_lists).where(lists.published > 0).values(published=0))

    def devices_with_unpublished_jobs(self) -> list[str]:
        lists = schema.job_lists.c
        query = sa.select(lists.device).where(lists.published < lists.revision).order_by(lists.device)
        return [row.device for row in self._all(query)]

    def _note_change(self, connection: sa.Connection, device: str) -> None:
        insert = self._insert(schema.job_lists).values(device=device, revision=1, published=0)
        following = {"revision": schema.job_lists.c.revision + 1}
        connection.execute(insert.on_conflict_do_update(index_elements=["device"], set_=following))


def _is(device: str, job_id: str) -> sa.ColumnElement[bool]:
    return (schema.jobs.c.device == device) & (schema.jobs.c.id == job_id)


def _unfinished() -> sa.ColumnElement[bool]:
    return schema.jobs.c.state.not_in(_FINAL)


def _behind(report: JobReport) -> sa.ColumnElement[bool]:
    """Of jobs that a report takes further."""
    if report.state.final:
        return sa.true()
    not_back = schema.jobs.c.done <= report.done
    return not_back & (schema.jobs.c.state == report.state.value) if report.state is JobState.QUEUED else not_back


def _stored(row: sa.Row[Any]) -> StoredJob:
    return StoredJob(
        device=row.device,
        job=Job(row.id, JobKind(row.kind), row.parameters, row.timeout_s, row.cancel),
        created_at=row.created_at,
        state=JobState(row.state),
        done=row.done,
        total=row.total,
        reason=row.reason,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
