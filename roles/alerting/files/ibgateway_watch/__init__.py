"""The watcher: reads what happens to IB Gateway and tells it to people, in plain words."""
