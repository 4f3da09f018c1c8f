"""Constraints between keys of the live world; needs no jax."""

from __future__ import annotations

from lrdqn.config.fields import ConfigError
from lrdqn.envs.live.config import LiveConfig, discount_minutes


def check_live(env: LiveConfig) -> None:
    """Raise ``ConfigError`` unless shapes, clock, episode and content of the live world fit
    together."""
    if env.population is None and env.candidates > env.streamers:
        raise ConfigError(
            "env.candidates",
            env.candidates,
            f"must not exceed the catalogue, env.streamers={env.streamers}",
        )
    for key in ("familiar", "popular", "fresh", "similar"):
        if getattr(env, key) >= env.candidates:
            raise ConfigError(
                f"env.{key}", getattr(env, key), f"must be below env.candidates={env.candidates}"
            )
    kept = env.familiar + env.popular + env.fresh + env.similar
    if kept > env.candidates:
        allowed = (
            f"familiar, popular, fresh and similar places are {kept}; "
            f"must not exceed env.candidates={env.candidates}"
        )
        raise ConfigError("env.candidates", env.candidates, allowed)
    if env.familiar > env.loyalty_slots:
        raise ConfigError(
            "env.familiar", env.familiar, f"must not exceed env.loyalty_slots={env.loyalty_slots}"
        )
    if env.slate > env.candidates:
        raise ConfigError(
            "env.slate", env.slate, f"must not exceed env.candidates={env.candidates}"
        )
    if env.schedule.days < env.max_sessions + 3:
        raise ConfigError(
            "env.schedule.days",
            env.schedule.days,
            f"must be at least env.max_sessions + 3 = {env.max_sessions + 3}",
        )
    discount_minutes(env.discount_unit)
    least = max(env.users, env.streamers)
    if env.population is None and 0 < env.log.impressions < least:
        why = f"must be 0 or at least {least}, one for each user and streamer"
        raise ConfigError("env.log.impressions", env.log.impressions, why)
    if env.clock == "tick" and env.episode != "session":
        raise ConfigError(
            "env.episode",
            env.episode,
            "env.clock=tick gives a place to the next user; must be session",
        )
    if env.clock == "tick" and env.live_signals:
        raise ConfigError(
            "env.live_signals",
            True,
            "env.clock=tick shows the last minutes' reactions anyway; leave it out",
        )
    check_content(env)


def check_content(env: LiveConfig) -> None:
    """Raise ``ConfigError`` unless embeddings have a file, files have a reader, and views are there
    to go missing."""
    if env.content == "embeddings" and env.embeddings is None:
        raise ConfigError(
            "env.embeddings", "null", "env.content=embeddings needs a file, env.embeddings=PATH.npy"
        )
    for key in ("embeddings", "embedding_ids"):
        if env.content != "embeddings" and getattr(env, key) is not None:
            raise ConfigError(
                f"env.{key}",
                getattr(env, key),
                f"env.content={env.content} reads no file; use content=embeddings",
            )
    views = env.content_views
    if env.content == "multimodal" and not (
        views.text.width or views.image.width or views.audio.width
    ):
        raise ConfigError(
            "env.content_views.text.width",
            0,
            "no view is left; at least one must have a width above 0",
        )
    gone = env.perturb.missing_views
    if gone and env.content != "multimodal":
        raise ConfigError(
            "env.perturb.missing_views",
            gone,
            f"env.content={env.content} has no views; use content=multimodal",
        )
