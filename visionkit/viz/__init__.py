"""What people look at: drawings, curves, reports."""
