"""How often somebody may do something."""

from provisioner.web import rate_limit
from provisioner.web.rate_limit import RateLimit


def test_a_burst_is_allowed_then_the_rate_and_nobody_pays_for_another() -> None:
    now = [0.0]
    bucket = RateLimit(rate=0.5, burst=3, clock=lambda: now[0])
    assert [bucket.allows("a") for _ in range(5)] == [True, True, True, False, False]
    assert bucket.allows("b")
    now[0] = 2.0
    assert [bucket.allows("a"), bucket.allows("a")] == [True, False]
    now[0] = 1000.0
    assert sum(bucket.allows("a") for _ in range(9)) == 3, "what is saved up is a burst, no more"


def test_the_memory_is_bounded() -> None:
    bucket = RateLimit(rate=1, burst=1)
    for number in range(rate_limit.MOST_BUCKETS + 100):
        bucket.allows(str(number))
    assert len(bucket._buckets) == rate_limit.MOST_BUCKETS
