"""A link leads to the BMC itself, in whichever form it is written."""

import pytest

from provisioner.power.redfish_path import ROOT, key, local


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ("/redfish/v1/Systems/1/", "/redfish/v1/Systems/1/"),
        ("https://10.9.9.9:8443/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ("//redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ("//bmc.example/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ("redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ("Systems/1", "/redfish/v1/Systems/1"),
        ("/rest/v1/Systems/1", "/rest/v1/Systems/1"),
        ("/redfish/v1/Systems?$skip=2&$top=1", "/redfish/v1/Systems?$skip=2&$top=1"),
        ("/redfish/v1/Systems/1#/Boot", "/redfish/v1/Systems/1"),
        ("/redfish/v1/Systems/Node 1", "/redfish/v1/Systems/Node%201"),
        ("/redfish/v1/Systems/Node%201", "/redfish/v1/Systems/Node%201"),
        ("/redfish/v1/Systems/1\r\nX: y", "/redfish/v1/Systems/1X:%20y"),
        ("/redfish/v1/Systems/ü", "/redfish/v1/Systems/%C3%BC"),
        ("https://[", ROOT),
        ("", ROOT),
    ],
)
def test_a_link_is_a_path_of_the_bmc(link: str, path: str) -> None:
    assert local(link) == path


def test_links_that_differ_in_form_alone_lead_to_one_resource() -> None:
    forms = ("/redfish/v1/Systems/Self", "/redfish/v1/systems/self/", "https://x/redfish/v1/Systems/Self")
    assert {key(form) for form in forms} == {"/redfish/v1/systems/self"}
