"""What embeds texts: the settings of the AI service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class EmbeddingSettings(BaseSettings):
    """A part of the settings; see `Settings`."""

    embedding_provider: Literal["auto", "openai", "azure", "local", "none"] = Field(
        "auto",
        description="What embeds texts: openai, azure, local, none;"
        " auto takes the first of azure, openai and local that is there",
    )
    embedding_model: str = Field(
        "text-embedding-3-small",
        min_length=1,
        max_length=200,
        description="Model of openai, deployment of azure; local has its own",
    )
    embedding_timeout: float = Field(
        5.0, gt=0, le=600, description="Seconds that one embedding request may take"
    )
