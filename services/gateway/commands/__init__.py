"""What an operator does at the command line, beside serving, with the messages and keys of any tenant."""
