"""What a profile may say of the disk that is erased."""

import pytest
from pydantic import ValidationError

from provisioner.domain.profile import Hints, Profile


def test_the_first_of_a_profiles_disks_is_the_one_that_is_written() -> None:
    assert Profile(name="p").disk == Hints()
    assert Profile(name="p", disks=(Hints(serial="Z1"), Hints(serial="Z2"))).disk == Hints(serial="Z1")


@pytest.mark.parametrize("disks", [[], ()])
def test_a_profile_that_names_no_disk_at_all_is_refused(disks: object) -> None:
    with pytest.raises(ValidationError, match="no disk is named: leave it out where the host has only one"):
        Profile.model_validate({"name": "p", "disks": disks})
