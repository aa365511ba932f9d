"""SynGen's code. Importing this package imports nothing else, so that each stage loads only what it needs."""
