"""The state of deployments outlives a configuration, whose figures it takes up."""

from __future__ import annotations

from gateway.deployments import Deployments
from routing.config import BreakerConfig


def test_a_new_configuration_says_how_often_may_be_retried() -> None:
    deployments = Deployments()
    assert deployments.budget("m", share=0.2, floor=1.0).take(now=0)
    deployments.configure(BreakerConfig(), lambda name: 0.0)
    assert not deployments.budget("m", share=0.0, floor=0.0).take(now=0)
