"""``python -m saaf_autogen`` is ``saaf``."""

from saaf_autogen.cli.main import main

if __name__ == "__main__":
    main()
