"""What shows how a training goes on, and what a report says of its run: lines, the page, and other programs."""
