from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
from bayescale.laws import henighan
from bayescale.laws.henighan import TABLE, exponent_range
from bayescale.laws.rules.kaplan import PF_DAY


def test_one_published_set_a_modality() -> None:
    assert len(bs.law("henighan-n").published) == sum(row.size is not None for row in TABLE) == 12
    assert len(bs.law("henighan-c").published) == sum(row.compute is not None for row in TABLE) == 10
    assert sum(row.optimal is not None for row in TABLE) == 10


def test_law_at_its_scale_is_one_nat_above_the_floor() -> None:
    for name, scale, column in (("henighan-n", "N_0", "params"), ("henighan-c", "C_0", "flops")):
        law = bs.law(name)
        for published in law.published:
            loss = law.loss(published.values, {column: published.values[scale]})
            assert float(loss) == pytest.approx(published.values["L_inf"] + 1), published.label


def test_compute_is_converted_from_pf_days() -> None:
    published = {p.label: p.values for p in bs.law("henighan-c").published}
    assert published["Henighan 2020, video VQ"] == {"L_inf": 0.95, "C_0": 2.2e-5 * 8.64e19, "a_C": 0.14}
    assert henighan.loss_of_compute(
        published["Henighan 2020, mathematics"], {"flops": PF_DAY}
    ) == pytest.approx(0.14 + 1.4e-5**0.17)


def test_optimal_size_is_one_parameter_at_its_scale_and_grows_as_published() -> None:
    language = TABLE[0].optimal
    assert language is not None
    assert language.params(3.3e-13 * PF_DAY) == pytest.approx(1.0)
    assert np.log10(language.params(1e21) / language.params(1e20)) == pytest.approx(0.73)


def test_range_of_exponents_is_the_spread_of_the_table() -> None:
    logs = np.log([row.size.exponent for row in TABLE if row.size])
    prior = exponent_range("size")
    mean, sd = prior.normal("positive")
    assert (mean, sd) == pytest.approx((logs.mean(), logs.std(ddof=1)))
    assert exponent_range("size", mass=0.5).low > prior.low


def test_a_floor_makes_exponents_larger() -> None:
    assert exponent_range("size", with_floor=True).low > exponent_range("size", with_floor=False).low
    with pytest.raises(ValueError, match="two domains"):
        exponent_range("compute", with_floor=False)


def test_optimal_exponents_agree_over_domains() -> None:
    prior = exponent_range("optimal")
    assert 0.6 < prior.low < prior.high < 0.8
    inside = [prior.low < row.optimal.exponent < prior.high for row in TABLE if row.optimal]
    assert np.mean(inside) >= 0.8


def test_the_range_goes_into_a_model() -> None:
    model = bs.Model(name="x", law="henighan-n", priors={"a_N": exponent_range("size")})
    assert model.prior("a_N") == exponent_range("size")
