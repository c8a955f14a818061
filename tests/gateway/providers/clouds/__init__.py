"""Clouds whose wire is not OpenAI's, simulated on loopback: what they expect and what they say."""
