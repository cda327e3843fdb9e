"""What the disposable VPS is made of: engine, image, hosts, artifacts. Standard library only."""
