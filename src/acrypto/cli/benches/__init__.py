"""What `acrypto bench` measures: a module for each name, none of which needs anything that is not installed."""
