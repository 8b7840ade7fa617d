"""The pages of docs/questions: measured, drawn and worded by scripts, a file each, from the shipped weights."""
