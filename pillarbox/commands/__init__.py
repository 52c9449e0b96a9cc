"""The commands, each in a module that is imported only to run it."""
