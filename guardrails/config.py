"""Guardrails' section of the configuration: what is looked for, and what then happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from retrieval.config import Section

Action: TypeAlias = Literal["allow", "redact", "block"]
PassagePolicy: TypeAlias = Literal["off", "flag", "fence", "drop"]


class PiiConfig(Section):
    """What becomes of personal data and secrets before a model, the cache or the index reads them.

    Traces are stricter: there everything found is redacted, whatever is set here.
    """

    credit_card: Action = Field(default="redact", description="Card numbers (Luhn).")
    iban: Action = Field(default="redact", description="Bank accounts (mod 97).")
    us_ssn: Action = Field(default="redact", description="US social security numbers.")
    de_tax_id: Action = Field(default="redact", description="German tax numbers (checksum).")
    secret: Action = Field(
        default="redact", description="API keys, tokens, private keys, passwords in URLs."
    )
    email: Action = Field(default="allow", description="E-mail addresses.")
    phone: Action = Field(default="allow", description="Telephone numbers.")
    ip_address: Action = Field(default="allow", description="IPv4 and IPv6 addresses.")


class InjectionConfig(Section):
    """What becomes of a question, or a passage, that gives the model orders it should not take."""

    action: Literal["off", "flag", "block"] = Field(
        default="flag", description="flag records what was seen; block refuses the request."
    )
    flag_at: float = Field(
        default=0.5, gt=0, le=1, description="Least score that is recorded; one plain sign."
    )
    block_at: float = Field(
        default=0.8, gt=0, le=1, description="Least score that blocks; several signs together."
    )
    passages: PassagePolicy = Field(
        default="flag",
        description="A passage in which the scan at ingestion found orders for the model: flag "
        "warns the model of it, fence also marks every word of it as quoted, drop leaves it out.",
    )
    collections: Mapping[str, PassagePolicy] = Field(
        default_factory=dict, description="The same for single collections, by their names."
    )

    def policy(self, collection: str) -> PassagePolicy:
        """What becomes of such a passage of this collection."""
        return self.collections.get(collection, self.passages)


class OutputConfig(Section):
    """What an answer is checked for."""

    secrets: Literal["allow", "redact"] = Field(
        default="redact", description="Secrets that an answer would give away."
    )
    instructions: Literal["allow", "redact"] = Field(
        default="redact", description="Long verbatim stretches of the instructions."
    )


class GuardrailsConfig(Section):
    """Checks of what comes in, of what was found, and of what goes out."""

    pii: PiiConfig = Field(default=PiiConfig(), description="Personal data and secrets.")
    injection: InjectionConfig = Field(
        default=InjectionConfig(), description="Orders that would take over the model."
    )
    output: OutputConfig = Field(default=OutputConfig(), description="Answers.")
