"""Runs held against exact results and published reference values: `python -m validation`.

Every check lives in one module below `validation.checks` and registers itself; a new file there joins the table.
"""
