"""`python -m pgwarden` is `pgwarden`."""

from pgwarden.cli import main

raise SystemExit(main())
