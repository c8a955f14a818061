"""Replicas of vLLM with LoRA adapters, simulated: how soon policies of placement answer."""
