"""What a sweep file may say under `search`: one module a kind, with its MODEL; what proposes is in search/proposers."""
