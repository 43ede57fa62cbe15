"""docs/reference, made from the contracts and from a story that is played again."""
