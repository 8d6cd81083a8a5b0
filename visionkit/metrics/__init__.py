"""What is measured, as the reference implementations measure it."""
