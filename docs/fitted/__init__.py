"""The fitted parts of the pages; `docs/make_skills.py` makes them."""
