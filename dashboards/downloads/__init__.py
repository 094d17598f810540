"""One file for each address that answers with a file or a figure: PATH is the address, `answer` gives it."""
