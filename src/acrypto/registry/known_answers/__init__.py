"""Published answers that an implementation must give, as constants."""
