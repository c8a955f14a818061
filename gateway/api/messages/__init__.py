"""Anthropic's Messages API, so that its clients work with any model."""
