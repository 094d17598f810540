"""What a sweep file may say under `stop`: one module a kind, with its MODEL; the rule itself is in search/stop_rules."""
