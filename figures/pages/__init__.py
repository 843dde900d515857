"""HTML pages and reports: what the commands write for a reader, in one file each."""
