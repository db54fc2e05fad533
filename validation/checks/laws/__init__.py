"""Data laws beside what their papers say and what own integrations of them give."""
