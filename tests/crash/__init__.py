"""Money survives a kill at any line: a real process is killed, recovery runs, and our view agrees with the book."""
