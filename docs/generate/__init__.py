"""What of the documentation is made from the code: called by `conf.py` before a build, and by the tests."""
