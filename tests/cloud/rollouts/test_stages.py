"""How a rollout goes on, in a time of the tests' own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from cloud.rollouts.stages import Seen, advance, canceled, to_send
from cloud.store.rollouts.values import Member, MemberState, Plan, Rollout, RolloutState
from protocol.messages import TableReport, TableState

Fleet = Callable[..., "World"]


@dataclass
class World:
    """Devices that do what the test says, a rollout to them, and a clock."""

    rollout: Rollout
    seen: dict[str, Seen] = field(default_factory=dict)
    now: float = 0.0
    passed_s: float = 0.0
    broker_away: bool = False

    def look(self, after_s: float = 0.0) -> Rollout:
        """One look: what is to be sent becomes desired at once."""
        self.now += after_s
        self.passed_s += after_s
        moved = advance(self.rollout, self.seen, at=self.now, passed_s=self.passed_s)
        if moved != self.rollout:
            self.rollout, self.passed_s = moved, 0.0
        for member in to_send(self.rollout, self.seen):
            known = self.seen.get(member.device, Seen())
            self.seen[member.device] = replace(
                known, desired_version=member.version, desired_digest=member.digest, published=not self.broker_away
            )
        return self.rollout

    def there(self, *devices: str, online: bool = True) -> None:
        for device in devices:
            known = self.seen.get(device, Seen())
            self.seen[device] = replace(known, online=online)

    def says(self, device: str, report: TableReport) -> None:
        known = self.seen[device]
        self.seen[device] = replace(known, report=report)

    def applies(self, *devices: str) -> None:
        for device in devices:
            self.says(device, TableReport("digits", f"new-{device}", 5, TableState.APPLIED))

    def states(self) -> dict[str, str]:
        return {member.device: member.state.value for member in self.rollout.members}

    def told(self) -> list[str]:
        return sorted(device for device, seen in self.seen.items() if seen.desired_version == 5)


@pytest.fixture
def fleet() -> Fleet:
    def make(count: int = 5, *, online: bool = True, **plan) -> World:
        names = [f"pi-{number}" for number in range(1, count + 1)]
        wanted = Plan(**{"canary_share": 0.2, "soak_s": 60.0, "patience_s": 300.0, **plan})
        members = tuple(Member(name, f"new-{name}", 5) for name in names)
        world = World(Rollout("r", "digits", wanted, members, created_at=0.0))
        world.there(*names, online=online)
        return world

    return make


def test_the_canary_comes_first_and_the_rest_once_it_has_proven_itself(fleet):
    world = fleet()

    world.look()
    assert world.told() == ["pi-1"]
    world.applies("pi-1")
    world.look(1)
    world.look(59)
    assert world.told() == ["pi-1"]
    world.look(1)
    assert world.told() == [f"pi-{number}" for number in range(1, 6)]
    world.applies("pi-2", "pi-3", "pi-4", "pi-5")
    world.look(1)
    assert world.look(60).state is RolloutState.DONE
    assert set(world.states().values()) == {"applied"}


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_neither_shortens_nor_lengthens_the_watch(fleet, step_s):
    world = fleet()
    world.look()
    world.applies("pi-1")
    world.look(1)

    world.now += step_s
    world.look(30)
    world.look(29)
    assert world.told() == ["pi-1"]
    world.look(1)
    assert len(world.told()) == 5


def test_a_clock_that_is_set_makes_no_device_late_or_silent(fleet):
    world = fleet(canary_share=1.0)
    world.there("pi-3", online=False)
    world.look()
    world.look(1)

    world.now += 3600.0

    assert world.look(1).state is RolloutState.RUNNING
    assert set(world.states().values()) == {"sent"}


def test_looks_that_change_nothing_are_not_kept_but_their_time_is(fleet):
    world = fleet()
    world.look()
    world.applies("pi-1")
    known = world.look(1)

    assert world.look(4) is known
    assert world.look(6).watched_s == known.watched_s + 10.0


def test_the_canary_is_one_that_is_online(fleet):
    world = fleet(online=False)
    world.there("pi-4")

    world.look()

    assert world.told() == ["pi-4"]


def test_stages_grow_by_the_factor(fleet):
    world = fleet(20, canary_share=0.05, growth=2.0, soak_s=0.0)
    sizes = []

    while world.look(1).state is RolloutState.RUNNING:
        sizes.append(len(world.told()))
        world.applies(*world.told())

    assert sizes == [1, 3, 9, 20]


@pytest.mark.parametrize("state", [TableState.REJECTED, TableState.ROLLED_BACK])
def test_the_first_that_fails_stops_it_and_the_rest_keep_what_they_have(fleet, state):
    world = fleet()
    world.look()
    failed = state is TableState.ROLLED_BACK
    digest = "old" if failed else "new-pi-1"
    world.says("pi-1", TableReport("digits", digest, 4, state, "no room", failed="new-pi-1" if failed else ""))

    stopped = world.look(1)

    assert stopped.state is RolloutState.STOPPED
    assert stopped.reason == f"pi-1: {state.value}: no room"
    world.look(1000)
    assert world.told() == ["pi-1"]


def test_one_that_applied_and_went_back_while_it_was_watched_stops_it(fleet):
    world = fleet()
    world.look()
    world.applies("pi-1")
    world.look(30)

    world.says("pi-1", TableReport("digits", "old", 4, TableState.ROLLED_BACK, "failed", failed="new-pi-1"))

    assert world.look(1).state is RolloutState.STOPPED


def test_what_a_device_went_back_from_before_does_not_count(fleet):
    world = fleet()
    world.says("pi-1", TableReport("digits", "old", 4, TableState.ROLLED_BACK, "long ago"))
    world.look()

    assert world.look(1).state is RolloutState.RUNNING
    world.says("pi-1", TableReport("digits", "old", 4, TableState.ROLLED_BACK, "late news", failed="another"))
    assert world.look(1).state is RolloutState.RUNNING
    world.says("pi-1", TableReport("digits", "old", 4, TableState.ROLLED_BACK, "from this one, says an old agent"))
    assert world.look(1).state is RolloutState.STOPPED


def test_what_shall_not_stop_it_does_not(fleet):
    world = fleet(2, canary_share=0.5, soak_s=0.0, stop_on=(TableState.ROLLED_BACK,))
    world.look()
    world.says("pi-1", TableReport("digits", "new-pi-1", 5, TableState.REJECTED, "no room"))

    world.look(1)
    assert world.told() == ["pi-1", "pi-2"]
    world.applies("pi-2")
    assert world.look(1).state is RolloutState.DONE
    assert world.states() == {"pi-1": "rejected", "pi-2": "applied"}


def test_a_device_that_is_off_is_waited_for_so_long_and_gets_its_table_all_the_same(fleet):
    world = fleet(3, canary_share=1.0)
    world.there("pi-3", online=False)
    world.look()
    world.applies("pi-1", "pi-2")

    assert world.look(299).state is RolloutState.RUNNING
    world.look(1)
    assert world.states()["pi-3"] == "late"
    world.there("pi-3")
    world.applies("pi-3")
    assert world.look(60).state is RolloutState.DONE
    assert world.states()["pi-3"] == "applied"


def test_a_rollout_ends_with_devices_that_stay_off(fleet):
    world = fleet(3, canary_share=1.0)
    world.there("pi-3", online=False)
    world.look()
    world.applies("pi-1", "pi-2")
    world.look(300)

    assert world.look(60).state is RolloutState.DONE
    assert world.states()["pi-3"] == "late"


def test_one_that_is_online_and_says_nothing_stops_it(fleet):
    world = fleet()
    world.look()
    world.look(1)

    assert world.look(299).state is RolloutState.RUNNING
    stopped = world.look(1)

    assert stopped.state is RolloutState.STOPPED
    assert stopped.reason == "pi-1: silent: it is online, but has said nothing of its table for 300 s"


def test_a_device_owes_no_word_on_what_the_broker_has_not_taken(fleet):
    world = fleet()
    world.broker_away = True
    world.look()

    assert world.look(1000).state is RolloutState.RUNNING
    world.seen["pi-1"] = replace(world.seen["pi-1"], published=True)
    world.look(1)
    assert world.look(299).state is RolloutState.RUNNING
    assert world.look(1).state is RolloutState.STOPPED


def test_one_that_comes_back_has_all_the_time_for_its_word(fleet):
    world = fleet()
    world.look()
    world.there("pi-1", online=False)
    world.look(299)
    world.there("pi-1")

    world.look(1)
    assert world.look(299).state is RolloutState.RUNNING
    world.applies("pi-1")
    assert world.look(0).state is RolloutState.RUNNING


def test_a_canary_that_goes_off_makes_way_for_another_that_is_there(fleet):
    world = fleet()
    world.look()
    world.there("pi-1", online=False)

    world.look(1)
    world.look(300)

    assert world.told() == ["pi-1", "pi-2"]


def test_nobody_follows_while_nobody_has_proven_the_table(fleet):
    world = fleet(online=False)
    world.look()

    for _ in range(5):
        world.look(1000)

    assert world.told() == ["pi-1"]
    assert world.rollout.state is RolloutState.RUNNING


def test_a_device_with_another_table_by_now_is_left_alone(fleet):
    world = fleet(2, canary_share=0.5, soak_s=0.0)
    world.look()
    world.applies("pi-1")
    world.seen["pi-2"] = Seen(True, 6, "by hand")

    assert world.look(1).state is RolloutState.DONE
    assert world.states() == {"pi-1": "applied", "pi-2": "overtaken"}
    assert world.seen["pi-2"].desired_digest == "by hand"


def test_what_was_decided_is_sent_again_where_a_process_died_between(fleet):
    world = fleet()
    world.rollout = advance(world.rollout, world.seen, at=0.0, passed_s=0.0)

    again = advance(world.rollout, world.seen, at=1.0, passed_s=1.0)
    assert [member.device for member in to_send(again, world.seen)] == ["pi-1"]


def test_nothing_is_sent_of_what_has_ended(fleet):
    world = fleet()
    world.look()

    world.rollout = canceled(world.rollout, at=5.0)

    assert (world.rollout.state, world.rollout.ended_at) == (RolloutState.CANCELED, 5.0)
    assert advance(world.rollout, world.seen, at=9.0, passed_s=9.0) is world.rollout
    assert to_send(world.rollout, {}) == []


def test_counts_tell_how_many_are_where(fleet):
    world = fleet()
    world.look()

    assert world.rollout.counts() == {MemberState.SENT.value: 1, MemberState.WAITING.value: 4}
