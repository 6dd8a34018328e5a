import pytest
from tests.api.admin import test_odd_input as odd
from tests.api.admin.conftest import SETTINGS, caller
from tests.site import serving_site
odd.ASKED = 900

@pytest.fixture
def site(tmp_path, postgres_url):
    with serving_site(tmp_path / "pg", {**SETTINGS, "database": {"url": postgres_url}}) as s:
        yield s

def test_pg(site):
    doc = site.http.get("/openapi.json").json()
    ops = [(p.removeprefix("/v1/admin"), m, o) for p, ms in doc["paths"].items() if p.startswith("/v1/admin/") for m, o in ms.items()]
    odd.test_odd_input_is_refused_with_a_problem_and_never_fails(site, ops)
    import tests.api.admin.test_users as u, tests.api.admin.test_groups as g, tests.api.admin.test_clients as c, tests.api.admin.test_rules as r, tests.api.admin.test_keys as k
    import inspect
    call = caller(site)
    for mod in (u, g, c, r, k):
        for name, fn in list(vars(mod).items()):
            if name.startswith("test_") and not hasattr(fn, "pytestmark"):
                args = inspect.signature(fn).parameters
                try:
                    fn(**{n: {"site": site, "call": call}[n] for n in args})
                except AssertionError as e:
                    print("FAILED", name, str(e)[:300])
                    raise
