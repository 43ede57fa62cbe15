"""What can be measured: a module for each part."""
