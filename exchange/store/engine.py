"""engine — one writer with group commit, many readers, on SQLite or PostgreSQL.

Jobs queue up for one writer thread; what is waiting goes into one transaction,
each job in its own savepoint, and all callers are released after the one
commit. Core code never sees which database it is.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url, text
from sqlalchemy.pool import QueuePool

from exchange.errors import SchemaOlder
from exchange.store import change_tables, connector_tables, directory_tables, head_tables
from exchange.store.blobs import Blobs
from exchange.store.schema import check_schema, upgrade

T = TypeVar("T")
GROUP = 128
LOCK = 0x76616E746875  # "vanthu": one log writer at a time over all hub processes
_WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")

_Job = tuple[Callable[[Connection], Any], "Future[Any]"]


class Store:
    """Database and blobs of a hub (`schema="hub"`) or of a node (`schema="node"`)."""

    def __init__(self, url: str, *, blobs: Blobs, schema: str, fault: Callable[[str], None] | None) -> None:
        self.url = url
        self.schema = schema
        self.blobs = blobs
        self._fault = fault
        self._writer_engine = _engine(url, writer=True)
        self._reader_engine = _engine(url, writer=False)
        self._is_postgresql = self._writer_engine.dialect.name == "postgresql"
        if fault is not None:
            self._watch(fault)
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False

    @classmethod
    def open(cls, url: str, *, blobs: Path, migrate: bool = False, schema: str = "hub", fault: Callable[[str], None] | None = None) -> Store:
        """Open the store; with `migrate` bring the schema up to date first.

        Raises:
            SchemaOlder, SchemaNewer: the database and this software do not match.
        """
        store = cls(url, blobs=Blobs(blobs, fault=fault), schema=schema, fault=None)
        try:
            if migrate:
                upgrade(store._writer_engine, schema)
            if not check_schema(store._writer_engine, schema):
                raise SchemaOlder(url.rsplit("@", 1)[-1], place="database")
        except BaseException:
            store._dispose()
            raise
        store._fault = fault
        if fault is not None:
            store._watch(fault)
        store._thread.start()
        return store

    @property
    def metadata(self) -> MetaData:
        """The tables of this schema."""
        # These tables stand in the metadata of `tables`; importing them is what puts them there.
        assert connector_tables.hub is change_tables.hub is directory_tables.hub is head_tables.METADATA["hub"]
        return head_tables.METADATA[self.schema]

    def write(self, job: Callable[[Connection], T]) -> T:
        """Run `job` in the writer and return its result after the durable commit.

        An exception of the job rolls back that job alone and is raised here. A
        failed commit is raised to every caller of the group.
        """
        if self._closed:
            raise RuntimeError("store is closed")
        future: Future[Any] = Future()
        self._jobs.put((job, future))
        return cast(T, future.result())

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot; concurrent with the writer."""
        with self._reader_engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Finish what is queued and let go of the database."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()
            self._dispose()

    def _dispose(self) -> None:
        self._writer_engine.dispose()
        self._reader_engine.dispose()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            group, last = [first], False
            while len(group) < GROUP and not self._jobs.empty():
                more = self._jobs.get()
                if more is None:
                    last = True
                    break
                group.append(more)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Job]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with self._writer_engine.connect() as connection, connection.begin():
                if self._is_postgresql:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
                for job, future in group:
                    try:
                        with connection.begin_nested():
                            result = job(connection)
                        done.append((future, result))
                    except Exception as error:
                        future.set_exception(error)
                self.step("commit.before")
            # Durable from here: the whole group. A crash costs only the answers.
            self.step("commit.after")
        except Exception as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)

    def step(self, name: str) -> None:
        if self._fault is not None:
            self._fault(name)

    def _watch(self, fault: Callable[[str], None]) -> None:
        def before(_c: Any, _u: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().upper().startswith(_WRITES):
                fault("before " + " ".join(statement.split()[:3]))

        def after(_c: Any, _u: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().upper().startswith(_WRITES):
                fault("after " + " ".join(statement.split()[:3]))

        event.listen(self._writer_engine, "before_cursor_execute", before)
        event.listen(self._writer_engine, "after_cursor_execute", after)


def _engine(url: str, *, writer: bool) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            parsed,
            poolclass=QueuePool,
            pool_size=1 if writer else 8,
            max_overflow=0 if writer else 24,
            connect_args={"timeout": 30, "check_same_thread": False, "isolation_level": None},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        statement = "BEGIN IMMEDIATE" if writer else "BEGIN"
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(statement))
        return engine
    if writer:
        return create_engine(parsed, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_pre_ping=True)
    return create_engine(parsed, isolation_level="REPEATABLE READ", pool_size=8, max_overflow=24, pool_pre_ping=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "wal_autocheckpoint=4000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


__all__ = ["GROUP", "Store"]
