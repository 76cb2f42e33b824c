"""The pages of lines: grid, submitting, reviewing, history, consolidated workbook, old workbooks."""
