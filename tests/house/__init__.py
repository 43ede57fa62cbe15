"""Tests that keep the house tidy: what a newcomer trusts, checked by a machine."""
