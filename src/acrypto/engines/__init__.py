"""The hands: one file per engine, one list of them."""
