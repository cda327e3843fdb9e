"""The notifier: outbox to channels, button presses back. It knows secrets and the internet, not Gateway."""
