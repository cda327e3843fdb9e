"""The schedule: IBKR's reset windows, and when an instance restarts and logs in around them.

- `windows`: may a login or restart start now, and if not, when (launcher and watcher; few imports).
- `regions`: which region's windows count, by `jts.ini`.
- `compiler`: what an operator wrote becomes IBC's times and systemd's calendars, or is refused.
- `agenda`, `table`: the coming days, for programs and for people.

docs/schedule.md says which window forbids what, and where the times come from.
"""
