"""Revisions of what results depend on."""

from __future__ import annotations

import pytest

import bayescale as bs
from bayescale.revisions import REVISIONS, outdated, outdated_text, revisions_of


def test_a_kept_result_is_outdated_by_the_parts_that_were_raised_since() -> None:
    now = revisions_of("sampler", "discrepancy")
    assert outdated(now) == {} and outdated_text(now) == ""
    then = now | {"sampler": REVISIONS["sampler"] - 1}
    assert outdated(then) == {"sampler": (REVISIONS["sampler"] - 1, REVISIONS["sampler"])}
    assert outdated_text(then) == f"sampler {REVISIONS['sampler'] - 1} (now {REVISIONS['sampler']})"


def test_an_unknown_part_is_an_error() -> None:
    with pytest.raises(KeyError):
        revisions_of("palette")


def test_a_posterior_names_the_revisions_that_made_it(posterior: bs.Posterior) -> None:
    assert posterior.provenance["revisions"] == dict(REVISIONS)
