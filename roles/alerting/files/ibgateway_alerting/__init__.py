"""Alerting: the watcher detects, the notifier delivers, a database lies between them."""
