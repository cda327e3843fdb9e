"""The watcher: sources in, incidents and messages out. Standard library and prometheus_client only."""
