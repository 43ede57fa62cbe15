"""The whole house at work on real input."""
