"""The tests of Tallybook."""
