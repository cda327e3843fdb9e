"""What the Molecule scenarios' tests share: how to look at an instance, and how to run the playbooks."""
