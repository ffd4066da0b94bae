"""The less a client's connections last, the less often it tries."""

from __future__ import annotations

from protocol.steadiness import LASTS_S, Steadiness


def after(*lasted_s: float) -> Steadiness:
    """What is known after connections that stood so long."""
    now_s = [0.0]
    steadiness = Steadiness(lambda: now_s[0])
    for each_s in lasted_s:
        steadiness.began()
        now_s[0] += each_s
        steadiness.broke()
    return steadiness


def test_a_first_loss_is_followed_by_a_try_at_once():
    assert after().delay_s == after(0.1).delay_s == after(LASTS_S).delay_s == 1
    assert not after(0.1).hopeless


def test_each_connection_that_breaks_soon_doubles_the_delay_up_to_one_below_what_counts_as_lasting():
    delays_s = [after(*[0.1] * count).delay_s for count in range(1, 8)]
    assert delays_s == [1, 2, 4, 8, 16, 20, 20]
    assert after(*[0.1] * 5000).delay_s < LASTS_S
    assert after(0.1, 0.1).hopeless


def test_one_that_lasted_makes_up_for_all_before():
    assert after(0.1, 0.1, 0.1, LASTS_S).brief == 0
    assert after(0.1, 0.1, 0.1, LASTS_S, 0.1).delay_s == 1
