"""`python -m acrypto` is the command line."""

from acrypto.cli.main import main

main()
