"""`python -m zava` is the `zava` command."""

from zava.cli import main

if __name__ == "__main__":
    main()
