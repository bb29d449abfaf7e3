"""What was asked for, line by line, as a company asks for it over HTTP; each test is named by its line."""
