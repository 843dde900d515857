import importlib, pytest
from grasp_theory.checks import verify
from grasp_theory.breaking import killed


@pytest.mark.parametrize("key", ["who_wins"])
def test_contract(key):
    S = importlib.import_module("grasp_theory.theorems." + key).STATEMENT
    for seed in range(25):
        o = verify(S, seed=seed)
        assert not o.failures, (seed, o.failures)
    import dataclasses

    S = dataclasses.replace(S, route=None, key=S.key + "-x")
    k = killed(S)
    assert all(k.values()), k
