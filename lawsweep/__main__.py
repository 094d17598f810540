"""`python -m lawsweep`: the command line without its script."""

import lawsweep

if __name__ == "__main__":
    lawsweep.main()
