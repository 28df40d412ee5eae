"""The claims that the project itself knows, by name."""

from __future__ import annotations

import pytest

from benchmark.config.catalogue import Catalogue, catalogue
from tables.claims.reader import Claim, load_claims


@pytest.fixture(scope="module")
def known() -> Catalogue:
    return catalogue()


@pytest.fixture(scope="module")
def claims(known: Catalogue) -> dict[str, Claim]:
    return {claim.name: claim for claim in load_claims(known)}
