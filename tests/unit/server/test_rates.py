import pytest

from server.app import check_rates
from server.settings import SettingsError, load


@pytest.mark.parametrize("name", ["wirte", "get_items_id", "everything"])
def test_a_limit_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"RATES names {name}: there is no such limit"):
        check_rates(load({"RATES": f"write=1000/10,{name}=5/10"}))


@pytest.mark.parametrize("name", ["read", "write", "address", "signup", "post_auth_login"])
def test_a_limit_that_there_is_can_be_set(name: str) -> None:
    check_rates(load({"RATES": f"{name}=5/10"}))
