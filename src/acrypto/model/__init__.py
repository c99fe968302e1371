"""The words: errors, offers, settings. Values only."""
