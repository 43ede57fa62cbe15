"""The pure parts of the console: reading options and files, drawing, errors."""
