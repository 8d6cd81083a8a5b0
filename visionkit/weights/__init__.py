"""Readers for weight files of other libraries; they execute nothing in the files."""
