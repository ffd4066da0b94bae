"""What every ledger must do: in memory, and shared in SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa

from cloud.database.engine import Database
from planner.searching.campaign import Aim, Campaign, LocalLedger, exhaustive
from planner.space import Space
from protocol.configuration import Configuration
from protocol.errors import Conflict, InvalidInput, ServiceMissing
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement
from tools.samplers.asking import Sampled
from tools.samplers.shared import SharedLedger

SPACE = Space(cuts=tuple(range(6)), clocks_khz=(600_000, 1_200_000, 1_800_000))
FIRST, SECOND, THIRD, *_ = SPACE.configurations()
WORKER = Path(__file__).with_name("search_worker.py")


def measured(configuration: Configuration) -> Measurement:
    cost = Cost(1.0 + configuration.cut, 2.0, 3.0, 6.0 + configuration.cut, 100, 10, 5.0, 1.0, 9.0, None)
    return Measurement(configuration, cost, "vgg", "b" * 64, "pi", "fake", REFERENCE_LINK, 0.0, True)


class Device:
    def __init__(self) -> None:
        self.asked: Counter[Configuration] = Counter()

    def measure(self, configuration: Configuration) -> list[Measurement]:
        self.asked[configuration] += 1
        return [measured(configuration)]


@pytest.fixture
def ledger(database_or_memory):
    if database_or_memory is None:
        yield LocalLedger(2)
        return
    made = SharedLedger(database_or_memory, study="test", space=SPACE, budget=2)
    yield made
    made.close()


@pytest.fixture
def url(database):
    return database


@pytest.fixture
def join(url):
    """Makes ledgers of one study on one empty database, as several workers do."""
    made = []

    def another(**changes) -> SharedLedger:
        made.append(SharedLedger(url, **{"study": "test", "space": SPACE, "budget": 18} | changes))
        return made[-1]

    yield another
    for each in made:
        each.close()


def test_a_configuration_is_claimed_once(ledger):
    assert ledger.claim(FIRST)
    assert not ledger.claim(FIRST)
    assert ledger.left() == 1


def test_a_spent_budget_lets_nothing_be_claimed(ledger):
    for each in (FIRST, SECOND):
        assert ledger.claim(each)
        ledger.record(each, [measured(each)])

    assert not ledger.claim(THIRD)
    assert ledger.left() == 0


def test_what_was_recorded_is_known_in_order(ledger):
    for each in (SECOND, FIRST):
        ledger.claim(each)
        ledger.record(each, [measured(each)] if each is SECOND else [])

    assert list(ledger.known()) == [SECOND, FIRST]
    assert list(ledger.known()[SECOND]) == [measured(SECOND)]
    assert list(ledger.known()[FIRST]) == []


def test_what_is_claimed_is_not_known_yet(ledger):
    ledger.claim(FIRST)

    assert FIRST not in ledger.known()


def test_a_claim_that_is_given_back_costs_nothing(ledger):
    ledger.claim(FIRST)
    ledger.give_back(FIRST)

    assert ledger.left() == 2
    assert ledger.claim(FIRST)


def test_workers_do_not_claim_each_others_configurations(join):
    one, other = join(), join()

    assert one.claim(FIRST)
    assert not other.claim(FIRST)
    assert other.claim(SECOND)
    assert one.left() == other.left() == 16


def test_workers_know_what_the_others_measured(join):
    one, other = join(), join()
    one.claim(FIRST)
    one.record(FIRST, [measured(FIRST)])

    assert list(other.known()[FIRST]) == [measured(FIRST)]


def test_what_was_committed_late_is_known_all_the_same(url, join):
    one, other = join(), join()
    Campaign(SPACE, Device(), one).measure(FIRST)
    assert set(other.known()) == {FIRST}
    Campaign(SPACE, Device(), one).measure(SECOND)
    engine = engine_of(url)
    with engine.begin() as connection:
        late = sa.text("UPDATE dynasplit_leases SET renewed_at = 1 WHERE configuration LIKE :text")
        connection.execute(late, {"text": f'%{SECOND.cpu_khz}%"cut":{SECOND.cut}%'})
    engine.dispose()

    assert set(other.known()) == {FIRST, SECOND}


def test_what_a_worker_brings_is_known_to_all_and_counts(join):
    other = join(budget=3)
    other.claim(FIRST)
    bringing = join(budget=3, known={FIRST: [measured(FIRST)], SECOND: [measured(SECOND)]})

    assert list(other.known()) == list(bringing.known()) == [SECOND]
    assert list(other.known()[SECOND]) == [measured(SECOND)]
    assert other.left() == 1
    assert not other.claim(SECOND)


def test_a_dead_workers_claim_is_given_back(join):
    dead, other = join(budget=1, grace_s=0.2), join(budget=1, grace_s=0.2)
    dead.claim(FIRST)
    dead.close()

    assert other.left() == 1, "waits until the lease has ended"
    assert other.claim(FIRST)


@pytest.mark.exhaustive
def test_a_lease_is_renewed_while_its_worker_lives(join):
    alive, other = join(budget=1, grace_s=0.4), join(budget=1, grace_s=0.4)
    alive.claim(FIRST)
    renewed = threading.Semaphore(0)
    with alive.telling(renewed.release):
        for _ in range(6):
            assert renewed.acquire(timeout=20)

    assert not other.claim(FIRST)


@pytest.mark.exhaustive
def test_a_lease_goes_on_being_renewed_after_an_error_that_nobody_thought_of(join, caplog):
    alive = join(budget=1, grace_s=0.4)
    alive.claim(FIRST)
    renewed, beats = threading.Semaphore(0), iter(range(100))

    def heartbeat():
        if next(beats) == 1:
            raise RuntimeError("nobody thought of this")
        renewed.release()

    with alive.telling(heartbeat):
        for _ in range(5):
            assert renewed.acquire(timeout=20)

    assert "RuntimeError: nobody thought of this" in caplog.text


class Hiccups:
    """Lets measurements be written only once it is `over`, as a database that is away for a while."""

    def __init__(self, ledger: SharedLedger) -> None:
        self.over = threading.Event()
        sa.event.listen(ledger._engine, "before_cursor_execute", self._refuse)

    def _refuse(self, _connection, _cursor, statement, *_rest):
        if "SET renewed_at" in statement and "measurements=" in statement and not self.over.is_set():
            raise sa.exc.OperationalError(statement, {}, Exception("the server closed the connection"))


@pytest.mark.exhaustive
def test_what_was_measured_is_not_lost_while_the_database_is_away(join, caplog):
    one, other = join(grace_s=2), join(grace_s=2)
    hiccups, renewed = Hiccups(one), iter(range(100))
    one.claim(FIRST)

    with one.telling(lambda: hiccups.over.set() if next(renewed) else None):
        one.record(FIRST, [measured(FIRST)])

    assert list(other.known()[FIRST]) == [measured(FIRST)], "the lease was renewed meanwhile, and it was tried again"
    assert "is tried again: the server closed the connection" in caplog.text


def test_a_database_that_stays_away_is_told_after_the_grace_period(join):
    one = join(grace_s=0.1)
    Hiccups(one)
    one.claim(FIRST)

    with pytest.raises(ServiceMissing, match="the server closed the connection"):
        one.record(FIRST, [measured(FIRST)])


def test_what_was_recorded_though_the_answer_got_lost_is_not_called_late(join, caplog):
    one = join()
    one.claim(FIRST)
    one.record(FIRST, [measured(FIRST)])
    one.record(FIRST, [measured(FIRST)])

    assert not caplog.records


def test_what_a_worker_measured_that_was_taken_for_dead_does_not_count(join, caplog):
    slow, other = join(budget=1, grace_s=0.2), join(budget=1, grace_s=0.2)
    slow.claim(FIRST)
    slow.close()
    other.left()
    other.claim(FIRST)
    other.record(FIRST, [measured(FIRST)])
    slow.record(FIRST, [])

    assert list(join(budget=1).known()[FIRST]) == [measured(FIRST)]
    assert "its lease had ended" in caplog.text


def test_a_search_goes_on_where_it_was_left(join):
    first, again = Device(), Device()
    one = join()
    campaign = Campaign(SPACE, first, one)
    for configuration in (FIRST, SECOND):
        campaign.measure(configuration)
    one.close()

    exhaustive(Campaign(SPACE, again, join()), Aim())

    assert first.asked + again.asked == Counter(SPACE.configurations())


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", ["tpe", "gp", "nsga3"])
def test_a_worker_goes_on_with_the_study_of_another(join, method):
    devices = [Device(), Device()]
    one, other = join(budget=8), join(budget=8)
    for configuration in (FIRST, SECOND, THIRD):
        Campaign(SPACE, devices[0], one).measure(configuration)

    Sampled(method)(Campaign(SPACE, devices[1], other), Aim())

    asked = devices[0].asked + devices[1].asked
    assert asked.total() == len(asked) == 8


@pytest.mark.parametrize("changes", [{"budget": 5}, {"space": Space(cuts=(0, 1), clocks_khz=(600_000,))}])
def test_a_worker_with_another_budget_or_space_is_refused(join, changes):
    join()

    with pytest.raises(Conflict, match="study test"):
        join(**changes)


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "postgresql+pg8000://u@localhost/n"]
)
def test_a_url_that_cannot_be_is_refused(url):
    with pytest.raises(InvalidInput, match="storage"):
        SharedLedger(url, study="test", space=SPACE, budget=1)


@pytest.mark.parametrize("url", ["postgresql://user:hunter2@127.0.0.1:1/none", "sqlite:////proc/nowhere/search.sqlite"])
def test_a_database_that_is_away_is_told_without_its_password(url):
    with pytest.raises(ServiceMissing, match="storage") as told:
        SharedLedger(url, study="test", space=SPACE, budget=1)
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "search.sqlite").write_text("these are words, and no database at all\n" * 100)

    with pytest.raises(ServiceMissing, match="not a database"):
        SharedLedger(f"sqlite:///{tmp_path}/search.sqlite", study="test", space=SPACE, budget=1)


def engine_of(url):
    at = sa.make_url(url)
    return sa.create_engine(at if at.get_backend_name() == "sqlite" else at.set(drivername="postgresql+psycopg"))


def everything_in(url):
    """Tables with their rows."""
    engine = engine_of(url)
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        found = {name: connection.execute(sa.select(table)).all() for name, table in tables.tables.items()}
    engine.dispose()
    return found


@pytest.mark.exhaustive
@pytest.mark.parametrize("polluted", [False, True])
def test_the_clouds_own_database_is_refused_and_stays_as_it_is(url, polluted):
    store = Database(url)
    with store.writing() as connection:
        if polluted:
            connection.execute(sa.text("CREATE TABLE version_info (version_info_id INTEGER)"))
    store.close()
    before = everything_in(url)

    with pytest.raises(InvalidInput, match="give the search one of its own") as told:
        SharedLedger(url, study="test", space=SPACE, budget=1)

    assert "\n" not in str(told.value)
    assert everything_in(url) == before


def test_a_database_that_another_program_numbers_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/other.sqlite"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
    engine.dispose()

    with pytest.raises(InvalidInput, match="another program"):
        SharedLedger(url, study="test", space=SPACE, budget=1)

    assert [path.name for path in tmp_path.iterdir()] == ["other.sqlite"]


def test_searches_of_several_studies_live_side_by_side(join):
    one, other = join(study="one", budget=2), join(study="other", budget=5)
    one.claim(FIRST)
    one.record(FIRST, [measured(FIRST)])

    assert not other.known()
    assert other.claim(FIRST)
    assert (one.left(), other.left()) == (1, 4)


@pytest.mark.system
@pytest.mark.parametrize("method", ["exhaustive", "gp"])
def test_a_search_completes_though_a_worker_is_killed(url, join, method):
    """Two processes share the space; one is killed in the middle of its third measurement."""

    def start(hangs_at: int) -> subprocess.Popen[str]:
        command = [sys.executable, str(WORKER), url, method, "18", str(hangs_at)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with start(hangs_at=3) as killed:
        assert killed.stdout
        seen = [killed.stdout.readline().strip() for _ in range(3)]
        with start(hangs_at=0) as other:
            assert other.stdout
            rest = [other.stdout.readline().strip()]
            killed.kill()
            rest += other.communicate(timeout=60)[0].split("\n")[:-1]

    finished = Counter(seen[:2]) + Counter(rest)
    assert other.returncode == 0
    assert finished == Counter(map(str, SPACE.configurations()))
    if method == "gp":
        trials = optuna.load_study(study_name="shared", storage=join(study="again").optuna_storage()).trials
        assert Counter(item.state.name for item in trials if item.values)["COMPLETE"] == 18
        assert not [item for item in trials if item.state.name == "RUNNING"]
