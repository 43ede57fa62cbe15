"""The commands, a module each: read the options, ask the services, hand the answer to a view."""
