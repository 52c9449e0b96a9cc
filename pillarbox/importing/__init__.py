"""Sending a template to everybody in a file, once, however often it takes to get through it."""
