"""From rows and verdicts to charts."""
