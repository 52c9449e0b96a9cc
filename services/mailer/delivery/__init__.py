"""Delivery: what is done with one message, whatever the queue, the database and the provider are.

``delivery`` makes the attempt, ``doubt`` resolves one whose end nobody knows, ``consequence`` says
what follows of an outcome, ``ports`` what all of them need from outside.
"""
