"""Who has read a boot script, and how often is too often."""

from provisioner.domain.script_reads import MOST_BOOTS, MOST_READS, SAME_BOOT, ScriptReads

NOW = 1_800_000_000.0
UUID = "00112233-4455-6677-8899-aabbccddee01"


def read(*times: float) -> ScriptReads:
    reads = ScriptReads()
    for time in times:
        reads = reads.after("", "", NOW + time)
    return reads


def test_reads_within_seconds_are_one_boot() -> None:
    assert (read(0, 0.1, 4.9).boots, read(0, 0.1, 4.9).reads) == (1, 3)
    assert read(0, 4.9, 9.8).boots == 2, "counted from the boot's first read"
    assert read(0, SAME_BOOT).boots == 2


def test_a_clock_that_was_set_back_hides_no_boot() -> None:
    assert read(0, -3600).boots == 2


def test_three_boots_may_lead_nowhere_and_the_fourth_is_a_loop() -> None:
    reads = read(*(60.0 * number for number in range(MOST_BOOTS)))
    assert not read(0, 60).is_loop(NOW + 120)
    assert not reads.is_loop(NOW + 60 * (MOST_BOOTS - 1) + 1), "the third asks again"
    assert reads.is_loop(NOW + 60 * MOST_BOOTS)


def test_who_asks_without_a_pause_is_in_a_loop_too() -> None:
    assert not read(*[0.0] * (MOST_READS - 1)).is_loop(NOW)
    assert read(*[0.0] * MOST_READS).is_loop(NOW)


def test_twice_in_each_of_the_boots_that_are_allowed_is_no_loop() -> None:
    times = [60.0 * number + twice for number in range(MOST_BOOTS) for twice in (0, 1)]
    for number in range(len(times)):
        assert not read(*times[:number]).is_loop(NOW + times[number])


def test_the_first_that_says_who_it_is_counts() -> None:
    reads = ScriptReads().after("", "", NOW).after("S1", "", NOW).after("S2", UUID, NOW)
    assert (reads.serial, reads.uuid) == ("S1", UUID)


def test_a_placeholder_of_the_first_hides_no_second_machine() -> None:
    reads = ScriptReads().after("Default string", "03000200-0400-0500-0006-000700080009", NOW)
    assert (reads.serial, reads.uuid) == ("", "")
    reads = reads.after("S1", "", NOW + 1).after("S2", UUID, NOW + 2)
    assert (reads.serial, reads.uuid) == ("S1", UUID)
