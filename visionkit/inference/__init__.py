"""What all predictors share: images in any form, results, output lines, videos."""
