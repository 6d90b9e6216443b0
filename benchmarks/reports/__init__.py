"""Outcomes for people and programs: text, JSON, HTML with plots, PNG, and the table of the README.

All are made of outcomes alone, so one may be made again from a JSON document: ``--from FILE``.
"""
