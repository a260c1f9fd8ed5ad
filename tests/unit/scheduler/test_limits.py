from __future__ import annotations

import pytest
from durakit.scheduler.limits import AZURE_LIMITS, NO_LIMITS
from durakit.scheduler.refusal import Refusal

from .rig import Rig, text


@pytest.mark.parametrize(
    ("instance_id", "message"),
    [
        ("", "The instance id is empty. Pass at least one character."),
        (
            "@counter@x",
            "Instance id '@counter@x' begins with '@', which is reserved for entities. Choose another first "
            "character.",
        ),
        (
            "x" * 101,
            "The instance id is 101 characters long; at most 100 are allowed. Pass a shorter instance_id.",
        ),
    ],
)
def test_an_impossible_instance_id_is_refused_with_the_reason(instance_id: str, message: str) -> None:
    with pytest.raises(Refusal) as caught:
        AZURE_LIMITS.check_instance_id(instance_id)

    assert (caught.value.status, caught.value.message) == ("INVALID_ARGUMENT", message)


@pytest.mark.parametrize("instance_id", ["x", "x" * 100, "ü" * 100, "with space", "a@b"])
def test_an_instance_id_within_the_limit_passes(instance_id: str) -> None:
    AZURE_LIMITS.check_instance_id(instance_id)


def test_sizes_are_counted_in_bytes_not_characters() -> None:
    just_right, too_large = "ü" * (512 * 1024), "ü" * (512 * 1024) + "x"

    assert AZURE_LIMITS.excess("input", just_right) is None
    assert AZURE_LIMITS.excess("input", too_large) == (
        "The input is 1,048,577 bytes; at most 1,048,576 are allowed. Store large data elsewhere and pass a "
        "reference, or start the scheduler with --limits off (Azure's limit stays)."
    )


def test_an_absent_payload_is_never_too_large() -> None:
    assert AZURE_LIMITS.excess("input", None) is None


def test_limits_can_be_off_but_not_the_rules_of_the_protocol() -> None:
    assert NO_LIMITS.excess("input", "x" * 2_000_000) is None
    NO_LIMITS.check_instance_id("x" * 1000)
    with pytest.raises(Refusal, match="begins with '@'"):
        NO_LIMITS.check_instance_id("@x")


def test_requests_are_held_to_the_limits() -> None:
    rig = Rig()
    rig.start()
    large = "x" * (1024 * 1024 + 1)

    with pytest.raises(Refusal, match="The orchestration input is 1,048,577 bytes"):
        rig.start("b", input=text(large))
    with pytest.raises(Refusal, match="The payload of event 'e' is 1,048,577 bytes"):
        rig.raise_event("e", large)
    with pytest.raises(Refusal, match="The output is 1,048,577 bytes"):
        rig.terminate(output=large)
