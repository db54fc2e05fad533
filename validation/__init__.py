"""Runs held against exact results and published reference values: `python -m validation`.

Every check lives in one module of `validation.checks` and registers itself; a new file there joins the table.
"""
