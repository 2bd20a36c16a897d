"""The verbs of the command line, a file a group of them: parse, call, print. `bayescale.cli` puts them together."""
