"""Business nouns of the service: their data, their rules and their use cases."""
