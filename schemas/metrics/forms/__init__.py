"""The forms of metrics, a file each: its words, unit, scopes, reach and reading."""
