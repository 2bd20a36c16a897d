"""The one kind of error that is the user's to mend."""


class UserError(ValueError):
    """Bad usage or bad input: its text is one line or more that name file, row, column and remedy.

    The command line prints it without a traceback and ends with status 2.
    """


class DesignWarning(UserWarning):
    """Said before sampling: what these runs cannot tell about the law, whatever the sampler does."""
