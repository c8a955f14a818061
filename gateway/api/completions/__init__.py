"""OpenAI's older text completions, answered by chat models."""
