"""The notifier: the outbox to the channels, and button presses back. Knows secrets and the internet, not Gateway."""
