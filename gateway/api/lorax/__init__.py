"""LoRAX's own API, so that its clients work as they are; adapters are those of the registry."""
